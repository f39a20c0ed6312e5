//! Every reducer's integers against a plain model that keeps all contributions and counts them again.

use std::collections::{BTreeMap, BTreeSet};

use glovebox_catalog::{ABI_VERSION, Bounds, JobManifest, Reducer, Variable};
use proptest::prelude::*;
use roaring::RoaringBitmap;
use serde_json::json;

use super::*;
use crate::cell::{Component, Detail, product_index};
use crate::scale::{NORM_STEPS, STEPS};

const BOUND: u32 = 3;
const CELLS: usize = 4;

/// A contribution: person, cell, values.
pub(crate) type Given = (u32, u32, Vec<f64>);

/// A manifest with one output of `reducer` over two keys of `cells` cells in all.
pub(crate) fn manifest(reducer: &Reducer, cells: usize, contributions_per_person_max: u32) -> JobManifest {
    let codes: Vec<String> = (0..cells).map(|code| format!("c{code}")).collect();
    let mut output = json!({"name": "out", "keys": ["key", "other"]});
    output.as_object_mut().unwrap().extend(serde_json::to_value(reducer).unwrap().as_object().unwrap().clone());
    let manifest = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "row",
        "inputs": [{"name": "x", "type": "float64"}],
        "keys": [{"name": "key", "domain": {"codes": codes}}, {"name": "other", "domain": {"codes": ["all"]}}],
        "outputs": [output], "contributions_per_person_max": contributions_per_person_max,
    });
    JobManifest::parse(manifest.to_string().as_bytes()).unwrap()
}

/// Reduces contributions of ascending persons, `rows_at_once` in a batch.
pub(crate) fn reduce(manifest: &JobManifest, given: &[Given], rows_at_once: usize) -> Reduced {
    let mut reduction = Reduction::new(manifest).unwrap();
    for batch in given.chunks(rows_at_once) {
        let persons: Vec<u32> = batch.iter().map(|(person, ..)| *person).collect();
        let cells: Vec<i32> = batch.iter().map(|(_, cell, _)| cell.cast_signed()).collect();
        let components = manifest.outputs[0].reducer.value_count();
        let values: Vec<f64> = (0..components).flat_map(|k| batch.iter().map(move |(.., values)| values[k])).collect();
        reduction.contribute_rows(0, &persons, &cells, &values).unwrap();
    }
    reduction.finish()
}

fn reducers() -> Vec<Reducer> {
    let variable = |name: &str, lower, upper| Variable { name: name.into(), lower, upper };
    vec![
        Reducer::Count,
        Reducer::DistinctPersons,
        Reducer::ContingencyTable,
        Reducer::Sum { lower: -3.0, upper: 17.0 },
        Reducer::Mean { lower: 10.0, upper: 80.0 },
        Reducer::Variance { lower: -20.0, upper: 40.0 },
        Reducer::Ratio {
            numerator: Bounds { lower: -5.0, upper: 50.0 },
            denominator: Bounds { lower: 0.0, upper: 30.0 },
        },
        Reducer::Histogram { edges: vec![0.0, 10.0, 20.0, 40.0] },
        Reducer::Quantile { lower: -10.0, upper: 60.0, steps: 7, probabilities: vec![0.5] },
        Reducer::SurvivalTable { edges: vec![0.0, 10.0, 20.0, 40.0] },
        Reducer::CrossProduct {
            variables: vec![variable("a", -1.0, 30.0), variable("b", 0.0, 1.0), variable("c", -40.0, -10.0)],
        },
        Reducer::Gradient { length: 4, norm_max: 25.0 },
    ]
}

