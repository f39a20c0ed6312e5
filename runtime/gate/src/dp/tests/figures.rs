//! Whole releases: figures lie where their half widths say, totals follow from cells, open keys hide, explanations hold.

use serde_json::json;

use super::{bands, gaussian, laplace, manifest, reduce};
use crate::Endless;
use crate::dp::{Estimates, ExpectedError, explain, refuse_privacy, release_estimates, release_private};
use crate::{GateError, Mechanism, Reduced, Table, Verdict};
use glovebox_catalog::{JobManifest, Privacy};

const CELLS: u32 = 400;
const PER_CELL: u32 = 60;

fn table(reduced: &Reduced, manifest: &JobManifest, privacy: Privacy) -> Table {
    match release_private(reduced, manifest, privacy, "dp", &Endless).unwrap() {
        Verdict::Release(release) => {
            assert_eq!(release.profile(), "dp");
            release.tables()[0].clone()
        }
        Verdict::Withheld { .. } => panic!("withheld"),
    }
}

/// Every cell has the same persons' values, so that every figure has one exact value.
fn uniform(manifest: &JobManifest, values: impl Fn(u32) -> Vec<f64>) -> Reduced {
    let contribution = |cell: u32| {
        let values = &values;
        (0..PER_CELL).map(move |at| (cell * PER_CELL + at, cell, values(at)))
    };
    reduce(manifest, &(0..CELLS).flat_map(contribution).collect::<Vec<_>>())
}

/// Reducers, what person `at` of a cell contributes, and the exact figures of the cell.
type Case = (serde_json::Value, fn(u32) -> Vec<f64>, Vec<f64>);

fn cases() -> Vec<Case> {
    // Values 0 to 59: mean 29.5, sum 1770, variance 305, mean square 1170 1/6.
    let linear: fn(u32) -> Vec<f64> = |at| vec![f64::from(at)];
    let pair: fn(u32) -> Vec<f64> = |at| vec![f64::from(at), f64::from(60 - at)];
    let bounded = |reducer: &str| json!({"reducer": reducer, "lower": 0, "upper": 100});
    let variables = json!([{"name": "a", "lower": 0, "upper": 100}, {"name": "b", "lower": -20, "upper": 60}]);
    let ratio =
        json!({"reducer": "ratio", "numerator": {"lower": 0, "upper": 60}, "denominator": {"lower": 0, "upper": 60}});
    let exits: fn(u32) -> Vec<f64> = |at| vec![f64::from(at) / 20.0, f64::from(at % 2)];
    vec![
        (json!({"reducer": "count"}), |_| vec![], vec![60.0]),
        (json!({"reducer": "distinct-persons"}), |_| vec![], vec![60.0]),
        (bounded("sum"), linear, vec![1_770.0]),
        (bounded("mean"), linear, vec![29.5]),
        (bounded("variance"), linear, vec![305.0]),
        (ratio, pair, vec![1_770.0 / 1_830.0]),
        (
            json!({"reducer": "survival-table", "edges": [0, 1, 2, 3]}),
            exits,
            vec![60.0, 10.0, 10.0, 40.0, 10.0, 10.0, 20.0, 10.0, 10.0],
        ),
        (
            json!({"reducer": "cross-product", "variables": variables}),
            pair,
            // Rows a and b, columns 1, a, b: Σ at·(60 − at)/60 = 599.83….
            vec![29.5, 70_210.0 / 60.0, 35_990.0 / 60.0, 30.5, 35_990.0 / 60.0, 73_810.0 / 60.0],
        ),
        (json!({"reducer": "gradient", "length": 2, "norm_max": 100}), pair, vec![1_770.0, 1_830.0]),
    ]
}

