//! Known ways to subtract a person out of tables.

use super::super::sketch::Standing;
use super::*;

fn range(range: std::ops::Range<u32>) -> RoaringBitmap {
    range.collect()
}

/// k−1 persons more or fewer are refused, k are not, and the same set always passes.
#[test]
fn two_sets_that_differ_by_few_persons() {
    let mut released = Released::new(10);
    assert!(released.one(0..100));
    for (other, admitted) in [
        (range(0..101), false),
        (range(0..99), false),
        (range(0..109), false),
        (range(0..91), false),
        (range(9..109), false),
        (range(0..100), true),
        (range(0..110), true),
        (range(0..90), true),
        (range(0..100), true),
    ] {
        assert_eq!(
            released.release(std::slice::from_ref(&other))[0],
            admitted,
            "{}..{}",
            other.min().unwrap(),
            other.max().unwrap()
        );
    }
    assert!(!released.one(1_000..1_009), "fewer than k persons");
    assert!(released.release(&[RoaringBitmap::new()])[0], "nobody is nobody");
}

/// Two developers, two grants, two jobs: the cohorts are the dataset's.
#[test]
fn chains_of_releases() {
    // A, B, then A∪B and one more person.
    let mut released = Released::new(5);
    assert!(released.one(0..50) && released.one(50..80));
    assert!(!released.one(0..81));
    assert!(released.one(0..80), "the plain union says nothing new");
    // A ⊂ B ⊂ C, each step large, and the last step's persons but one.
    let mut released = Released::new(5);
    assert!(released.one(0..50) && released.one(0..80) && released.one(0..120));
    assert!(!released.one(51..80), "B∖A but one person");
    assert!(!released.one(50..121), "C∖A and one person more");
    assert!(released.one(50..120));
    // A long way around: the sum of two makes the sum of two others but for one person.
    let mut released = Released::new(5);
    assert!(released.one(0..40) && released.one(40..80));
    assert!(released.one((0..20).chain(40..60)));
    assert!(!released.one((20..40).chain(60..81)));
    assert!(released.one((20..40).chain(60..80)));
}

/// Denning's general tracker: pad a small set with a large one, with its complement, and take everybody away.
#[test]
fn a_tracker() {
    let mut released = Released::new(10);
    let target = 7;
    let padding = |person: &u32| person.is_multiple_of(2);
    assert!(released.one(0..1_000));
    assert!(released.one((0..1_000).filter(padding)));
    let complement = (0..1_000).filter(|person| !padding(person));
    assert!(released.one(complement.clone()));
    assert!(!released.one((0..1_000).filter(|person| padding(person) || *person == target)));
    assert!(!released.one(complement.filter(|person| *person != target)));
}

/// The hidden cell of a table of 2,000 is what is left of a total that was released before.
#[test]
fn complements_through_margins_of_large_tables() {
    for k in [3, 10] {
        let mut released = Released::new(k);
        assert!(released.one(0..40_000));
        let mut cells: Vec<RoaringBitmap> = (0..2_000).map(|cell| range(20 * cell..20 * cell + 20)).collect();
        // One person of the last cell is moved out of sight: the cells shown leave that person over.
        cells[1_999].remove(39_999);
        let answers = released.release(&cells);
        assert_eq!(answers.iter().filter(|answer| **answer).count(), 1_999, "all but the one that closes the sum");
        assert!(!answers[1_999]);
        // The same in two releases: half of the cells by one developer, half by another.
        let mut released = Released::new(k);
        assert!(released.one(0..40_000));
        assert!(released.release(&cells[..1_000]).iter().all(|answer| *answer));
        let answers = released.release(&cells[1_000..]);
        assert_eq!(answers.iter().filter(|answer| !**answer).count(), 1, "k {k}");
    }
}

/// A small difference of two large sets, long ago: later the same difference with one person more is asked for.
#[test]
fn a_small_difference_of_large_sets_is_remembered() {
    let mut released = Released::new(10);
    let mut numbers = Numbers(5);
    assert!(released.one(0..50_000));
    assert!(released.one((0..50_000).filter(|person| *person >= 60)));
    for _ in 0..300 {
        let set = numbers.set(100_000, 1);
        assert!(released.release(&[set])[0]);
    }
    assert!(!released.one(0..61) && !released.one(1..60) && !released.one((0..60).chain([99_999])));
    assert!(released.one(0..60), "the difference itself can be formed already");
}

