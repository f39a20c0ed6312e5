//! Small populations, where everything that follows from the released sets can be tried.

use super::super::atoms::Atom;
use super::super::audit::audit;
use super::super::search::Finding;
use super::*;

/// Rank over the rationals, without fractions (Bareiss).
fn rank(rows: &[Vec<i128>]) -> usize {
    let mut rows = rows.to_vec();
    let columns = rows.first().map_or(0, Vec::len);
    let (mut rank, mut previous) = (0, 1);
    for column in 0..columns {
        let Some(pivot) = (rank..rows.len()).find(|row| rows[*row][column] != 0) else { continue };
        rows.swap(rank, pivot);
        for row in rank + 1..rows.len() {
            for at in (0..columns).rev() {
                if at != column {
                    rows[row][at] =
                        (rows[row][at] * rows[rank][column] - rows[row][column] * rows[rank][at]) / previous;
                }
            }
            rows[row][column] = 0;
        }
        previous = rows[rank][column];
        rank += 1;
    }
    rank
}

/// How many dimensions of the span are zero outside `atoms` (a bit mask): above 0, these atoms are isolated.
fn within(rows: &[Vec<i128>], atoms: u32) -> usize {
    let outside = |row: &Vec<i128>| {
        let values = row.iter().enumerate().map(|(at, value)| if atoms >> at & 1 == 1 { 0 } else { *value });
        values.collect::<Vec<i128>>()
    };
    rank(rows) - rank(&rows.iter().map(outside).collect::<Vec<_>>())
}

/// Atoms of together 1 to k−1 persons that `subject` newly isolates, given `rows`.
fn isolates(rows: &[Vec<i128>], subject: &[i128], weights: &[u64], k: u64) -> bool {
    let with: Vec<Vec<i128>> = rows.iter().cloned().chain([subject.to_vec()]).collect();
    if rank(&with) == rank(rows) {
        return false;
    }
    (1_u32..1 << weights.len()).any(|atoms| {
        let persons: u64 = weights.iter().enumerate().filter(|(at, _)| atoms >> at & 1 == 1).map(|(_, w)| w).sum();
        persons < k && within(&with, atoms) > within(rows, atoms)
    })
}

fn indicator(set: &RoaringBitmap, persons: u32) -> Vec<i128> {
    (0..persons).map(|person| i128::from(set.contains(person))).collect()
}

/// The audit alone, on atoms of any weight.
#[test]
fn the_audit_finds_exactly_what_brute_force_finds() {
    let mut numbers = Numbers(1);
    let mut found = [0; 2];
    for round in 0..6_000 {
        let sets = 2 + numbers.next(5) as usize;
        let count = 2 + numbers.next(8) as usize;
        let k = 2 + numbers.next(6);
        let mut atoms: Vec<Atom> = (0..count)
            .map(|_| Atom { signature: 1 + numbers.next((1 << sets) - 1), persons: 1 + numbers.next(k + 2) })
            .collect();
        atoms.sort_by_key(|atom| (std::cmp::Reverse(atom.persons), atom.signature));
        atoms.dedup_by_key(|atom| atom.signature);
        let weights: Vec<u64> = atoms.iter().map(|atom| atom.persons).collect();
        let row = |set: usize| atoms.iter().map(|atom| i128::from(atom.signature >> set & 1)).collect::<Vec<_>>();
        let rows: Vec<Vec<i128>> = (0..sets - 1).map(row).collect();
        let expected = isolates(&rows, &row(sets - 1), &weights, k);
        let finding = audit(&atoms, sets - 1, k, &Endless).unwrap();
        assert_eq!(finding == Finding::Isolated, expected, "round {round}: {atoms:?}, {sets} sets, k {k}: {finding:?}");
        assert_ne!(finding, Finding::Undecided, "round {round}");
        found[usize::from(expected)] += 1;
    }
    assert!(found.iter().all(|count| *count > 600), "both cases come up: {found:?}");
}