/// What of `given` counts: finite in every component, up to the bound.
fn kept(reducer: &Reducer, given: &[Given]) -> Vec<Given> {
    let bound = match reducer {
        Reducer::ContingencyTable | Reducer::SurvivalTable { .. } => 1,
        _ => BOUND,
    };
    let mut used = BTreeMap::new();
    let components = reducer.value_count();
    let mut take = |(person, _, values): &&Given| {
        let used = used.entry(*person).or_insert(0);
        let is_kept = values[..components].iter().all(|value| value.is_finite()) && *used < bound;
        *used += u32::from(is_kept);
        is_kept
    };
    given.iter().filter(|given| take(given)).cloned().collect()
}

fn set(persons: impl Iterator<Item = u32>) -> RoaringBitmap {
    persons.collect()
}

/// The two persons with the most, and the sum of all.
fn magnitudes(each: impl Iterator<Item = (u32, u64)>) -> (u128, [u64; 2]) {
    let mut of = BTreeMap::new();
    each.for_each(|(person, magnitude)| *of.entry(person).or_insert(0) += magnitude);
    let mut most: Vec<u64> = of.values().copied().chain([0, 0]).collect();
    most.sort_unstable_by(|a, b| b.cmp(a));
    (of.values().map(|own| u128::from(*own)).sum(), [most[0], most[1]])
}

/// Offset and magnitude of each component, from the definition.
fn quantised(reducer: &Reducer, values: &[f64]) -> Vec<(u64, u64)> {
    let within = |value: f64, lower: f64, upper: f64| {
        let value = value.clamp(lower, upper);
        let offset = ((value - lower) / (upper - lower) * STEPS).round();
        (offset as u64, (value.abs() / lower.abs().max(upper.abs()) * STEPS).round() as u64)
    };
    match reducer {
        Reducer::Sum { lower, upper } | Reducer::Mean { lower, upper } | Reducer::Variance { lower, upper } => {
            vec![within(values[0], *lower, *upper)]
        }
        Reducer::Ratio { numerator, denominator } => {
            vec![
                within(values[0], numerator.lower, numerator.upper),
                within(values[1], denominator.lower, denominator.upper),
            ]
        }
        Reducer::CrossProduct { variables } => variables
            .iter()
            .zip(values)
            .map(|(variable, value)| within(*value, variable.lower, variable.upper))
            .collect(),
        Reducer::Gradient { length, norm_max } => {
            let values = &values[..*length as usize];
            // In units of the largest, so that no square overflows.
            let largest = values.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
            let norm = values.iter().map(|value| (value / largest).powi(2)).sum::<f64>().sqrt();
            let is_long = norm * largest > *norm_max;
            let clipped = values.iter().map(|value| if is_long { value / largest * norm_max / norm } else { *value });
            let steps = clipped.map(|value| value / norm_max * (NORM_STEPS - 1) as f64);
            steps.map(|steps| ((NORM_STEPS as i64 + steps as i64) as u64, steps.abs() as u64)).collect()
        }
        _ => Vec::new(),
    }
}

/// Offsets within a step: the model divides where the host multiplies with the inverse.
fn near(ours: u128, theirs: u128, contributions: u64) -> bool {
    ours.abs_diff(theirs) <= u128::from(contributions)
}

fn bin(edges: &[f64], value: f64) -> usize {
    (0..edges.len() - 2).find(|bin| value < edges[bin + 1]).unwrap_or(edges.len() - 2)
}