/// Consent withdrawn, or a new snapshot: the same question again, one person fewer.
#[test]
fn a_new_snapshot_opens_no_difference() {
    let first = || registry((0..1_000).collect(), (0..1_000).collect());
    let mut released = Released::new(10);
    assert_eq!(released.release_as(first(), &[range(0..500), range(500..1_000)]), [true, true]);
    // Person 3 is gone: ordinals shift, ids do not.
    let ids: Vec<u32> = (0..1_000).filter(|id| *id != 3).collect();
    let answers = released.release_as(registry(ids.clone(), ids), &[range(0..499), range(499..999)]);
    assert_eq!(answers, [false, true], "the cell that lost one is refused, the other is the same");
}

#[test]
fn changed_rows_open_no_difference() {
    let first = || registry((0..1_000).collect(), (0..1_000).collect());
    let changed = |changed: &dyn Fn(u32) -> bool| {
        let version = |id: u32| if changed(id) { 10_000 + id } else { id };
        registry((0..1_000).collect(), (0..1_000).map(version).collect())
    };
    let cells = [range(0..500), range(500..1_000)];
    // The same persons, one of them with other rows: the difference of the tables would be that person's change.
    let mut released = Released::new(10);
    assert_eq!(released.release_as(first(), &cells), [true, true]);
    assert_eq!(released.release_as(changed(&|id| id == 3), &cells), [false, true]);
    // Everybody changed (a new column, say), and one person is left out: the columns that stayed would tell.
    let mut released = Released::new(10);
    assert_eq!(released.release_as(first(), &cells), [true, true]);
    assert_eq!(released.release_as(changed(&|_| true), &[range(1..500)]), [false]);
    // Many changed, nobody left out: a difference of many.
    assert_eq!(released.release_as(changed(&|_| true), &cells), [true, true]);
    // A snapshot in which few changed, before anything was released, is no reason to refuse.
    let mut released = Released::new(10);
    assert_eq!(released.release_as(changed(&|id| id == 3), &cells), [true, true]);
    assert_eq!(released.release_as(first(), &cells), [false, true], "an older snapshot asked for later");
}

/// The number of all persons stands in the catalogue. Whoever is told of 8,356 persons of 8,366 is told of the ten others; of nine
/// others nobody is told.
#[test]
fn all_persons_but_a_few() {
    let everybody = || registry((0..1_000).collect(), (0..1_000).collect());
    let mut released = Released::new(10);
    assert_eq!(released.release_as(everybody(), &[range(0..991), range(0..1_000)]), [false, true]);
    let mut released = Released::new(10);
    assert_eq!(released.release_as(everybody(), &[range(0..990), range(9..1_000)]), [true, false]);
    // Two groups that come to all but a few, one after the other.
    let mut released = Released::new(10);
    assert_eq!(released.release_as(everybody(), &[range(0..500)]), [true]);
    assert_eq!(released.release_as(everybody(), &[range(500..995)]), [false]);
    assert_eq!(released.release_as(everybody(), &[range(500..1_000)]), [true]);
    // Two that overlap, and what they share: the first and the second less the third come to all but five.
    let mut released = Released::new(10);
    assert_eq!(released.release_as(everybody(), &[range(0..600), range(400..995)]), [true, true]);
    assert_eq!(released.release_as(everybody(), &[range(400..600)]), [false]);
}

/// Tables of a zone in use, and a total that leaves three persons out. Then five groups that come to everybody.
fn groups_beside_a_total() -> (Released, Vec<RoaringBitmap>) {
    let mut numbers = Numbers(17);
    let mut released = Released::new(10);
    for _ in 0..90 {
        let share = 5 + numbers.next(60);
        let set = numbers.set(5_000, share);
        assert_eq!(released.release(&[set]), [true]);
    }
    assert!(released.one(0..4_997));
    let mut groups = vec![RoaringBitmap::new(); 5];
    (0..5_000).for_each(|person| _ = groups[numbers.next(5) as usize].insert(person));
    (released, groups)
}

