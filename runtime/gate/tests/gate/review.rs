//! Tables that a `cohort` job claims: typed, clamped, suppressed, reported; nothing of it is proved.

use std::collections::BTreeSet;

use glovebox_catalog::{ABI_VERSION, JobManifest};
use glovebox_gate::{
    ClaimedTables, Endless, GateError, Mechanism, Profile, ReleaseDocument, ReviewCandidate, leakage_max,
    release_reviewed, review_table,
};
use proptest::prelude::*;
use serde_json::json;

use crate::harness::{all_shown, default_profile, manifest, populations, release, verdict};

/// A table of ten rows: claimed persons, a code and a number from -1 to 1 by a quarter.
fn cohort() -> JobManifest {
    let columns = json!([
        {"name": "sex", "type": "code", "codes": ["f", "m", "x"]},
        {"name": "effect", "type": "number", "lower": -1.0, "upper": 1.0, "step": 0.25},
    ]);
    let manifest = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "cohort",
        "inputs": [{"name": "x", "type": "float64"}], "contributions_per_person_max": 1,
        "outputs": [{"name": "t", "reducer": "table", "columns": columns, "rows_max": 10}],
    });
    JobManifest::parse(manifest.to_string().as_bytes()).unwrap()
}

fn candidate(rows: &[[f64; 3]]) -> ReviewCandidate {
    let manifest = cohort();
    let mut claims = ClaimedTables::new(&manifest).unwrap();
    for (row, values) in rows.iter().enumerate() {
        for (column, value) in values.iter().enumerate() {
            claims.take(0, (row * 3 + column) as u32, *value).unwrap();
        }
    }
    review_table(&claims, &manifest, &default_profile(), &Endless).unwrap()
}

