//! What is told before submission.

use glovebox_catalog::{ABI_VERSION, Epsilon, JobManifest, Privacy};
use glovebox_gate::{AdviceLevel, Profile, lint};
use serde_json::{Value, json};

use crate::harness::{default_profile, manifest};

/// Level, code and place of every advice but the bound on leakage.
fn told(manifest: &JobManifest, profile: &Profile, persons: u64, privacy: Option<Privacy>) -> Vec<String> {
    let advice = lint(manifest, profile, Some(persons), privacy);
    let told = advice.iter().filter(|advice| advice.code != "gate.leakage-bound");
    told.map(|advice| format!("{:?} {} {}", advice.level, advice.code, advice.place)).collect()
}

fn by_key(reducer: Value, size: usize, contributions: u32, persons: u64) -> Vec<String> {
    told(&manifest(reducer, &[size], contributions), &default_profile(), persons, None)
}

#[test]
fn a_job_with_enough_persons_meets_nothing() {
    assert_eq!(by_key(json!({"reducer": "count"}), 4, 1, 10_000), Vec::<String>::new());
}

#[test]
fn more_cells_than_the_persons_can_fill() {
    let code = "gate.cell-below-threshold output `out` by k0";
    assert_eq!(by_key(json!({"reducer": "count"}), 100, 1, 500), [format!("Warning {code}")]);
    assert_eq!(by_key(json!({"reducer": "count"}), 10, 1, 200), [format!("Note {code}")]);
    assert_eq!(by_key(json!({"reducer": "count"}), 2, 1, 9), [format!("Refusal {code}")]);
    let advice = lint(&manifest(json!({"reducer": "count"}), &[100], 1), &default_profile(), Some(500), None);
    assert_eq!(advice[0].rule, "at least 10 persons behind a cell: at most 50 of 100 cells can pass");
}

#[test]
fn contributions_make_steps_coarse_and_persons_dominant() {
    let told = by_key(json!({"reducer": "count"}), 2, 1_000, 10_000);
    assert_eq!(told, ["Warning gate.coarse-steps output `out` by k0", "Note gate.dominance-nk output `out` by k0"]);
    let told = by_key(json!({"reducer": "mean", "lower": 0.0, "upper": 200.0}), 20, 1, 900);
    assert!(told.contains(&"Warning gate.coarse-steps output `out` by k0".to_string()), "{told:?}");
}

#[test]
fn parameters_raise_the_number_of_persons() {
    let told = by_key(json!({"reducer": "gradient", "length": 30, "norm_max": 1.0}), 2, 1, 10_000);
    assert!(told.contains(&"Note gate.cell-below-threshold output `out` by k0".to_string()), "{told:?}");
    let datashield = Profile::parse(include_str!("../../../../policies/disclosure/datashield.toml")).unwrap();
    let gradient = manifest(json!({"reducer": "gradient", "length": 30, "norm_max": 1.0}), &[], 1);
    let advice = lint(&gradient, &datashield, None, None);
    assert_eq!(advice[0].rule, "at least 91 persons behind a cell, as it estimates 30 parameters from them");
}

#[test]
fn quantiles_near_an_end_and_fine_intervals_have_too_few() {
    let quantile =
        json!({"reducer": "quantile", "lower": 0.0, "upper": 1.0, "steps": 10, "probabilities": [0.01, 0.5]});
    assert_eq!(
        by_key(quantile, 1, 1, 500),
        [
            "Warning gate.cell-below-threshold output `out` by k0, probability 0.01",
            "Note gate.complementary output `out` by k0"
        ]
    );
    let edges: Vec<f64> = (0..=100).map(f64::from).collect();
    let told = by_key(json!({"reducer": "survival-table", "edges": edges}), 1, 1, 1_000);
    assert!(told.contains(&"Warning gate.cell-below-threshold output `out` by k0".to_string()), "{told:?}");
}

#[test]
fn totals_of_tables_with_two_keys_are_explained() {
    let told =
        |reducer: &str| told(&manifest(json!({"reducer": reducer}), &[2, 2], 1), &default_profile(), 10_000, None);
    assert_eq!(told("count"), ["Note gate.complementary output `out` by k0, k1"]);
    let advice = lint(&manifest(json!({"reducer": "count"}), &[2, 2], 1), &default_profile(), None, None);
    assert!(advice[0].remedy.contains("contingency table"), "{advice:?}");
}

#[test]
fn a_table_beyond_the_profiles_rows_is_refused() {
    let opensafely = Profile::parse(include_str!("../../../../policies/disclosure/opensafely.toml")).unwrap();
    let told = told(&manifest(json!({"reducer": "count"}), &[5_001], 1), &opensafely, 10_000_000, None);
    assert_eq!(told, ["Refusal gate.too-many-rows output `out` by k0"]);
}

#[test]
fn profiles_and_isolations_that_want_noise_or_reviewers() {
    let dp = Profile::parse(include_str!("../../../../policies/disclosure/dp.toml")).unwrap();
    let count = manifest(json!({"reducer": "count"}), &[2], 1);
    let privacy = Some(Privacy::Laplace { epsilon: Epsilon::new(1.0).unwrap() });
    assert_eq!(told(&count, &dp, 10_000, None), ["Refusal gate.profile-needs-noise release"]);
    assert_eq!(told(&count, &dp, 10_000, privacy), Vec::<String>::new());
    let block = whole("block", json!({"name": "m", "reducer": "block-mean", "lower": 0.0, "upper": 1.0}));
    assert_eq!(told(&block, &default_profile(), 10_000, None), ["Refusal gate.block-needs-noise release"]);
    assert_eq!(told(&block, &default_profile(), 10_000, privacy), Vec::<String>::new());
    let columns = json!([{"name": "n", "type": "number", "lower": 0.0, "upper": 1.0, "step": 0.1}]);
    let cohort = whole("cohort", json!({"name": "t", "reducer": "table", "rows_max": 10, "columns": columns}));
    assert_eq!(told(&cohort, &default_profile(), 10_000, None), ["Note gate.needs-review release"]);
}

/// A manifest whose one output has no keys.
fn whole(isolation: &str, output: Value) -> JobManifest {
    let mut manifest = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": isolation,
        "inputs": [{"name": "x", "type": "float64"}], "outputs": [output], "contributions_per_person_max": 1,
    });
    if isolation == "block" {
        manifest["blocks"] = 100.into();
    }
    JobManifest::parse(manifest.to_string().as_bytes()).unwrap()
}

#[test]
fn open_keys_and_large_bounds_are_told() {
    let output = json!({"name": "n", "reducer": "count", "keys": ["code"]});
    let json = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "person",
        "inputs": [{"name": "x", "type": "float64"}], "outputs": [output], "contributions_per_person_max": 20,
        "keys": [{"name": "code", "domain": {"integers": {"first": 0, "last": 9_999}}}],
    });
    let manifest = JobManifest::parse(json.to_string().as_bytes()).unwrap();
    let advice = lint(&manifest, &default_profile(), Some(100_000), None);
    assert!(advice.iter().any(|advice| advice.code == "gate.open-keys"), "{advice:?}");
    let bound = advice.iter().find(|advice| advice.code == "gate.leakage-bound").unwrap();
    assert_eq!(bound.level, AdviceLevel::Warning);
    // Twenty of ten thousand codes, in any choice: about 205 bits.
    assert!(bound.rule.contains(" 205 of them about one person"), "{}", bound.rule);
}