#[test]
fn exact_figures_lie_within_the_half_width_nineteen_times_in_twenty() {
    for privacy in [laplace(8.0), gaussian(8.0)] {
        for (reducer, values, exact) in cases() {
            let manifest = manifest(&reducer, &bands(CELLS), 1);
            let table = table(&uniform(&manifest, values), &manifest, privacy);
            assert_eq!(table.cells.len(), CELLS as usize * exact.len());
            let outside = table.cells.iter().enumerate().filter(|(at, cell)| {
                let (Some(value), Some(half)) = (cell.value, cell.half_width_95) else { return true };
                assert!(half >= 0.0 && cell.suppression.is_none());
                (value - exact[at % exact.len()]).abs() > half
            });
            let (outside, all) = (outside.count() as f64, table.cells.len() as f64);
            // Six standard deviations; figures of one cell share noise, so no narrower than by cell.
            let most = all * (0.05 + 6.0 * (0.05 * 0.95 / f64::from(CELLS)).sqrt());
            assert!(outside < most, "{reducer} {privacy:?}: {outside} of {all} outside");
        }
    }
}

#[test]
fn figures_are_not_off_to_one_side() {
    for (reducer, values, exact) in cases() {
        let manifest = manifest(&reducer, &bands(CELLS), 1);
        let table = table(&uniform(&manifest, values), &manifest, gaussian(8.0));
        for (at, exact) in exact.iter().enumerate() {
            let values =
                table.cells.iter().skip(at).step_by(table.cells.len() / CELLS as usize).map(|cell| cell.value.unwrap());
            let (mean, half) = (values.sum::<f64>() / f64::from(CELLS), table.cells[at].half_width_95.unwrap());
            // A mean of 400 is twenty times closer; quotients lean a little, by the square of the noise.
            assert!((mean - exact).abs() < half / 20.0 * 3.5, "{reducer} figure {at}: {mean} {exact} {half}");
        }
    }
}

#[test]
fn totals_are_those_of_the_noisy_cells() {
    let keys =
        json!([{"name": "a", "domain": {"codes": ["x", "y"]}}, {"name": "b", "domain": {"codes": ["u", "v", "w"]}}]);
    let manifest = manifest(&json!({"reducer": "count"}), &keys, 1);
    let reduced = reduce(&manifest, &(0..120).map(|person| (person, person % 6, vec![])).collect::<Vec<_>>());
    let table = table(&reduced, &manifest, laplace(0.5));
    let value = |cell: &crate::Cell| cell.value.unwrap();
    let cells: Vec<f64> = table.cells.iter().map(value).collect();
    let margins: Vec<f64> = table.margins.iter().map(value).collect();
    let line = |cells: &[f64]| cells.iter().sum::<f64>();
    let expected = vec![
        line(&cells[..3]),
        line(&cells[3..]),
        cells[0] + cells[3],
        cells[1] + cells[4],
        cells[2] + cells[5],
        line(&cells),
    ];
    assert_eq!(margins, expected);
    assert!(table.margins[5].half_width_95 > table.cells[0].half_width_95);
    assert!(cells.iter().all(|value| value.fract() == 0.0));
}

#[test]
fn unions_of_persons_have_noise_of_their_own() {
    let manifest = manifest(&json!({"reducer": "distinct-persons"}), &bands(4), 4);
    let everywhere = (0..500).flat_map(|person| (0..4).map(move |cell| (person, cell, vec![])));
    let table = table(&reduce(&manifest, &everywhere.collect::<Vec<_>>()), &manifest, gaussian(4.0));
    let total = table.margins[0].value.unwrap();
    assert!((total - 500.0).abs() < 20.0, "{total} of 500 persons, each in four cells");
}

#[test]
fn open_keys_are_listed_by_their_noisy_number_alone() {
    let keys = json!([{"name": "code", "domain": {"integers": {"first": 0, "last": 1_999}}}]);
    for reducer in [json!({"reducer": "count"}), json!({"reducer": "sum", "lower": 0, "upper": 2})] {
        let manifest = manifest(&reducer, &keys, 1);
        let known = [(7, 300), (1_500, 200), (900, 2)];
        let mut contributions = Vec::new();
        for (code, persons) in known {
            for _ in 0..persons {
                contributions.push((contributions.len() as u32, code, vec![1.0]));
            }
        }
        let reduced = reduce(&manifest, &contributions);
        let mut false_keys = 0;
        for _ in 0..12 {
            let table = table(&reduced, &manifest, laplace(1.0));
            let labels = &table.dimensions[0].labels;
            assert!(labels.contains(&"7".into()) && labels.contains(&"1500".into()), "{labels:?}");
            assert_eq!(table.cells.len(), labels.len());
            assert!(table.cells.iter().all(|cell| cell.value.is_some()));
            assert_eq!(table.margins.len(), 1);
            false_keys += labels.len() - 2;
        }
        // Twelve releases at one in twenty: nine or more once in fifty million.
        assert!(false_keys < 9, "{false_keys} keys without persons");
    }
}

