//! A large index: no near set is overlooked, and few are read.

use super::super::sketch::{Family, Standing};
use super::*;

/// 3,000 sets of all sizes; copies of some with up to k−1 persons taken out and put in.
#[test]
fn sketches_overlook_no_near_set() {
    let mut numbers = Numbers(11);
    let mut released = Released::new(10);
    let order = released.index.order();
    let mut sets = Vec::new();
    for number in 0..3_000 {
        let size = 10 + numbers.next(3_000);
        let set: RoaringBitmap = (0..size).map(|_| numbers.next(20_000) as u32).collect();
        released.index.insert(number, order.sketch(&set, Family::Both, Standing::Released)).unwrap();
        sets.push(set);
    }
    for k in [2, 10, 32, 64] {
        for (slot, set) in (0..).zip(&sets).filter(|(slot, set)| slot % 4 == 0 && set.len() >= 2 * k) {
            let mut near = set.clone();
            let (out, into) = (numbers.next(k), numbers.next(k));
            for _ in 0..out {
                near.remove(near.select(numbers.next(near.len()) as u32).unwrap());
            }
            (0..into).for_each(|person| _ = near.insert(30_000 + person as u32));
            let equals = released.index.equals(&near, k, Family::Persons);
            assert!(equals.iter().any(|found| found.slot == slot), "k {k}, {} persons", set.len());
            let neighbours = released.index.neighbours(&near, k, Family::Persons);
            assert!(neighbours.contained.iter().any(|found| found.slot == slot));
            // A superset that is not much larger is found, too.
            let part: RoaringBitmap = set.iter().step_by(2).collect();
            if k <= 10 && part.len() >= 20 * k {
                let containing = released.index.neighbours(&part, k, Family::Persons).containing;
                assert!(containing.iter().any(|found| found.slot == slot), "k {k}, half of {}", set.len());
            }
        }
    }
}

#[test]
fn a_sketch_survives_its_bytes_and_no_other_bytes_pass() {
    let order = GuardIndex::new(KEY).order();
    for size in [0, 1, 63, 64, 65, 5_000] {
        let standing = if size == 63 { Standing::Refused } else { Standing::Derived };
        let beside = (size == 63).then_some(7);
        let sketch = Sketch { beside, ..order.sketch(&(0..size).collect(), Family::Versions, standing) };
        let bytes = sketch.to_bytes();
        assert!(bytes.len() <= 23 + 4 * 64);
        assert_eq!(Sketch::from_bytes(&bytes).unwrap(), sketch);
        for length in 0..bytes.len() {
            assert!(Sketch::from_bytes(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
        }
        assert!(Sketch::from_bytes(&[&bytes[..], &[0; 4]].concat()).is_err());
        for (at, value) in [(0, 2), (1, 0), (1, 4), (1, 17), (2, 65)] {
            let mut changed = bytes.clone();
            changed[at] = value;
            assert!(Sketch::from_bytes(&changed).is_err(), "byte {at}");
        }
    }
}

/// The ten-thousandth release is as guarded as the first.
#[test]
fn attacks_among_thousands_of_cohorts_are_found() {
    let mut numbers = Numbers(13);
    let mut released = Released::new(10);
    // Tables by five random keys over filters: partitions of random parts of 20,000 persons.
    for _ in 0..40 {
        let share = 20 + numbers.next(80);
        let filter = numbers.set(20_000, share);
        let mut cells = vec![RoaringBitmap::new(); 20];
        filter.iter().for_each(|person| _ = cells[numbers.next(20) as usize].insert(person));
        assert!(
            released.release(&cells).iter().all(|answer| *answer),
            "random tables do not stand in each other's way"
        );
    }
    assert!(released.index.len() > 800);
    let loads = released.loads.get();
    let base: RoaringBitmap = numbers.set(20_000, 10);
    let mut other: RoaringBitmap = numbers.set(20_000, 15);
    other -= &base;
    assert_eq!(released.release(&[base.clone(), other.clone()]), [true, true]);
    for _ in 0..30 {
        let set = numbers.set(20_000, 30);
        released.release(&[set]);
    }
    let extra = (0..20_000).find(|person| !base.contains(*person) && !other.contains(*person)).unwrap();
    let mut more = base.clone();
    more.insert(extra);
    assert_eq!(released.release(&[more]), [false], "base and one more");
    let both = &base | &other;
    let mut more = both.clone();
    more.insert(extra);
    assert_eq!(released.release(&[more.clone()]), [false], "a union and one more");
    more.remove(base.min().unwrap());
    assert_eq!(released.release(&[more]), [false], "a union, one in, one out");
    assert_eq!(released.release(&[both]), [true], "the union");
    let whole: RoaringBitmap = &base | &numbers.set(20_000, 25);
    assert_eq!(released.release(std::slice::from_ref(&whole)), [true]);
    let mut rest = &whole - &base;
    let one = rest.min().unwrap();
    rest.remove(one);
    assert_eq!(released.release(&[rest.clone()]), [false], "a difference but one");
    rest.insert(one);
    assert_eq!(released.release(&[rest]), [true], "the difference");
    let per_set = (released.loads.get() - loads) as f64 / 41.0;
    assert!(per_set < 70.0, "{per_set} cohorts were read a set");
}
