//! A solver looks for what everything published leaves open: the least and the most that each suppressed cell can be.
//!
//! The reader of a release knows the rules: how counts are rounded, that a cell marked as small is below the threshold,
//! that every other hidden cell is not, and that a margin is the sum of the rounded cells. So every hidden cell is a whole
//! number of rounding steps within bounds, and every shown margin is an equation over some of them: an integer program
//! with coefficients of one, which propagation of bounds and branching solve exactly.

use glovebox_gate::{Cell, Profile, Table, Verdict};
use proptest::prelude::*;
use serde_json::json;

use crate::harness::{default_profile, manifest, populations, verdict};

/// More persons than any cell here has.
const MANY: i64 = 10_000;

/// What a reader of a table of counts knows.
struct Reader<'a> {
    table: &'a Table,
    profile: &'a Profile,
}

/// A hidden cell and the least and most persons that it can have.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Interval {
    cell: usize,
    is_small: bool,
    least: i64,
    most: i64,
}

impl Reader<'_> {
    fn intervals(&self) -> Vec<Interval> {
        let hidden = self.hidden();
        let (steps, program) = self.program(&hidden);
        let interval = |(number, (cell, is_small)): (usize, &(usize, bool))| {
            let bounds = self.persons(*is_small);
            let feasible = |step: i64| program.is_feasible(fixed(&steps, number, step));
            let (low, high) = *program.narrowed(&steps).unwrap().get(number).unwrap();
            let least = (low..=high).find(|step| feasible(*step)).unwrap();
            let most = (low..=high).rev().find(|step| feasible(*step)).unwrap();
            Interval {
                cell: *cell,
                is_small: *is_small,
                least: self.rounded_to(least).0.max(bounds.0),
                most: self.rounded_to(most).1.min(bounds.1),
            }
        };
        hidden.iter().enumerate().map(interval).collect()
    }

    /// Hidden cells, and whether they are marked as small.
    fn hidden(&self) -> Vec<(usize, bool)> {
        let hidden = |(index, cell): (usize, &Cell)| {
            let code = &cell.suppression.as_ref()?.code;
            Some((index, code == "gate.cell-below-threshold"))
        };
        self.table.cells.iter().enumerate().filter_map(hidden).collect()
    }

    /// Fewest and most persons of a hidden cell, by its mark alone.
    fn persons(&self, is_small: bool) -> (i64, i64) {
        let threshold = i64::from(self.profile.threshold);
        if is_small { (i64::from(!self.profile.zeros_disclosive), threshold - 1) } else { (threshold, MANY) }
    }

    /// Fewest and most persons that round to so many steps: half a base is rounded up.
    fn rounded_to(&self, step: i64) -> (i64, i64) {
        let base = i64::from(self.profile.round_base);
        (step * base - base / 2, (step + 1) * base - base / 2 - 1)
    }

    /// Bounds of the steps of each hidden cell, and the equations between them.
    fn program(&self, hidden: &[(usize, bool)]) -> (Vec<(i64, i64)>, Program) {
        let base = i64::from(self.profile.round_base);
        let step = |persons: i64| (persons + base / 2) / base;
        let steps =
            hidden.iter().map(|(_, is_small)| self.persons(*is_small)).map(|(low, high)| (step(low), step(high)));
        let equation = |margin: &Cell| {
            let line = || self.table.cells.iter().enumerate().filter(|(_, cell)| is_in(cell, margin));
            let shown: f64 = line().filter_map(|(_, cell)| cell.value).sum();
            let unknown = line().filter_map(|(index, _)| hidden.iter().position(|(cell, _)| *cell == index)).collect();
            Some((unknown, ((margin.value? - shown) / base as f64).round() as i64))
        };
        (steps.collect(), Program { equations: self.table.margins.iter().filter_map(equation).collect() })
    }
}

/// Equations of an integer program: unknowns that add up to a number.
struct Program {
    equations: Vec<(Vec<usize>, i64)>,
}

impl Program {
    /// Whether the unknowns can have values within `bounds` that satisfy every equation.
    fn is_feasible(&self, bounds: Vec<(i64, i64)>) -> bool {
        let Some(bounds) = self.narrowed(&bounds) else { return false };
        let open = bounds.iter().enumerate().filter(|(_, (low, high))| low < high);
        let Some((unknown, (low, high))) = open.min_by_key(|(_, (low, high))| high - low) else { return true };
        (*low..=*high).any(|value| self.is_feasible(fixed(&bounds, unknown, value)))
    }

    /// What the equations leave of the bounds; none when they contradict each other.
    fn narrowed(&self, bounds: &[(i64, i64)]) -> Option<Vec<(i64, i64)>> {
        let mut bounds = bounds.to_vec();
        loop {
            let before = bounds.clone();
            for (unknowns, sum) in &self.equations {
                let low: i64 = unknowns.iter().map(|unknown| bounds[*unknown].0).sum();
                let high: i64 = unknowns.iter().map(|unknown| bounds[*unknown].1).sum();
                if *sum < low || *sum > high {
                    return None;
                }
                for unknown in unknowns {
                    let (own_low, own_high) = bounds[*unknown];
                    bounds[*unknown] = (own_low.max(sum - (high - own_high)), own_high.min(sum - (low - own_low)));
                }
            }
            if bounds.iter().any(|(low, high)| low > high) {
                return None;
            } else if bounds == before {
                return Some(bounds);
            }
        }
    }
}

