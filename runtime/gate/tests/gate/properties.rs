//! Properties over random jobs under the profile `default`.

use std::collections::{BTreeMap, BTreeSet};

use glovebox_gate::{
    Cell, Contribution, Endless, Reduction, ReleaseDocument, Table, Unguarded, Verdict, cells_max, disclose,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::{Given, default_profile, manifest, populations, verdict};

const BOUND: u32 = 3;

fn reducers() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"reducer": "count"})),
        Just(json!({"reducer": "distinct-persons"})),
        Just(json!({"reducer": "sum", "lower": -3.0, "upper": 17.0})),
        Just(json!({"reducer": "mean", "lower": 10.0, "upper": 80.0})),
        Just(json!({"reducer": "histogram", "edges": [0.0, 10.0, 20.0]})),
    ]
}

/// Contributions of up to 300 persons to six cells, some beyond the bound, some not finite.
fn contributions() -> impl Strategy<Value = Vec<Given>> {
    let value = prop_oneof![8 => 0.0..90.0, 1 => any::<f64>()];
    prop::collection::vec((0..300_u32, 0..6_u32, value), 0..900)
}

fn tables(verdict: &Verdict) -> Vec<Table> {
    match verdict {
        Verdict::Release(release) => release.tables().to_vec(),
        Verdict::Withheld { .. } => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_same_contributions_give_the_same_bytes(reducer in reducers(), given in contributions()) {
        let manifest = manifest(reducer, &[2, 3], BOUND);
        let once = verdict(&manifest, &given, &default_profile());
        let again = verdict(&manifest, &given, &default_profile());
        prop_assert_eq!(format!("{once:?}"), format!("{again:?}"));
    }

    #[test]
    fn who_has_which_ordinal_does_not_matter(reducer in reducers(), given in contributions(), turn in 1..300_u32) {
        // 300 and the factor 7 have no common divisor, so this renames every person.
        let renamed: Vec<Given> = given.iter().map(|(person, cell, value)| ((person * 7 + turn) % 300, *cell, *value)).collect();
        let manifest = manifest(reducer, &[2, 3], BOUND);
        prop_assert_eq!(verdict(&manifest, &given, &default_profile()), verdict(&manifest, &renamed, &default_profile()));
    }

    #[test]
    fn rows_and_single_contributions_agree_however_rows_are_batched(
        reducer in reducers(), mut given in contributions(), batch in 1..50_usize,
    ) {
        given.sort_by_key(|(person, ..)| *person);
        let manifest = manifest(reducer, &[2, 3], BOUND);
        let mut single = Reduction::new(&manifest).unwrap();
        for (person, cell, value) in &given {
            single.contribute(*person, Contribution { output: 0, cell: *cell, values: &[*value] }).unwrap();
        }
        let mut rows = Reduction::new(&manifest).unwrap();
        for batch in given.chunks(batch) {
            let persons: Vec<u32> = batch.iter().map(|(person, ..)| *person).collect();
            let cells: Vec<i32> = batch.iter().map(|(_, cell, _)| *cell as i32).collect();
            let values: Vec<f64> = batch.iter().map(|(.., value)| *value).collect();
            rows.contribute_rows(0, &persons, &cells, &values).unwrap();
        }
        let (single, rows) = (single.finish(), rows.finish());
        prop_assert_eq!(single.dropped(), rows.dropped());
        prop_assert_eq!(disclose(&single, &default_profile(), &mut Unguarded, &Endless).unwrap(), disclose(&rows, &default_profile(), &mut Unguarded, &Endless).unwrap());
    }

    #[test]
    fn nobody_contributes_beyond_the_bound(given in contributions()) {
        let manifest = manifest(json!({"reducer": "sum", "lower": -3.0, "upper": 17.0}), &[2, 3], BOUND);
        let mut taken = BTreeMap::new();
        let kept: Vec<Given> = given
            .iter()
            .filter(|(person, _, value)| {
                let used = taken.entry(*person).or_insert(0_u32);
                let take = value.is_finite() && *used < BOUND;
                *used += u32::from(take);
                take
            })
            .copied()
            .collect();
        prop_assert_eq!(verdict(&manifest, &given, &default_profile()), verdict(&manifest, &kept, &default_profile()));
    }

    #[test]
    fn a_shown_cell_has_ten_persons_and_everything_is_counted(reducer in reducers(), given in contributions()) {
        let histogram = reducer["reducer"] == "histogram";
        let manifest = manifest(reducer, &[2, 3], BOUND);
        let verdict = verdict(&manifest, &given, &default_profile());
        for table in tables(&verdict) {
            prop_assert_eq!((table.cells.len() + table.margins.len()) as u64, cells_max(&manifest));
            for (index, cell) in table.cells.iter().enumerate() {
                prop_assert_eq!(cell.value.is_some(), cell.suppression.is_none());
                prop_assert_eq!(cell.value.is_some(), cell.rounded_to.is_some());
                let index = if histogram { index / 2 } else { index };
                let persons: BTreeSet<u32> = given.iter().filter(|(_, cell, _)| *cell as usize == index).map(|(person, ..)| *person).collect();
                prop_assert!(cell.value.is_none() || persons.len() >= 10);
                prop_assert!(cell.value.is_none_or(|value| is_multiple(value, cell.rounded_to.unwrap())));
            }
        }
    }

    /// Totals are those of the rounded cells; over hidden cells they tell the sum of at least two with at least ten persons.
    #[test]
    fn totals_of_counts_are_sums_of_rounded_cells(sizes in prop::collection::vec(1..4_usize, 1..4), each in prop::collection::vec(0..40_u32, 27)) {
        let cells: usize = sizes.iter().product();
        let manifest = manifest(json!({"reducer": "count"}), &sizes, 1);
        for table in tables(&verdict(&manifest, &populations(&each[..cells], 0.0), &default_profile())) {
            for margin in table.margins.iter().filter(|margin| margin.value.is_some()) {
                let line: Vec<usize> = (0..cells).filter(|cell| is_in(&table.cells[*cell], margin)).collect();
                let rounded: u32 = line.iter().map(|cell| (each[*cell] + 2) / 5 * 5).sum();
                prop_assert_eq!(margin.value, Some(f64::from(rounded)));
                let hidden: Vec<usize> = line.into_iter().filter(|cell| table.cells[*cell].value.is_none()).collect();
                let persons: u32 = hidden.iter().map(|cell| each[*cell]).sum();
                prop_assert!(hidden.is_empty() || (hidden.len() >= 2 && persons >= 10));
            }
        }
    }

    #[test]
    fn a_document_is_the_release_word_for_word(reducer in reducers(), given in contributions()) {
        if let Verdict::Release(release) = verdict(&manifest(reducer, &[2, 3], BOUND), &given, &default_profile()) {
            let json = serde_json::to_string(&release).unwrap();
            let document: ReleaseDocument = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&document, &ReleaseDocument::from(&release));
            prop_assert_eq!(serde_json::to_string(&document).unwrap(), json);
        }
    }
}

fn is_in(cell: &Cell, margin: &Cell) -> bool {
    cell.keys.iter().zip(&margin.keys).all(|(key, total)| total == "*" || key == total)
}

fn is_multiple(value: f64, step: f64) -> bool {
    let steps = value / step;
    (steps - steps.round()).abs() < 1e-6
}