/// The groups tell of the three whom the total leaves out. What was refused stays refused: known groups count, too.
#[test]
fn what_was_refused_stays_refused() {
    let (mut released, groups) = groups_beside_a_total();
    let expected = [true, true, true, true, false];
    for asked in 0..3 {
        assert_eq!(released.release(&groups), expected, "asked for time {asked}");
    }
    for group in groups {
        released.release(&[group]);
    }
    assert_eq!(released.index.cohorts().iter().filter(|cohort| cohort.standing == Standing::Refused).count(), 1);
}

/// The same groups in five releases, in any order, with other work in between.
#[test]
fn groups_that_come_in_one_by_one_are_added_up() {
    for first in 0..5 {
        let (mut released, mut groups) = groups_beside_a_total();
        let mut numbers = Numbers(first);
        groups.rotate_left(first as usize);
        let answers: Vec<bool> = groups
            .iter()
            .map(|group| {
                for _ in 0..10 {
                    let set = numbers.set(5_000, 30);
                    released.release(&[set]);
                }
                released.release(std::slice::from_ref(group))[0]
            })
            .collect();
        assert_eq!(answers, [true, true, true, true, false], "from group {first} on");
        // The group itself is refused again, and whoever repeats the others is answered.
        assert_eq!(released.release(&groups), answers);
    }
}

/// A total of all but three, and five groups that come to everybody.
fn total_and_groups() -> (Released, Vec<RoaringBitmap>) {
    let mut numbers = Numbers(29);
    let mut released = Released::new(10);
    assert!(released.one(0..4_997));
    let mut groups = vec![RoaringBitmap::new(); 5];
    (0..5_000).for_each(|person| _ = groups[numbers.next(5) as usize].insert(person));
    (released, groups)
}

/// Eighty sets, larger than the groups, in which the person stands with whom the search for the parts begins: more than it tries.
fn hide(released: &mut Released, groups: &[RoaringBitmap]) {
    let mut numbers = Numbers(31);
    let rest = range(0..4_997) - &groups[4];
    let (_, first) = released.index.order().lowest(&rest, 1)[0];
    for _ in 0..80 {
        let mut set: RoaringBitmap = rest.iter().filter(|_| numbers.next(100) < 45).collect();
        set.insert(first);
        released.release(&[set]);
    }
}

/// Releases by others, so many that their unions are the newest.
fn others_go_on(released: &mut Released) {
    for start in (6_000..9_000).step_by(300) {
        assert_eq!(released.release(&[range(start..start + 100), range(start + 100..start + 200)]), [true, true]);
    }
}

/// Groups that were released before count in the running union as new ones do.
#[test]
fn known_groups_join_the_running_union() {
    let (mut released, groups) = total_and_groups();
    for group in &groups[..4] {
        assert_eq!(released.release(std::slice::from_ref(group)), [true]);
    }
    hide(&mut released, &groups);
    others_go_on(&mut released);
    assert_eq!(released.release(&groups), [true, true, true, true, false]);
}

/// What was refused once is refused when it is asked for alone, where nothing else would find out any more.
#[test]
fn a_refusal_is_remembered() {
    for is_asked_before in [true, false] {
        let (mut released, groups) = total_and_groups();
        for group in &groups[..4] {
            assert_eq!(released.release(std::slice::from_ref(group)), [true]);
        }
        if is_asked_before {
            assert!(!released.one(groups[4].clone()));
        }
        hide(&mut released, &groups);
        others_go_on(&mut released);
        // The limit that docs/differencing.md names: hidden well enough, the parts are not found.
        assert_eq!(released.one(groups[4].clone()), !is_asked_before);
    }
}

/// Nothing of this stands in the way of tables that everybody asks for: partitions of all persons, one after another.
#[test]
fn tables_of_everybody_pass() {
    let mut numbers = Numbers(23);
    let everybody = || registry((0..20_000).collect(), (0..20_000).collect());
    let mut released = Released::new(10);
    for table in 0..40 {
        let mut cells = vec![RoaringBitmap::new(); 20];
        (0..20_000).for_each(|person| _ = cells[numbers.next(20) as usize].insert(person));
        assert!(released.release_as(everybody(), &cells).iter().all(|is_shown| *is_shown), "table {table}");
        assert!(released.release_as(everybody(), &cells).iter().all(|is_shown| *is_shown), "table {table} again");
    }
}
