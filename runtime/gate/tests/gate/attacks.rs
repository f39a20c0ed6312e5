//! What a module's author may try. The guest is the attacker; the host's arithmetic and the rules are the defence.

use std::collections::BTreeSet;

use glovebox_catalog::{ABI_VERSION, JobManifest};
use glovebox_gate::{Contribution, Endless, GateError, Reduction, Unguarded, Verdict, cells_max, disclose};
use serde_json::json;

use crate::harness::{Given, all_shown, default_profile, manifest, populations, release, shown, table, verdict};

fn count() -> serde_json::Value {
    json!({"reducer": "count"})
}

fn sum(lower: f64, upper: f64) -> serde_json::Value {
    json!({"reducer": "sum", "lower": lower, "upper": upper})
}

fn mean(lower: f64, upper: f64) -> serde_json::Value {
    json!({"reducer": "mean", "lower": lower, "upper": upper})
}

#[test]
fn a_row_written_into_cell_numbers_does_not_leave() {
    // Each person's secret byte picks the cell: presence would spell it out.
    let manifest = manifest(count(), &[256], 1);
    let given: Vec<Given> = (0..200).map(|person| (person, (person * 37 + 11) % 256, 0.0)).collect();
    let Verdict::Withheld { reasons, cells_withheld } = verdict(&manifest, &given, &default_profile()) else {
        panic!("a row left")
    };
    assert_eq!(reasons[0].code, "gate.all-cells-withheld");
    assert_eq!(cells_withheld, cells_max(&manifest));
}

#[test]
fn a_cell_of_one_and_an_empty_cell_look_alike() {
    let manifest = manifest(count(), &[4], 1);
    let with = verdict(&manifest, &populations(&[50, 1, 50, 50], 0.0), &default_profile());
    let without = verdict(&manifest, &populations(&[50, 0, 50, 50], 0.0), &default_profile());
    assert_eq!(with, without);
}

#[test]
fn digits_of_a_float_carry_no_row() {
    // The target's record hides far behind the point of an innocent value.
    let manifest = manifest(sum(0.0, 100.0), &[1], 1);
    let mut outcomes = BTreeSet::new();
    for secret in 0..1_000 {
        let mut given: Vec<Given> = (0..50).map(|person| (person, 0, 42.0)).collect();
        given[17].2 = 42.0 + f64::from(secret) * 1e-9;
        outcomes.insert(format!("{:?}", verdict(&manifest, &given, &default_profile())));
    }
    assert_eq!(outcomes.len(), 1);
}

#[test]
fn one_persons_whole_range_moves_a_sum_or_mean_by_one_step_at_most() {
    for (reducer, persons) in
        [(sum(0.0, 1.0), 40), (mean(0.0, 1.0), 40), (sum(-7.0, 3.0), 200), (mean(10.0, 80.0), 700)]
    {
        let (lower, upper) = (reducer["lower"].as_f64().unwrap(), reducer["upper"].as_f64().unwrap());
        let manifest = manifest(reducer.clone(), &[1], 1);
        let middle = lower + (upper - lower) * 0.6;
        let cell = |value: f64| {
            let mut given: Vec<Given> = (0..persons).map(|person| (person, 0, middle)).collect();
            given[5].2 = value;
            table(verdict(&manifest, &given, &default_profile())).cells[0].clone()
        };
        let values: Vec<f64> = (0..=100).map(|part| lower + (upper - lower) * f64::from(part) / 100.0).collect();
        let shown: Vec<f64> = values.iter().map(|value| cell(*value).value.unwrap()).collect();
        let step = cell(lower).rounded_to.unwrap();
        let spread = shown.iter().fold(f64::MIN, |a, b| a.max(*b)) - shown.iter().fold(f64::MAX, |a, b| a.min(*b));
        assert!(spread <= step * 1.000_001, "{reducer}: {spread} by steps of {step}");
        // In steps of the five contributions that count for a rounding base, one person is a fifth of a step.
        assert!(step >= 0.999_999 * 5.0 * (upper - lower) / f64::from(persons), "{reducer}: {step}");
    }
}

