//! No person moves integers by more than the plan says, whatever anybody contributes; and some move them by nearly as much.

use proptest::prelude::*;
use serde_json::json;

use super::{manifest, reduce};
use crate::Endless;
use crate::dp::quantity::{Kind, Plan, Quantity};
use crate::dp::release::add_noise;
use crate::dp::{Noise, Share, estimates};
use crate::margin::margins;
use crate::reduction::ReducedOutput;

const BOUND: u32 = 3;
const CELLS: u32 = 6;

fn reducers() -> Vec<serde_json::Value> {
    let variables = json!([
        {"name": "a", "lower": -1, "upper": 3}, {"name": "b", "lower": 5, "upper": 5.5}, {"name": "c", "lower": -9, "upper": 0}
    ]);
    vec![
        json!({"reducer": "count"}),
        json!({"reducer": "distinct-persons"}),
        json!({"reducer": "contingency-table"}),
        json!({"reducer": "histogram", "edges": [-1, 0, 2]}),
        json!({"reducer": "sum", "lower": 0, "upper": 7}),
        json!({"reducer": "sum", "lower": -3.1, "upper": -1}),
        json!({"reducer": "mean", "lower": 100, "upper": 100.3}),
        json!({"reducer": "variance", "lower": -2, "upper": 1}),
        json!({"reducer": "ratio", "numerator": {"lower": -2, "upper": 5}, "denominator": {"lower": 0.1, "upper": 3}}),
        json!({"reducer": "survival-table", "edges": [0, 1, 2, 4]}),
        json!({"reducer": "cross-product", "variables": variables}),
        json!({"reducer": "gradient", "length": 3, "norm_max": 1.7}),
    ]
}

fn keys() -> serde_json::Value {
    json!([
        {"name": "sex", "domain": {"codes": ["f", "m"]}},
        {"name": "site", "domain": {"codes": ["a", "b", "c"]}}
    ])
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![-12.0..12.0_f64, Just(f64::NAN), Just(1e300), Just(-1e300), Just(0.0), 100.0..100.3_f64]
}

fn contribution() -> impl Strategy<Value = (u32, u32, Vec<f64>)> {
    (0..5_u32, 0..CELLS, prop::collection::vec(value(), 3))
}

/// The plan and integers of an output.
fn integers(output: &ReducedOutput, plan: &Plan) -> Vec<(Kind, Vec<i128>)> {
    let margins = if output.inner.is_empty() {
        margins(&output.shape, &output.output.reducer, &Endless).unwrap()
    } else {
        Vec::new()
    };
    let of = |kind: Kind| (kind, kind.integers(&output.cells, &margins, &plan.scales, &Endless).unwrap());
    plan.quantities.iter().map(|quantity| of(quantity.kind)).collect()
}

/// How far integers move in L1 and L2 when person 2 goes, beside what the plan allows.
fn moves(reducer: &serde_json::Value, contributions: &[(u32, u32, Vec<f64>)]) -> Vec<(Kind, [f64; 2], [f64; 2])> {
    let manifest = manifest(reducer, &keys(), BOUND);
    let taken = manifest.outputs[0].reducer.value_count();
    let cut = |keep: &dyn Fn(u32) -> bool| {
        let kept = contributions.iter().filter(|(person, ..)| keep(*person));
        let kept: Vec<_> = kept
            .map(|(person, cell, values)| {
                (*person, *cell, values.iter().copied().chain([0.0; 3]).take(taken).collect())
            })
            .collect();
        reduce(&manifest, &kept)
    };
    let (with, without) = (cut(&|_| true), cut(&|person| person != 2));
    let (with, without) = (&with.outputs[0], &without.outputs[0]);
    let plan = Plan::new(&with.output, &manifest.dimensions(&with.output), &with.shape, BOUND).unwrap();
    let distances = |with: &[i128], without: &[i128]| {
        let distances = || with.iter().zip(without).map(|(with, without)| (with - without) as f64);
        [distances().map(f64::abs).sum(), distances().map(|distance| distance * distance).sum::<f64>().sqrt()]
    };
    let allowed = |quantity: &Quantity| [quantity.sensitivity.l1, quantity.sensitivity.l2];
    let pairs = integers(with, &plan).into_iter().zip(integers(without, &plan)).zip(&plan.quantities);
    pairs.map(|(((kind, with), (_, without)), own)| (kind, distances(&with, &without), allowed(own))).collect()
}