fn check(reducer: &Reducer, output: &ReducedOutput, given: &[Given]) {
    let kept = kept(reducer, given);
    let bins = if let Reducer::Histogram { edges } = reducer { edges.len() - 1 } else { 1 };
    assert_eq!(output.cells.len(), CELLS * bins);
    for (index, cell) in output.cells.iter().enumerate() {
        let is_here = |(_, cell, values): &&Given| match reducer {
            Reducer::Histogram { edges } => *cell as usize * bins + bin(edges, values[0]) == index,
            _ => *cell as usize == index,
        };
        let here: Vec<&Given> = kept.iter().filter(is_here).collect();
        assert_eq!(cell.count, here.len() as u64);
        assert_eq!(cell.persons, set(here.iter().map(|given| given.0)));
        let components = quantised(reducer, &[0.0; 64]).len();
        if components == 0 {
            let (sum, largest) = magnitudes(here.iter().map(|given| (given.0, 1)));
            assert_eq!((cell.magnitude, cell.largest, cell.offset_sum), (sum, largest, 0));
        }
        let read: Vec<(u32, Vec<(u64, u64)>)> =
            here.iter().map(|given| (given.0, quantised(reducer, &given.2))).collect();
        assert_eq!(output.scales.len(), components);
        for (k, component) in cell.components().iter().enumerate().take(components) {
            check_component(component, &read, k);
        }
        check_detail(reducer, &cell.detail, &here, &read);
    }
}

fn check_component(component: &Component, read: &[(u32, Vec<(u64, u64)>)], k: usize) {
    let count = read.len() as u64;
    let offsets = read.iter().map(|(_, read)| u128::from(read[k].0)).sum();
    assert!(near(component.offset_sum, offsets, count), "{} {offsets}", component.offset_sum);
    let (sum, largest) = magnitudes(read.iter().map(|(person, read)| (*person, read[k].1)));
    assert!(near(component.magnitude, sum, count));
    for (own, largest) in component.largest.iter().zip(largest) {
        assert!(near(u128::from(*own), u128::from(largest), count), "{own} {largest}");
    }
}

fn check_detail(reducer: &Reducer, detail: &Detail, here: &[&Given], read: &[(u32, Vec<(u64, u64)>)]) {
    match (reducer, detail) {
        (Reducer::Variance { .. } | Reducer::CrossProduct { .. }, Detail::Moments(moments)) => {
            let components = moments.components.len();
            assert_eq!(moments.products.len(), components * (components + 1) / 2);
            for i in 0..components {
                for j in i..components {
                    let products: u128 =
                        read.iter().map(|(_, read)| u128::from(read[i].0) * u128::from(read[j].0)).sum();
                    // Each factor may be a step off.
                    let slack = 2 * (STEPS as u64 + 1) * here.len() as u64;
                    assert!(near(moments.products[product_index(i, j, components)], products, slack));
                }
            }
        }
        (Reducer::Ratio { .. } | Reducer::Gradient { .. }, Detail::Moments(moments)) => {
            assert!(moments.products.is_empty());
        }
        (Reducer::Quantile { lower, upper, steps, .. }, Detail::Grid(grid)) => {
            let step = |value: f64| {
                let share = (value.clamp(*lower, *upper) - lower) / (upper - lower);
                ((share * f64::from(*steps)) as usize).min(*steps as usize - 1)
            };
            let steps: Vec<(u32, usize)> = here.iter().map(|given| (given.0, step(given.2[0]))).collect();
            for edge in 0..=grid.counts.len() {
                let below: Vec<u32> = steps.iter().filter(|(_, at)| *at < edge).map(|(person, _)| *person).collect();
                let from: BTreeSet<u32> =
                    steps.iter().filter(|(_, at)| *at >= edge).map(|(person, _)| *person).collect();
                assert_eq!(grid.count_below(edge), below.len() as u64);
                assert_eq!(grid.persons_below(edge), below.into_iter().collect::<BTreeSet<_>>().len() as u64);
                assert_eq!(grid.persons_from(edge), from.len() as u64);
            }
        }
        (Reducer::SurvivalTable { edges }, Detail::Exits(exits)) => {
            for (interval, exits) in exits.iter().enumerate() {
                let left = |event: f64| {
                    let left = here.iter().filter(|given| bin(edges, given.2[0]) == interval);
                    set(left.filter(|given| (given.2[1] >= 0.5) == (event >= 0.5)).map(|given| given.0))
                };
                assert_eq!((&exits.events, &exits.censored), (&left(1.0), &left(0.0)));
            }
        }
        (_, Detail::None) => {}
        _ => panic!("{} has another detail", reducer.name()),
    }
}