#[test]
fn a_sum_of_ones_is_rounded_like_the_count_it_stands_for() {
    let profile = default_profile();
    for persons in 10..60 {
        let given = populations(&[persons], 1.0);
        let counted = table(verdict(&manifest(count(), &[1], 1), &given, &profile));
        let summed = table(verdict(&manifest(sum(0.0, 1.0), &[1], 1), &given, &profile));
        assert_eq!(summed.cells[0].value, counted.cells[0].value, "{persons}");
    }
}

#[test]
fn a_background_that_hides_the_dominant_contributor_does_not_free_the_digits() {
    // Everybody contributes the same large value, so NK sees nobody dominate; the target adds a bit on top.
    let manifest = manifest(sum(1_000.0, 1_001.0), &[1], 1);
    let cell = |bit: f64| {
        let mut given: Vec<Given> = (0..30).map(|person| (person, 0, 1_000.0)).collect();
        given[3].2 = 1_000.0 + bit;
        shown(&table(verdict(&manifest, &given, &default_profile())).cells[0])
    };
    assert_eq!(cell(0.0), cell(1.0));
}

#[test]
fn all_but_the_target_at_zero_shows_the_same_whatever_the_target_has() {
    for reducer in [sum(0.0, 10.0), mean(0.0, 10.0), sum(-10.0, 10.0)] {
        let manifest = manifest(reducer, &[2], 1);
        let outcomes: BTreeSet<String> = [0.0, 0.001, 3.0, 10.0, 1e9]
            .into_iter()
            .map(|value| {
                let mut given = populations(&[30, 30], 0.0);
                given[4].2 = value;
                given[40].2 = 5.0;
                given.extend((100..130).map(|person| (person, 1, 5.0)));
                format!("{:?}", all_shown(&table(verdict(&manifest, &given, &default_profile())).cells))
            })
            .collect();
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    }
}

#[test]
fn cancelling_contributions_do_not_hide_a_dominant_person() {
    // The giant contributes +90 and -90: a net of zero, but most of the magnitude.
    let manifest = manifest(sum(-100.0, 100.0), &[1], 2);
    let mut given: Vec<Given> = (0..20).map(|person| (person, 0, 0.5)).collect();
    given.extend([(30, 0, 90.0), (30, 0, -90.0)]);
    let Verdict::Withheld { reasons, .. } = verdict(&manifest, &given, &default_profile()) else { panic!("it left") };
    assert_eq!(reasons[1].code, "gate.dominance-nk");
}

#[test]
fn numbers_that_are_none_are_dropped_and_counted() {
    let manifest = manifest(mean(0.0, 10.0), &[1], 4);
    let honest: Vec<Given> = (0..40).map(|person| (person, 0, 4.0)).collect();
    let payload = f64::from_bits(0x7ff8_dead_beef_cafe);
    let mut hostile = honest.clone();
    for value in [payload, f64::from_bits(0xfff0_0000_0000_0001), f64::INFINITY, f64::NEG_INFINITY] {
        hostile.push((7, 0, value));
    }
    assert_eq!(verdict(&manifest, &hostile, &default_profile()), verdict(&manifest, &honest, &default_profile()));

    let mut reduction = Reduction::new(&manifest).unwrap();
    reduction.contribute_rows(0, &[1, 1, 2], &[0, 0, 0], &[payload, 3.0, f64::INFINITY]).unwrap();
    assert_eq!(reduction.finish().dropped().not_finite, 2);
}