#[test]
fn explanations_are_the_half_widths_of_the_release() {
    let half = |errors: &[ExpectedError], figure: &str| {
        let found = errors.iter().find(|error| error.figure == figure);
        found.unwrap_or_else(|| panic!("{figure} in {errors:?}")).half_width_95
    };
    for privacy in [laplace(0.7), gaussian(0.02)] {
        for (reducer, values, figure) in [
            (json!({"reducer": "count"}), (|_| vec![]) as fn(u32) -> Vec<f64>, "cell"),
            (json!({"reducer": "sum", "lower": -4, "upper": 9}), |at| vec![f64::from(at)], "cell"),
            (json!({"reducer": "gradient", "length": 3, "norm_max": 2}), |_| vec![1.0, 1.0, 1.0], "component"),
        ] {
            let manifest = manifest(&reducer, &bands(5), 4);
            let errors = explain(&manifest, privacy).unwrap();
            let reduced = reduce(&manifest, &(0..9).map(|person| (person, 0, values(person))).collect::<Vec<_>>());
            let table = table(&reduced, &manifest, privacy);
            assert_eq!(table.cells[0].half_width_95, Some(half(&errors, figure)), "{reducer}");
            assert!((errors[0].share - 1.0).abs() < 1e-12);
            if let Some(total) = table.margins.first() {
                assert_eq!(total.half_width_95, Some(half(&errors, "grand total")), "{reducer}");
            }
        }
        let quantile =
            json!({"reducer": "quantile", "lower": 0, "upper": 1, "steps": 100, "probabilities": [0.25, 0.5]});
        let errors = explain(&manifest(&quantile, &bands(5), 1), privacy).unwrap();
        assert_eq!(errors.len(), 2);
        assert!(errors.iter().all(|error| error.half_width_95 > 1.0 && error.half_width_95.is_finite()));
        // Each probability has half of the loss: ε counts once, ρ by its root.
        let alone = json!({"reducer": "quantile", "lower": 0, "upper": 1, "steps": 100, "probabilities": [0.5]});
        let alone = explain(&manifest(&alone, &bands(5), 1), privacy).unwrap();
        let wider = errors[1].half_width_95 / alone[0].half_width_95;
        let expected = if matches!(privacy, Privacy::Laplace { .. }) { 2.0 } else { 2.0_f64.sqrt() };
        assert!((wider - expected).abs() < 1e-6, "{wider}");
    }
}

#[test]
fn quantiles_are_near_in_rank_and_in_order() {
    let quantile =
        json!({"reducer": "quantile", "lower": 0, "upper": 1000, "steps": 200, "probabilities": [0.1, 0.5, 0.9]});
    let manifest = manifest(&quantile, &json!([]), 1);
    let reduced = reduce(&manifest, &(0..1000).map(|at| (at, 0, vec![f64::from(at)])).collect::<Vec<_>>());
    for privacy in [laplace(2.0), gaussian(0.5)] {
        let ranks = explain(&manifest, privacy).unwrap();
        for _ in 0..20 {
            let table = table(&reduced, &manifest, privacy);
            let values: Vec<f64> = table.cells.iter().map(|cell| cell.value.unwrap()).collect();
            assert!(values.is_sorted(), "{values:?}");
            for ((value, exact), rank) in values.iter().zip([100.0, 500.0, 900.0]).zip(&ranks) {
                // One person a unit; three times the stated error and a step of the grid are passed once in a hundred million.
                assert!((value - exact).abs() <= 3.0 * rank.half_width_95 + 5.0, "{value} {exact} {rank:?}");
                assert_eq!(value % 5.0, 0.0);
            }
        }
    }
}

