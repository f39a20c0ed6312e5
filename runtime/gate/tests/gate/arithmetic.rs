//! Whatever a manifest declares and a guest contributes, judging comes to an end without a panic, and rounding is sane.

use glovebox_catalog::{ABI_VERSION, Epsilon, JobManifest, ManifestError, Privacy, Rho};
use glovebox_gate::{Contribution, Endless, Profile, Reduction, Unguarded, Verdict, disclose, lint, release_private};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::{default_profile, manifest, verdict};

fn parse(reducer: &Value, contributions_max: u32) -> Result<JobManifest, ManifestError> {
    let mut output = json!({"name": "out", "keys": ["k"]});
    output.as_object_mut().unwrap().extend(reducer.as_object().unwrap().clone());
    let manifest = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "row",
        "inputs": [{"name": "x", "type": "float64"}],
        "keys": [{"name": "k", "domain": {"codes": ["a", "b"]}}], "outputs": [output],
        "contributions_per_person_max": contributions_max,
    });
    JobManifest::parse(manifest.to_string().as_bytes())
}

/// Numbers of every size, near one another more often than chance would have it.
fn number() -> impl Strategy<Value = f64> {
    let scaled = (-1.0..1.0_f64, -320..308_i32).prop_map(|(digits, exponent)| digits * 10_f64.powi(exponent));
    let plain = prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 1e15, 1e100, -1e100, 1e-100, f64::MAX, 5e-324]);
    prop_oneof![3 => scaled, 2 => -100.0..100.0_f64, 2 => plain, 1 => any::<f64>()]
}

fn bounds() -> impl Strategy<Value = (f64, f64)> {
    let near = (number(), 0..40_u32).prop_map(|(lower, ulps)| {
        (lower, (0..ulps).fold(lower, |value, ulp| if ulp % 2 == 0 { value.next_up() } else { value * 1.000_1 }))
    });
    prop_oneof![2 => (number(), number()), 1 => near, 2 => (number(), 0.0..1e3_f64).prop_map(|(a, b)| (a, a + b))]
}

fn reducers() -> impl Strategy<Value = Value> {
    let one = prop::sample::select(vec!["sum", "mean", "variance"]);
    prop_oneof![
        4 => (one, bounds()).prop_map(|(name, (a, b))| json!({"reducer": name, "lower": a, "upper": b})),
        1 => (bounds(), bounds()).prop_map(|((a, b), (c, d))| json!({
            "reducer": "ratio",
            "numerator": {"lower": a, "upper": b},
            "denominator": {"lower": c.abs(), "upper": d.abs()},
        })),
        1 => (bounds(), 2..40_u32).prop_map(|((a, b), steps)| json!({
            "reducer": "quantile", "lower": a, "upper": b, "steps": steps, "probabilities": [0.25, 0.5],
        })),
        1 => (bounds(), bounds()).prop_map(|((a, b), (c, d))| json!({"reducer": "cross-product", "variables": [
            {"name": "x", "lower": a, "upper": b}, {"name": "y", "lower": c, "upper": d},
        ]})),
        1 => number().prop_map(|norm| json!({"reducer": "gradient", "length": 3, "norm_max": norm})),
        1 => prop::collection::vec(number(), 2..5)
            .prop_map(|edges| json!({"reducer": "histogram", "edges": edges})),
    ]
}

/// The shipped profile, without rounding, and with as many digits as there can be.
fn profiles() -> impl Strategy<Value = Profile> {
    (prop::sample::select(vec![0, 1, 5, 1_000_000_000]), 1..=15_u32, 0..40_u32, any::<bool>()).prop_map(
        |(round_base, value_digits, threshold, complementary)| Profile {
            round_base,
            value_digits,
            threshold: threshold.max(2),
            complementary,
            ..default_profile()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn nothing_panics_and_figures_are_numbers_near_what_they_stand_for(
        reducer in reducers(),
        profile in profiles(),
        contributions_max in prop::sample::select(vec![1, 3, 65_536]),
        values in prop::collection::vec(number(), 0..60),
        epsilon in 0.01..10.0_f64,
    ) {
        // What is refused is refused at inspection: what passes can be computed.
        let Ok(manifest) = parse(&reducer, contributions_max) else { return Ok(()) };
        let mut reduction = Reduction::new(&manifest).unwrap();
        let width = manifest.outputs[0].reducer.value_count();
        for (person, value) in (0..).zip(&values) {
            let values = vec![*value; width];
            reduction.contribute(person, Contribution { output: 0, cell: person % 2, values: &values }).unwrap();
        }
        let reduced = reduction.finish();
        let _ = lint(&manifest, &profile, Some(60), None);
        for privacy in
            [Privacy::Laplace { epsilon: Epsilon::new(epsilon).unwrap() }, Privacy::Gaussian { rho: Rho::new(epsilon).unwrap() }]
        {
            // A loss too small for the bounds is an error; a panic is not.
            let _ = release_private(&reduced, &manifest, privacy, "dp", &Endless);
        }
        let Verdict::Release(release) = disclose(&reduced, &profile, &mut Unguarded, &Endless).unwrap() else {
            return Ok(());
        };
        let is_mean = reducer["reducer"] == "mean";
        for cell in release.tables()[0].cells.iter().chain(&release.tables()[0].margins) {
            let (Some(value), Some(step)) = (cell.value, cell.rounded_to) else { continue };
            prop_assert!(value.is_finite() && step.is_finite() && step > 0.0, "{value} by {step}");
            if is_mean {
                let (lower, upper) = (reducer["lower"].as_f64().unwrap(), reducer["upper"].as_f64().unwrap());
                let slack = step + (upper - lower) * 1e-6;
                prop_assert!(lower - slack <= value && value <= upper + slack, "{value} by {step} of {lower} to {upper}");
            }
        }
    }
}

#[test]
fn bounds_that_make_no_sense_are_refused_at_inspection() {
    let mean = |lower: f64, upper: f64| parse(&json!({"reducer": "mean", "lower": lower, "upper": upper}), 1).map(drop);
    for (lower, upper) in [(1.0, 1.0_f64.next_up()), (1e9, 1e9 + 1.0), (-1e101, 0.0), (0.0, 1e-101), (5e-324, 1e-323)] {
        assert!(matches!(mean(lower, upper), Err(ManifestError::Range { .. })), "{lower} {upper}");
    }
    assert!(matches!(mean(1.0, 1.0), Err(ManifestError::Bounds { .. })));
    for (lower, upper) in [(0.0, 1e100), (-1e100, 1e100), (0.0, 1e-100), (1_600_000.0, 1_600_002.0), (1.6e12, 1.7e12)] {
        assert_eq!(mean(lower, upper), Ok(()), "{lower} {upper}");
    }
}

/// The case that panicked, with the narrowest bounds that are allowed.
#[test]
fn a_mean_between_the_narrowest_bounds_is_a_number_between_them() {
    let manifest = manifest(json!({"reducer": "mean", "lower": 1_048_575.0, "upper": 1_048_576.0}), &[2], 1);
    let given: Vec<_> = (0..60).map(|person| (person, person % 2, 1_048_575.5)).collect();
    let Verdict::Release(release) = verdict(&manifest, &given, &default_profile()) else { panic!("withheld") };
    let values: Vec<f64> = release.tables()[0].cells.iter().filter_map(|cell| cell.value).collect();
    assert_eq!(values.len(), 2);
    assert!(values.iter().all(|value| (1_048_575.0..=1_048_576.0).contains(value)), "{values:?}");
}