#[test]
fn negative_zero_is_zero() {
    let given = |zero: f64| -> Vec<Given> { (0..40).map(|p| (p, 0, if p < 20 { zero } else { 0.4 })).collect() };
    for reducer in [sum(-1.0, 1.0), mean(-1.0, 1.0), json!({"reducer": "histogram", "edges": [-1.0, 0.0, 1.0]})] {
        let manifest = manifest(reducer.clone(), &[1], 1);
        let (negative, positive) = (given(-0.0), given(0.0));
        let negative = release(verdict(&manifest, &negative, &default_profile()));
        let positive = release(verdict(&manifest, &positive, &default_profile()));
        assert_eq!(serde_json::to_string(&negative).unwrap(), serde_json::to_string(&positive).unwrap(), "{reducer}");
    }
    // Rounding to zero from below leaves no sign either.
    let manifest = manifest(sum(-1.0, 1.0), &[1], 1);
    let given: Vec<Given> = (0..40).map(|person| (person, 0, if person % 2 == 0 { 0.3 } else { -0.32 })).collect();
    let cell = table(verdict(&manifest, &given, &default_profile())).cells[0].clone();
    assert_eq!((cell.value, cell.value.unwrap().is_sign_negative()), (Some(0.0), false));
}

#[test]
fn huge_values_are_clamped_and_no_sum_overflows() {
    let manifest = manifest(sum(-1e100, 1e100), &[2], 1);
    let given: Vec<Given> = (0..4_000).map(|person| (person, person % 2, f64::MAX)).collect();
    let table = table(verdict(&manifest, &given, &default_profile()));
    assert_eq!(table.cells[0].value, Some(2e103));
    assert_eq!(table.margins[0].value, Some(4e103));
}

#[test]
fn a_person_beyond_the_bound_counts_up_to_the_bound() {
    let manifest = manifest(count(), &[2], 3);
    let honest: Vec<Given> = (0..40).map(|person| (person, person % 2, 0.0)).collect();
    let mut greedy = honest.clone();
    greedy.extend((0..5_000).map(|_| (39, 1, 0.0)));
    let mut reduction = Reduction::new(&manifest).unwrap();
    for (person, cell, value) in greedy {
        reduction.contribute(person, Contribution { output: 0, cell, values: &[value] }).unwrap();
    }
    let reduced = reduction.finish();
    assert_eq!(reduced.dropped().over_bound, 4_998);
    // 20 persons once each and two contributions more: 22, by steps of five.
    let table = table(disclose(&reduced, &default_profile(), &mut Unguarded, &Endless).unwrap());
    assert_eq!(all_shown(&table.cells), ["20", "20"]);
}

#[test]
fn a_person_who_may_contribute_thousands_dominates_or_drowns_in_the_step() {
    let manifest = manifest(count(), &[1], 4_096);
    let cell = |target: u32| {
        let mut given: Vec<Given> = (0..2_000).flat_map(|person| (0..10).map(move |_| (person, 0, 0.0))).collect();
        given.extend((0..target).map(|_| (5_000, 0, 0.0)));
        table(verdict(&manifest, &given, &default_profile())).cells[0].clone()
    };
    let (none, all) = (cell(0), cell(4_096));
    assert_eq!(none.rounded_to, Some(4_100.0));
    assert!((all.value.unwrap() - none.value.unwrap()).abs() <= 4_100.0);
}

#[test]
fn margins_do_not_give_back_what_cells_withhold() {
    let manifest = manifest(count(), &[2, 4], 1);
    let table = table(verdict(&manifest, &populations(&[50, 40, 3, 60, 70, 30, 20, 80], 0.0), &default_profile()));
    let value = |cell: &glovebox_gate::Cell| cell.value.unwrap_or(0.0);
    let hidden: Vec<usize> = (0..8).filter(|cell| table.cells[*cell].value.is_none()).collect();
    assert_eq!(hidden, [2, 3]);
    let row = table.margins[0].value.unwrap() - table.cells[..4].iter().map(value).sum::<f64>();
    assert_eq!(row, 65.0, "the two hidden cells together, 5 and 60");
    let columns: Vec<bool> = table.margins[2..6].iter().map(|margin| margin.value.is_some()).collect();
    assert_eq!(columns, [true, true, false, false]);
}