/// The guard as a whole, up to 63 sets: whatever was admitted, no combination isolates fewer than k persons. And what was refused
/// was refused for a reason.
#[test]
fn whatever_is_admitted_isolates_nobody_and_refusals_have_a_reason() {
    let mut numbers = Numbers(2);
    let (mut admitted, mut refused, mut linear) = (0, 0, 0);
    for _ in 0..250 {
        let persons = 6 + numbers.next(7) as u32;
        let k = 2 + numbers.next(3);
        let weights = vec![1; persons as usize];
        let mut released = Released::new(k as u32);
        let mut sets: Vec<RoaringBitmap> = Vec::new();
        for _ in 0..14 {
            let share = 20 + numbers.next(70);
            let set = numbers.set(persons, share);
            let rows: Vec<_> = sets.iter().map(|set| indicator(set, persons)).collect();
            let isolates = isolates(&rows, &indicator(&set, persons), &weights, k);
            let expected = set.is_empty()
                || sets.contains(&set)
                || !(isolates || set.len() < k || near(&set, &sets, k) || joined(&set, &sets, k));
            let answer = released.one(&set);
            // A difference of two released sets is known, too, though it was not asked for before.
            assert_eq!(
                answer || is_spanned(&rows, &indicator(&set, persons)),
                expected || set.len() >= k && is_spanned(&rows, &indicator(&set, persons)),
                "{set:?} after {sets:?}, k {k}"
            );
            if answer && !set.is_empty() && !sets.contains(&set) {
                sets.push(set);
                admitted += 1;
            } else if !answer {
                refused += 1;
                linear += u32::from(isolates && set.len() >= k && !near(&set, &sets, k) && !joined(&set, &sets, k));
            }
        }
        let rows: Vec<_> = sets.iter().map(|set| indicator(set, persons)).collect();
        for group in (1_u32..1 << persons).filter(|group| u64::from(group.count_ones()) < k) {
            assert_eq!(within(&rows, group), 0, "persons {group:b} are isolated by {sets:?}");
        }
    }
    assert!(admitted > 1_000 && refused > 1_000 && linear > 50, "{admitted}, {refused}, {linear}");
}

/// Several sets a release, in which running unions are judged, too.
#[test]
fn sets_of_one_release_isolate_nobody_either() {
    let mut numbers = Numbers(3);
    let mut admitted = 0;
    for _ in 0..200 {
        let persons = 8 + numbers.next(5) as u32;
        let k = 2 + numbers.next(2);
        let mut released = Released::new(k as u32);
        let mut rows = Vec::new();
        for _ in 0..5 {
            // A partition, as a table's cells are, and its margin.
            let parts = 2 + numbers.next(3);
            let mut cells = vec![RoaringBitmap::new(); parts as usize];
            for person in 0..persons {
                if numbers.next(8) > 0 {
                    cells[numbers.next(parts) as usize].insert(person);
                }
            }
            let total = cells.iter().fold(RoaringBitmap::new(), |all, cell| all | cell);
            cells.push(total);
            let answers = released.release(&cells);
            let shown = cells.iter().zip(answers).filter(|(_, answer)| *answer);
            rows.extend(shown.map(|(cell, _)| indicator(cell, persons)));
        }
        admitted += rows.len();
        for group in (1_u32..1 << persons).filter(|group| u64::from(group.count_ones()) < k) {
            assert_eq!(within(&rows, group), 0);
        }
    }
    assert!(admitted > 1_000, "{admitted}");
}

fn is_spanned(rows: &[Vec<i128>], subject: &[i128]) -> bool {
    let with: Vec<Vec<i128>> = rows.iter().cloned().chain([subject.to_vec()]).collect();
    rank(&with) == rank(rows)
}

fn outside(a: &RoaringBitmap, b: &RoaringBitmap) -> u64 {
    (a - b).len().max((b - a).len())
}

fn near(set: &RoaringBitmap, sets: &[RoaringBitmap], k: u64) -> bool {
    sets.iter().any(|released| (1..k).contains(&outside(set, released)))
}

/// Whether a sum of two sets differs from a third by few persons; persons in both of the two count too often.
fn joined(set: &RoaringBitmap, sets: &[RoaringBitmap], k: u64) -> bool {
    let near = |whole: &RoaringBitmap, x: &RoaringBitmap, y: &RoaringBitmap| {
        let value = |person: u32| {
            i8::from(x.contains(person)) + i8::from(y.contains(person)) - i8::from(whole.contains(person))
        };
        let count = |sign: i8| (0..64).filter(|person| value(*person).signum() == sign).count() as u64;
        (1..k).contains(&count(1).max(count(-1)))
    };
    let pairs = sets.iter().enumerate().flat_map(|(at, one)| sets[at + 1..].iter().map(move |other| (one, other)));
    pairs.into_iter().any(|(one, other)| near(set, one, other) || near(one, set, other) || near(other, set, one))
}