fn contributions() -> impl Strategy<Value = Vec<Given>> {
    let value = prop_oneof![12 => -60.0..90.0_f64, 3 => Just(1.0), 1 => any::<f64>()];
    let given = (0..120_u32, 0..CELLS as u32, prop::collection::vec(value, 4));
    prop::collection::vec(given, 0..400).prop_map(|mut given| {
        given.sort_by_key(|(person, ..)| *person);
        // Far apart, so that contributors fill several containers.
        given.into_iter().map(|(person, cell, values)| (person * 1_777, cell, values)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_integer_is_that_of_the_definition(given in contributions(), rows_at_once in 1..200_usize) {
        for reducer in reducers() {
            let reduced = reduce(&manifest(&reducer, CELLS, BOUND), &given, rows_at_once);
            check(&reducer, &reduced.outputs[0], &given);
            let taken = kept(&reducer, &given).len() as u64;
            prop_assert_eq!(reduced.dropped.over_bound + reduced.dropped.not_finite + taken, given.len() as u64);
        }
    }

    #[test]
    fn single_contributions_and_rows_agree_for_vectors(given in contributions(), rows_at_once in 1..50_usize) {
        for reducer in reducers() {
            let manifest = manifest(&reducer, CELLS, BOUND);
            let mut single = Reduction::new(&manifest).unwrap();
            for (person, cell, values) in &given {
                let values = &values[..reducer.value_count()];
                single.contribute(*person, Contribution { output: 0, cell: *cell, values }).unwrap();
            }
            let (single, rows) = (single.finish(), reduce(&manifest, &given, rows_at_once));
            prop_assert_eq!(single.dropped, rows.dropped);
            for (a, b) in single.outputs[0].cells.iter().zip(&rows.outputs[0].cells) {
                prop_assert!(a.persons == b.persons && a.count == b.count && a.components() == b.components());
            }
        }
    }

    /// What noise is calibrated to: a contribution never moves a gradient's integers by more than the norm in steps.
    #[test]
    fn a_clipped_gradient_is_within_its_norm_in_steps(
        values in prop::collection::vec(prop_oneof![any::<f64>(), -1.0..1.0_f64, Just(0.0)], 1..64), norm_max in 1e-6..1e6_f64,
    ) {
        prop_assume!(values.iter().all(|value| value.is_finite()));
        let reducer = Reducer::Gradient { length: values.len() as u32, norm_max };
        let reduced = reduce(&manifest(&reducer, 1, 1), &[(0, 0, values)], 1);
        let steps = reduced.outputs[0].cells[0].components().into_iter().map(|component| {
            component.offset_sum.abs_diff(u128::from(NORM_STEPS))
        });
        prop_assert!(steps.map(|steps| steps * steps).sum::<u128>() < u128::from(NORM_STEPS) * u128::from(NORM_STEPS));
    }
}

#[test]
fn one_component_that_is_no_number_drops_the_whole_vector() {
    let reducer = Reducer::Gradient { length: 3, norm_max: 1.0 };
    let manifest = manifest(&reducer, 1, 9);
    let given = [(0, 0, vec![0.1, f64::NAN, 0.1]), (1, 0, vec![f64::INFINITY, 0.0, 0.0]), (2, 0, vec![0.1, 0.2, 0.3])];
    let reduced = reduce(&manifest, &given, 3);
    assert_eq!((reduced.dropped.not_finite, reduced.outputs[0].cells[0].count), (2, 1));
    assert_eq!(reduced.outputs[0].cells[0].persons, set([2].into_iter()));
}

#[test]
fn vectors_come_with_all_their_components() {
    let reducer = Reducer::Gradient { length: 3, norm_max: 1.0 };
    let mut reduction = Reduction::new(&manifest(&reducer, 1, 9)).unwrap();
    let ragged = GateError::Ragged { output: "out".into() };
    for values in [&[0.1, 0.2][..], &[], &[0.1; 4]] {
        assert_eq!(reduction.contribute(0, Contribution { output: 0, cell: 0, values }), Err(ragged.clone()));
        assert_eq!(reduction.contribute_rows(0, &[0], &[0], values), Err(ragged.clone()));
    }
    let mut count = Reduction::new(&manifest(&Reducer::Count, 1, 9)).unwrap();
    count.contribute(0, Contribution { output: 0, cell: 0, values: &[f64::NAN, 2.0] }).unwrap();
    assert_eq!(count.finish().outputs[0].cells[0].count, 1);
}

#[test]
fn a_person_is_in_one_cell_of_a_contingency_or_survival_table() {
    for reducer in [Reducer::ContingencyTable, Reducer::SurvivalTable { edges: vec![0.0, 1.0] }] {
        let given: Vec<Given> =
            (0..5).flat_map(|person| (0..3).map(move |cell| (person, cell, vec![0.5, 1.0]))).collect();
        let reduced = reduce(&manifest(&reducer, CELLS, 9), &given, 4);
        let counts: Vec<u64> = reduced.outputs[0].cells.iter().map(|cell| cell.count).collect();
        assert_eq!((counts, reduced.dropped.over_bound), (vec![5, 0, 0, 0], 10), "{}", reducer.name());
        assert_eq!(reduced.outputs[0].contributions_max, 1);
    }
}

#[test]
fn a_vector_beyond_all_measure_keeps_its_direction() {
    let reducer = Reducer::Gradient { length: 2, norm_max: 5.0 };
    let reduced = reduce(&manifest(&reducer, 1, 1), &[(0, 0, vec![3e307, -4e307])], 1);
    let output = &reduced.outputs[0];
    let values: Vec<f64> = output
        .scales
        .iter()
        .zip(output.cells[0].components())
        .map(|(scale, own)| scale.sum(1, own.offset_sum))
        .collect();
    assert!((values[0] - 3.0).abs() < 1e-8 && (values[1] + 4.0).abs() < 1e-8, "{values:?}");
}

#[test]
fn the_outputs_of_a_block_job_take_no_contributions() {
    let manifest = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "block", "blocks": 10,
        "inputs": [{"name": "x", "type": "float64"}], "contributions_per_person_max": 1,
        "outputs": [{"name": "out", "reducer": "block-mean", "lower": 0.0, "upper": 1.0}],
    });
    let manifest = JobManifest::parse(manifest.to_string().as_bytes()).unwrap();
    assert_eq!(Reduction::new(&manifest).err(), Some(GateError::NoContributions { output: "out".into() }));
}

/// 1,500 persons who are all in each of 60,000 cells hold most of a gigabyte; that is known before a row is read.
#[test]
fn memory_is_bounded_by_the_manifest_and_the_size_of_the_snapshot() {
    let wide = |contributions_max: u32| {
        let codes = |count: u32| (0..count).map(|code| code.to_string()).collect::<Vec<_>>();
        let manifest = json!({
            "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "person",
            "inputs": [{"name": "x", "type": "float64"}], "keys": [{"name": "k", "domain": {"codes": codes(600)}}, {"name": "l", "domain": {"codes": codes(100)}}],
            "outputs": [{"name": "out", "reducer": "count", "keys": ["k", "l"]}],
            "contributions_per_person_max": contributions_max,
        });
        JobManifest::parse(manifest.to_string().as_bytes()).unwrap()
    };
    assert!(memory_max_bytes(&wide(60_000), 1_500, 1_500) > 700 << 20);
    assert!(memory_max_bytes(&wide(1), 1_500, 1_500) < 16 << 20);
    // An ordinary table over ten million persons.
    assert!(memory_max_bytes(&wide(1), 10_000_000, 10_000_000) < 128 << 20);
}