#[test]
fn bands_labels_and_names_hold_no_value_of_a_suppressed_cell() {
    let manifest = manifest(count(), &[3], 1);
    let release = release(verdict(&manifest, &populations(&[77, 7, 77], 0.0), &default_profile()));
    let json = serde_json::to_value(&release).unwrap();
    let cell = &json["tables"][0]["cells"][1];
    assert_eq!(cell["value"], serde_json::Value::Null);
    assert!(cell.get("rounded_to").is_none());
    assert_eq!(cell["suppression"]["code"], "gate.cell-below-threshold");
    assert!(!cell["suppression"].to_string().contains('7'), "{cell}");
}

#[test]
fn faults_of_the_guest_stop_the_job_without_telling_a_value() {
    let manifest = manifest(count(), &[2], 1);
    let mut reduction = Reduction::new(&manifest).unwrap();
    let given = |output, cell| Contribution { output, cell, values: &[] };
    assert_eq!(reduction.contribute(0, given(1, 0)), Err(GateError::UnknownOutput { output: 1, outputs: 1 }));
    for cell in [2, 77_001, u32::MAX] {
        let error = reduction.contribute(0, given(0, cell)).unwrap_err();
        assert_eq!(error, GateError::UnknownCell { output: "out".into(), cells: 2 });
        assert!(!error.to_string().contains("77001"));
    }
    for cell in [-2, i32::MIN, 2, i32::MAX] {
        let error = reduction.contribute_rows(0, &[1], &[cell], &[]).unwrap_err();
        assert!(matches!(error, GateError::UnknownCell { .. }), "{cell}");
    }
    assert!(matches!(reduction.contribute_rows(0, &[1, 2], &[0], &[]), Err(GateError::Ragged { .. })));
    assert!(matches!(reduction.contribute_rows(0, &[1, 2], &[0, 0], &[0.5]), Err(GateError::Ragged { .. })));
    reduction.contribute_rows(0, &[4, 9], &[0, -1], &[]).unwrap();
    assert!(matches!(reduction.contribute_rows(0, &[8], &[0], &[]), Err(GateError::PersonsOutOfOrder { .. })));
}

#[test]
fn a_histogram_bin_can_not_be_addressed_by_the_guest() {
    let manifest = manifest(json!({"reducer": "histogram", "edges": [0.0, 1.0, 2.0]}), &[2], 1);
    let mut reduction = Reduction::new(&manifest).unwrap();
    let beyond = Contribution { output: 0, cell: 2, values: &[0.5] };
    assert!(matches!(reduction.contribute(0, beyond), Err(GateError::UnknownCell { .. })));
}

#[test]
fn outputs_are_judged_apart_and_in_order() {
    let manifest = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "row",
        "inputs": [{"name": "x", "type": "float64"}], "contributions_per_person_max": 1,
        "outputs": [
            {"name": "few", "reducer": "count"},
            {"name": "many", "reducer": "distinct-persons"},
        ],
    });
    let manifest = JobManifest::parse(manifest.to_string().as_bytes()).unwrap();
    let mut reduction = Reduction::new(&manifest).unwrap();
    let persons: Vec<u32> = (0..30).collect();
    reduction.contribute_rows(0, &persons[..5], &[0; 5], &[]).unwrap();
    reduction.contribute_rows(1, &persons, &[0; 30], &[]).unwrap();
    let release = release(disclose(&reduction.finish(), &default_profile(), &mut Unguarded, &Endless).unwrap());
    let shown: Vec<_> = release.tables().iter().map(|table| all_shown(&table.cells)[0].clone()).collect();
    assert_eq!(shown, ["gate.cell-below-threshold", "30"]);
    assert_eq!((release.cells_released(), release.cells_withheld()), (1, 1));
}