fn codes(candidate: &ReviewCandidate) -> Vec<&str> {
    candidate.report.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn values_are_typed_and_persons_rounded() {
    let candidate = candidate(&[[12.9, 1.7, 0.3], [1e300, -4.0, 5.0], [40.0, 99.0, -0.1]]);
    let table = &candidate.tables[0];
    assert_eq!(all_shown(&table.cells), ["10", "1", "0.25", "4294967295", "0", "1", "40", "2", "0"]);
    assert_eq!(table.dimensions[1].labels, ["persons", "sex", "effect"]);
    assert_eq!(table.dimensions[0].labels, ["0", "1", "2"]);
    assert!(!table.cells[8].value.unwrap().is_sign_negative());
    assert_eq!(codes(&candidate), ["gate.claims-unchecked", "gate.value-adjusted", "gate.leakage-bound"]);
    assert!(candidate.report[1].finding.starts_with("6 values"), "{:?}", candidate.report);
}

#[test]
fn rows_that_claim_too_few_are_suppressed_whole() {
    let candidate = candidate(&[[9.99, 0.0, 0.5], [-3.0, 0.0, 0.5], [10.0, 0.0, 0.5], [f64::NAN, 0.0, 0.5]]);
    let small = "gate.cell-below-threshold";
    assert_eq!(
        all_shown(&candidate.tables[0].cells),
        [small, small, small, small, small, small, "10", "0", "0.5", small, small, small]
    );
    let finding = candidate.report.iter().find(|finding| finding.code == small).unwrap();
    assert_eq!(finding.finding, "3 of 4 rows claim fewer than 10 persons");
    // What leaves says nothing of the values in a suppressed row.
    let other = self::candidate(&[[3.0, 2.0, -0.5], [0.0, 1.0, 1.0], [10.0, 0.0, 0.5], [f64::NAN, 2.0, 0.25]]);
    assert_eq!(other.tables, candidate.tables);
}

#[test]
fn a_row_is_listed_when_anything_of_it_is_claimed() {
    let manifest = cohort();
    let mut claims = ClaimedTables::new(&manifest).unwrap();
    claims.take(0, 3 * 7, 50.0).unwrap();
    let candidate = review_table(&claims, &manifest, &default_profile(), &Endless).unwrap();
    assert_eq!(candidate.tables[0].dimensions[0].labels, ["7"]);
    assert_eq!(all_shown(&candidate.tables[0].cells), ["50", "gate.no-value", "gate.no-value"]);
}

#[test]
fn cells_outside_the_table_are_faults_of_the_guest() {
    let mut claims = ClaimedTables::new(&cohort()).unwrap();
    assert_eq!(claims.take(0, 30, 1.0), Err(GateError::UnknownCell { output: "t".into(), cells: 30 }));
    assert_eq!(claims.take(1, 0, 1.0), Err(GateError::UnknownOutput { output: 1, outputs: 1 }));
    assert!(claims.take(0, u32::MAX, 1.0).is_err());
}

#[test]
fn what_is_approved_leaves_as_it_was_shown_and_says_so() {
    let candidate = candidate(&[[30.0, 1.0, 0.5]]);
    let json = serde_json::to_string(&candidate).unwrap();
    let kept: ReviewCandidate = serde_json::from_str(&json).unwrap();
    assert_eq!(kept, candidate);
    let release = release_reviewed(kept);
    assert_eq!(release.mechanism(), Mechanism::Reviewed);
    assert_eq!(release.tables(), candidate.tables);
    assert_eq!(release.leakage(), leakage_max(&cohort(), &default_profile(), 0, 0, None));
    assert!(!serde_json::to_string(&release).unwrap().contains("claimed by the module"), "the report stays inside");
}

#[test]
fn a_release_that_waits_for_reviewers_keeps_what_it_is() {
    let manifest = manifest(json!({"reducer": "count"}), &[4], 1);
    let release = release(verdict(&manifest, &populations(&[50, 3, 60, 70], 0.0), &default_profile()));
    let candidate = ReviewCandidate::from(&release);
    assert_eq!(codes(&candidate), ["gate.cell-below-threshold", "gate.complementary"]);
    assert_eq!(ReleaseDocument::from(&release_reviewed(candidate)), ReleaseDocument::from(&release));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a guest writes, each cell that leaves takes one of the values that the bound counts.
    #[test]
    fn no_cell_takes_more_values_than_are_counted(rows in prop::collection::vec(any::<[f64; 3]>(), 1..10)) {
        let table = candidate(&rows).tables[0].clone();
        let steps: BTreeSet<i64> = (-4..=4).collect();
        for row in table.cells.chunks(3) {
            if let Some(persons) = row[0].value {
                prop_assert!((10.0..=4_294_967_295.0).contains(&persons) && persons.fract() == 0.0);
            }
            if let Some(code) = row[1].value {
                prop_assert!([0.0, 1.0, 2.0].contains(&code));
            }
            if let Some(effect) = row[2].value {
                prop_assert!(steps.contains(&((effect * 4.0) as i64)) && (effect * 4.0).fract() == 0.0);
            }
        }
    }
}

/// A column by steps of 0.1 shows short decimals, not the tails of binary fractions.
#[test]
fn decimal_steps_have_no_tail() {
    let columns = json!([{"name": "n", "type": "number", "lower": 0.0, "upper": 100.0, "step": 0.1}]);
    let manifest = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "cohort",
        "inputs": [{"name": "x", "type": "float64"}], "contributions_per_person_max": 1,
        "outputs": [{"name": "t", "reducer": "table", "columns": columns, "rows_max": 1001}],
    });
    let manifest = JobManifest::parse(manifest.to_string().as_bytes()).unwrap();
    let mut claims = ClaimedTables::new(&manifest).unwrap();
    for row in 0..=1000_u32 {
        claims.take(0, row * 2, 20.0).unwrap();
        claims.take(0, row * 2 + 1, f64::from(row) / 10.0 + 0.01).unwrap();
    }
    let profile = Profile { round_base: 1, ..default_profile() };
    let table = review_table(&claims, &manifest, &profile, &Endless).unwrap().tables[0].clone();
    for (row, cells) in table.cells.chunks(2).enumerate() {
        assert_eq!(cells[1].value, Some(format!("{}e-1", row).parse().unwrap()));
    }
}