#[test]
fn a_ratio_over_noise_says_so() {
    let ratio =
        json!({"reducer": "ratio", "numerator": {"lower": 0, "upper": 1}, "denominator": {"lower": 0, "upper": 1}});
    let manifest = manifest(&ratio, &json!([]), 1);
    let table = table(&reduce(&manifest, &[]), &manifest, laplace(1e-4));
    // The noisy sum of nothing passes its own half width once in forty runs: then a number is shown.
    match (&table.cells[0].suppression, table.cells[0].value) {
        (Some(refusal), None) => assert_eq!(refusal.code, "gate.noise-too-large"),
        (None, Some(_)) => {}
        other => panic!("{other:?}"),
    }
}

fn block_manifest(blocks: u32) -> JobManifest {
    let manifest = json!({
        "abi": "glovebox:job@0.1.0", "name": "blocks", "version": "1", "description": "estimates", "isolation": "block",
        "inputs": [{"name": "x", "type": "float64"}], "contributions_per_person_max": 1, "blocks": blocks,
        "outputs": [
            {"name": "average", "reducer": "block-mean", "lower": 0, "upper": 10},
            {"name": "middle", "reducer": "block-median", "lower": 0, "upper": 10, "steps": 100}
        ],
    });
    JobManifest::parse(manifest.to_string().as_bytes()).unwrap()
}

fn block_figures(estimates: &Estimates, manifest: &JobManifest, privacy: Privacy) -> (f64, f64, f64) {
    let Verdict::Release(release) = release_estimates(estimates, manifest, privacy, "dp", &Endless).unwrap() else {
        panic!("withheld")
    };
    let [average, middle] = release.tables() else { panic!("two tables") };
    (average.cells[0].value.unwrap(), average.cells[0].half_width_95.unwrap(), middle.cells[0].value.unwrap())
}

#[test]
fn estimates_of_blocks_are_averaged_with_noise() {
    let manifest = block_manifest(200);
    let mut estimates = Estimates::new(&manifest).unwrap();
    for block in 0..150 {
        for output in 0..2 {
            estimates.take(block, output, 2.0 + f64::from(block % 3)).unwrap();
            // A second estimate and a number that is none change nothing.
            estimates.take(block, output, 9.0).unwrap();
            estimates.take(199, output, f64::NAN).unwrap();
        }
    }
    assert_eq!(estimates.missing(), 100);
    // 150 blocks of mean 3, 50 missing ones of 5: mean 3.5. 100 are at most 3, so the median is 3 to 4.
    for privacy in [laplace(4.0), gaussian(1.0)] {
        for _ in 0..20 {
            let (average, half, middle) = block_figures(&estimates, &manifest, privacy);
            assert!((average - 3.5).abs() < 8.0 * half && half < 0.2, "{average} {half}");
            assert!((2.9..=4.1).contains(&middle), "{middle}");
        }
        let expected = explain(&manifest, privacy).unwrap();
        let (_, half, _) = block_figures(&estimates, &manifest, privacy);
        assert!((half - expected[0].half_width_95).abs() <= half / 50.0, "{half} {expected:?}");
    }
    let unknown = estimates.take(200, 0, 1.0).unwrap_err();
    assert!(matches!(unknown, GateError::UnknownEstimate { block: 200, output: 0, outputs: 2, blocks: 200 }));
}

/// One block says the most it can: nothing that is released may depend on it more than the loss allows.
#[test]
fn a_block_loses_no_more_than_its_share() {
    const RELEASES: usize = 2_500;
    let manifest = {
        let mut manifest = block_manifest(10);
        manifest.outputs.truncate(1);
        manifest
    };
    // The other nine are in the middle. The block alone moves the mean from 4.5 to 5.5.
    let above = |value: f64, epsilon: f64| {
        let mut estimates = Estimates::new(&manifest).unwrap();
        (0..9).for_each(|block| estimates.take(block, 0, 5.0).unwrap());
        estimates.take(9, 0, value).unwrap();
        let average =
            |_: &usize| match release_estimates(&estimates, &manifest, laplace(epsilon), "dp", &Endless).unwrap() {
                Verdict::Release(release) => release.tables()[0].cells[0].value.unwrap() >= 5.5,
                Verdict::Withheld { .. } => panic!("withheld"),
            };
        (0..RELEASES).filter(average).count()
    };
    let lost = |epsilon| super::odds::epsilon_lost(above(1e9, epsilon), above(-1e9, epsilon), RELEASES);
    assert!(lost(1.0) <= 1.0);
    let twice = lost(2.0);
    assert!(twice > 1.0, "half the noise goes unnoticed: {twice}");
}