fn fixed(bounds: &[(i64, i64)], unknown: usize, value: i64) -> Vec<(i64, i64)> {
    let mut bounds = bounds.to_vec();
    bounds[unknown] = (value, value);
    bounds
}

fn is_in(cell: &Cell, margin: &Cell) -> bool {
    cell.keys.iter().zip(&margin.keys).all(|(key, total)| total == "*" || key == total)
}

/// Whether every small cell can be anything below the threshold, and every other hidden cell vary by as much.
fn assert_wide(table: &Table, profile: &Profile) -> Result<(), TestCaseError> {
    for interval in (Reader { table, profile }).intervals() {
        let threshold = i64::from(profile.threshold);
        let smallest = i64::from(!profile.zeros_disclosive);
        if interval.is_small {
            prop_assert_eq!((interval.least, interval.most), (smallest, threshold - 1), "{:?}", table);
        } else {
            prop_assert!(interval.most - interval.least >= threshold - 1 - smallest, "{:?} {:?}", interval, table);
        }
    }
    Ok(())
}

fn published(reducer: &str, sizes: &[usize], persons: &[u32], profile: &Profile) -> Option<Table> {
    let manifest = manifest(json!({"reducer": reducer}), sizes, 1);
    match verdict(&manifest, &populations(persons, 0.0), profile) {
        Verdict::Release(release) => Some(release.tables()[0].clone()),
        Verdict::Withheld { .. } => None,
    }
}

/// Sizes of two or three keys, and persons of every cell: one in six is small.
fn tables() -> impl Strategy<Value = (Vec<usize>, Vec<u32>)> {
    let sizes = prop_oneof![
        2 => prop::collection::vec(2..5_usize, 2),
        1 => prop::collection::vec(2..4_usize, 3),
    ];
    let persons = prop_oneof![1 => 0..10_u32, 5 => 10..60_u32];
    sizes.prop_flat_map(move |sizes| {
        let cells: usize = sizes.iter().product();
        (Just(sizes), prop::collection::vec(persons.clone(), cells))
    })
}

fn profiles() -> impl Strategy<Value = Profile> {
    let shipped = |text: &str| Profile::parse(text).unwrap();
    let plain = Profile { threshold: 5, round_base: 3, ..default_profile() };
    let exact = Profile { threshold: 4, round_base: 1, ..default_profile() };
    prop_oneof![
        Just(default_profile()),
        Just(shipped(include_str!("../../../../policies/disclosure/opensafely.toml"))),
        Just(shipped(include_str!("../../../../policies/disclosure/nhs-digital.toml"))),
        Just(plain),
        Just(exact),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn margins_of_contingency_tables_leave_every_hidden_cell_open((sizes, persons) in tables(), profile in profiles()) {
        if let Some(table) = published("contingency-table", &sizes, &persons, &profile) {
            assert_wide(&table, &profile)?;
        }
    }

    #[test]
    fn lines_of_counts_leave_every_hidden_cell_open((sizes, persons) in tables(), profile in profiles()) {
        if let Some(table) = published("count", &sizes, &persons, &profile) {
            assert_wide(&table, &profile)?;
        }
    }
}

/// The attack works where the rule is off: with nothing hidden but the small cell, any margin gives it away.
#[test]
fn without_complementary_suppression_the_solver_finds_the_small_cell() {
    let persons = [40, 4, 50, 60, 70, 80, 30, 90, 20];
    let mut table = published("contingency-table", &[3, 3], &persons, &default_profile()).unwrap();
    let profile = default_profile();
    let protected = Reader { table: &table, profile: &profile }.intervals();
    assert_eq!(protected.len(), 4);
    assert_eq!((protected[0].least, protected[0].most), (0, 9));
    for (cell, persons) in table.cells.iter_mut().zip(persons) {
        let is_small = cell.suppression.as_ref().is_some_and(|refusal| refusal.code == "gate.cell-below-threshold");
        if !is_small {
            cell.value = Some(f64::from(persons));
            cell.suppression = None;
        }
    }
    // Rounded, 4 is 5: anything from 3 to 7, and no more.
    let naive = Reader { table: &table, profile: &profile }.intervals();
    assert_eq!(naive, [Interval { cell: 1, is_small: true, least: 3, most: 7 }]);
    let exact = Profile { round_base: 1, ..default_profile() };
    let mut table = published("contingency-table", &[3, 3], &persons, &exact).unwrap();
    for (cell, persons) in table.cells.iter_mut().zip(persons).skip(2) {
        (cell.value, cell.suppression) = (Some(f64::from(persons)), None);
    }
    let naive = Reader { table: &table, profile: &exact }.intervals();
    assert_eq!(naive, [Interval { cell: 1, is_small: true, least: 4, most: 4 }]);
}

/// Contingency tables do show what they are for: most of them every margin, although cells are hidden.
#[test]
fn margins_are_shown_around_hidden_cells() {
    let persons: Vec<u32> = (0..48).map(|cell| if cell % 17 == 3 { cell % 10 } else { 35 + cell % 30 }).collect();
    let table = published("contingency-table", &[6, 8], &persons, &default_profile()).unwrap();
    assert_eq!(table.cells.iter().filter(|cell| cell.value.is_none()).count(), 12, "three rectangles");
    assert!(table.margins.iter().all(|margin| margin.value.is_some()), "{:?}", table.margins);
    assert_wide(&table, &default_profile()).unwrap();
}
