//! A guard that can't see says no.

use super::super::sketch::{Family, Standing};
use super::*;

#[test]
fn what_can_not_be_read_fails_the_release() {
    let mut released = Released::new(10);
    assert!(released.one(0..100));
    assert_eq!(released.cohorts.len(), 1);
    let number = *released.cohorts.keys().next().unwrap();
    let fault = GuardFault::Load { cohort: number, reason: "gone".into() };
    let load = |cohort| Err(GuardFault::Load { cohort, reason: "gone".into() });
    let mut session = released.index.session(10, PersonIds::Identity, &load);
    assert!(!session.admit(&(0..101).collect(), &Endless).unwrap());
    assert!(!session.admit(&(5_000..6_000).collect(), &Endless).unwrap(), "nothing passes any more");
    assert_eq!(session.finish(), Err(fault));
    // Persons of another cohort under this number.
    let load = |_| Ok((0..99).collect());
    let mut session = released.index.session(10, PersonIds::Identity, &load);
    assert!(!session.admit(&(0..101).collect(), &Endless).unwrap());
    assert!(matches!(session.finish(), Err(GuardFault::Load { .. })));
    assert_eq!(read_cohort(b"no bitmap"), Err(GuardFault::Damaged));
}

#[test]
fn ids_that_do_not_fit_the_view_fail_the_release() {
    let released = Released::new(10);
    let load = |_| Err(GuardFault::Damaged);
    let mut session = released.index.session(10, registry((0..50).collect(), (0..50).collect()), &load);
    assert!(!session.admit(&(0..51).collect(), &Endless).unwrap());
    assert_eq!(session.finish(), Err(GuardFault::UnknownPerson));
    // Two ordinals with one id.
    let mut session = released.index.session(10, registry(vec![7; 50], vec![7; 50]), &load);
    assert!(!session.admit(&(0..20).collect(), &Endless).unwrap());
    assert_eq!(session.finish(), Err(GuardFault::Damaged));
}

#[test]
fn sketches_of_another_key_are_refused() {
    let mut index = GuardIndex::new(KEY);
    let other = GuardIndex::new(*b"another key, 16b");
    let sketch = |index: &GuardIndex| index.order().sketch(&(0..100).collect(), Family::Both, Standing::Released);
    assert_eq!(index.insert(1, sketch(&other)), Err(GuardFault::Damaged));
    assert!(index.is_empty());
    assert_eq!(index.insert(1, sketch(&index)), Ok(()));
    assert_eq!(index.len(), 1);
}

/// Each set is kept once, admitted or refused, in bytes that read back.
#[test]
fn every_set_is_kept_once() {
    let mut released = Released::new(10);
    let load = |_| Err(GuardFault::Damaged);
    let mut session = released.index.session(10, PersonIds::Identity, &load);
    let sets: [RoaringBitmap; 4] = [(0..100).collect(), (0..101).collect(), (0..100).collect(), (200..300).collect()];
    assert_eq!(sets.each_ref().map(|set| session.admit(set, &Endless).unwrap()), [true, false, true, true]);
    let fresh = session.finish().unwrap();
    let kept: Vec<RoaringBitmap> = fresh.iter().map(|cohort| read_cohort(&cohort.persons).unwrap()).collect();
    // Their union can be formed, so it is kept as well.
    assert_eq!(kept, [sets[0].clone(), sets[1].clone(), sets[3].clone(), &sets[0] | &sets[3]]);
    let refused: Vec<bool> = fresh.iter().map(|cohort| cohort.sketch.is_refused()).collect();
    assert_eq!(refused, [false, true, false, false]);
    released.keep(fresh);
    assert_eq!(released.release(&sets), [true, false, true, true]);
    assert_eq!(released.index.len(), 4, "nothing is kept twice");
}