/// Two outputs about the same person together.
#[test]
fn outputs_share_the_loss() {
    const TARGETS: u32 = 2_500;
    let mut manifest = manifest(&json!({"reducer": "count"}), &bands(TARGETS), 1);
    manifest.outputs.push(glovebox_catalog::Output { name: "again".into(), ..manifest.outputs[0].clone() });
    let reduced = |persons: u32| {
        let mut reduction = crate::Reduction::new(&manifest).unwrap();
        for person in 0..persons {
            for output in 0..2 {
                let contribution = crate::Contribution { output, cell: person, values: &[] };
                reduction.contribute(person, contribution).unwrap();
            }
        }
        reduction.finish()
    };
    let both = |persons: u32, epsilon: f64| {
        let verdict = release_private(&reduced(persons), &manifest, laplace(epsilon), "dp", &Endless).unwrap();
        let Verdict::Release(release) = verdict else { panic!("withheld") };
        let [first, again] = release.tables() else { panic!("two tables") };
        let seen = |cell: &crate::Cell| cell.value.unwrap() >= 1.0;
        first.cells.iter().zip(&again.cells).filter(|(first, again)| seen(first) && seen(again)).count()
    };
    let lost = |epsilon| super::odds::epsilon_lost(both(TARGETS, epsilon), both(0, epsilon), TARGETS as usize);
    let once = lost(2.0);
    assert!(once <= 2.0, "{once}");
    let twice = lost(4.0);
    assert!(twice > 2.0, "half the noise goes unnoticed: {twice}");
}

#[test]
fn jobs_that_ask_for_the_wrong_noise_are_refused() {
    let code = |manifest: &JobManifest, privacy| refuse_privacy(manifest, privacy).map(|refusal| refusal.code);
    let row = manifest(&json!({"reducer": "count"}), &json!([]), 1);
    assert_eq!(code(&row, None), None);
    assert_eq!(code(&row, Some(laplace(1.0))), None);
    assert_eq!(code(&row, Some(gaussian(0.0))), Some("gate.no-privacy-loss".into()));
    assert_eq!(code(&block_manifest(10), None), Some("gate.block-needs-noise".into()));
    assert_eq!(code(&block_manifest(10), Some(laplace(0.1))), None);
    let reduced = reduce(&row, &[]);
    assert_eq!(release_private(&reduced, &row, laplace(0.0), "dp", &Endless), Err(GateError::NoPrivacyLoss));
}

#[test]
fn bounds_that_noise_is_fitted_to_are_far_and_wide() {
    for (lower, upper, cells) in [(1e30, 1.000_01e30, 65_536), (1.0, 1e15, 1), (-1e100, 1e100, 1), (0.0, 1e-100, 1)] {
        let far = manifest(&json!({"reducer": "sum", "lower": lower, "upper": upper}), &json!([]), cells);
        assert!(explain(&far, laplace(1.0)).is_ok(), "{lower} to {upper}");
    }
}

#[test]
fn a_release_states_its_loss_and_its_leakage() {
    let manifest = manifest(&json!({"reducer": "count"}), &json!([]), 1);
    let Verdict::Release(release) =
        release_private(&reduce(&manifest, &[]), &manifest, laplace(2.0), "dp", &Endless).unwrap()
    else {
        panic!("withheld")
    };
    assert!(matches!(release.mechanism(), Mechanism::Laplace { epsilon } if epsilon.value() == 2.0));
    // 2 nats are 2.9 bits; one figure is a number of 64.
    assert_eq!((release.leakage().bits_per_person, release.leakage().bits), (3, 64));
}