proptest! {
    #[test]
    fn no_person_moves_integers_by_more_than_the_plan_says(
        contributions in prop::collection::vec(contribution(), 0..30),
    ) {
        for reducer in reducers() {
            for (kind, moved, allowed) in moves(&reducer, &contributions) {
                // Sums of squares of large integers end in a rounded bit.
                prop_assert!(moved[0] <= allowed[0], "{reducer} {kind:?} {moved:?} {allowed:?}");
                prop_assert!(moved[1] <= allowed[1] * (1.0 + 1e-15), "{reducer} {kind:?} {moved:?} {allowed:?}");
            }
        }
    }

    #[test]
    fn no_block_moves_a_score_of_the_median_by_more_than_the_proof_says(
        values in prop::collection::vec(0..=8_u64, 1..40), block in 0..40_usize, value in 0..=8_u64,
    ) {
        let mut other = values.clone();
        let block = block % values.len();
        other[block] = value;
        let scores = estimates::median_scores(&values, 8).into_iter().zip(estimates::median_scores(&other, 8));
        for (before, after) in scores {
            prop_assert!((before - after).abs() <= estimates::MEDIAN_SENSITIVITY);
        }
    }
}

/// What the noise of an output spends in all, by the formulas of the proofs.
#[test]
fn the_parts_of_an_output_spend_its_share_and_no_more() {
    for reducer in reducers() {
        let manifest = manifest(&reducer, &keys(), BOUND);
        let reduced = reduce(&manifest, &[]);
        let output = &reduced.outputs[0];
        let margins = margins(&output.shape, &output.output.reducer, &Endless).unwrap();
        for share in [Share::Pure(0.3), Share::Concentrated(0.3)] {
            let plan = Plan::new(&output.output, &manifest.dimensions(&output.output), &output.shape, BOUND).unwrap();
            let noisy = add_noise(output, plan, &margins, share, &Endless).unwrap();
            let spent = noisy.plan.quantities.iter().zip(&noisy.noises).map(|(quantity, noise)| match *noise {
                Noise::Laplace { scale } => quantity.sensitivity.l1 / scale,
                Noise::Gaussian { deviation } => quantity.sensitivity.l2.powi(2) / (2.0 * deviation.powi(2)),
            });
            let spent: f64 = spent.sum();
            assert!(spent <= 0.3 && spent > 0.3 * (1.0 - 1e-9), "{reducer} {share:?}: {spent}");
        }
    }
}

/// A person at a bound, as often as allowed, in one cell and spread over cells: the plan gives nothing away.
#[test]
fn some_person_moves_integers_by_as_much_as_the_plan_says() {
    let extremes = [-1e300, 1e300];
    let all = |f: &dyn Fn(u32) -> (u32, u32, Vec<f64>)| (0..BOUND).map(f).collect::<Vec<_>>();
    let mut persons = Vec::new();
    for a in extremes {
        for b in extremes {
            for c in extremes {
                persons.push(all(&|_| (2, 0, vec![a, b, c])));
                persons.push(all(&|at| (2, at, vec![a, b, c])));
            }
        }
    }
    persons.push(all(&|_| (2, 0, vec![1.5, 1.0, 0.0])));
    persons.push(vec![(2, 0, vec![]), (2, 4, vec![]), (2, 2, vec![])]);
    persons.push(vec![(2, 0, vec![1e300, 0.0, 0.0]); BOUND as usize]);
    for reducer in reducers() {
        let mut most = std::collections::BTreeMap::new();
        for person in &persons {
            for (kind, moved, allowed) in moves(&reducer, person) {
                let most = most.entry(format!("{kind:?}")).or_insert([0.0_f64; 2]);
                for at in 0..2 {
                    most[at] = most[at].max(moved[at] / allowed[at]);
                }
            }
        }
        for (kind, [l1, l2]) in most {
            assert!(l1 > 0.99 && l2 > 0.99, "{reducer} {kind}: {l1} {l2}");
        }
    }
}
