//! Figures against textbook definitions, and what they keep to themselves.

use glovebox_catalog::{Bounds, Reducer, Variable};
use proptest::prelude::*;

use super::*;
use crate::reduction::Reduced;
use crate::reduction::tests::{Given, manifest, reduce};

/// Rules that show everything, as exactly as a profile can.
fn exact() -> Profile {
    Profile {
        threshold: 1,
        zeros_disclosive: false,
        nk: None,
        p_percent: None,
        dof_min: 0,
        round_base: 1,
        value_digits: 6,
        complementary: false,
        ..Profile::shipped_default()
    }
}

fn reduced(reducer: &Reducer, bound: u32, given: &[Given]) -> Reduced {
    reduce(&manifest(reducer, 1, bound), given, 64)
}

/// One value of each of so many persons.
fn once(values: impl IntoIterator<Item = Vec<f64>>) -> Vec<Given> {
    (0..).zip(values).map(|(person, values)| (person, 0, values)).collect()
}

fn figure(reducer: &Reducer, profile: &Profile, given: &[Given]) -> Figure {
    let reduced = reduced(reducer, 1, given);
    statistic(&reduced.outputs[0]).figure(&reduced.outputs[0].cells[0], profile)
}

fn inner(reducer: &Reducer, bound: u32, profile: &Profile, given: &[Given]) -> Vec<InnerFigure> {
    let reduced = reduced(reducer, bound, given);
    let output = &reduced.outputs[0];
    let figures = inner_statistic(output).unwrap().figures(&output.cells[0], profile);
    assert_eq!(figures.len(), output.inner.iter().map(|inner| inner.labels.len()).product::<usize>());
    figures
}

fn values(figures: &[InnerFigure]) -> Vec<Option<f64>> {
    figures.iter().map(|figure| figure.shown.ok().map(|shown| shown.value)).collect()
}

/// A draw between 0 and 1 without a pattern.
fn draws(count: usize) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1_u32 << 24)
    };
    (0..count).map(|_| draw()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn covariance(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a), mean(b));
    a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>() / (a.len() - 1) as f64
}

#[test]
fn a_variance_is_that_of_two_passes_even_far_from_zero() {
    // In one pass over squares of floats nothing would be left of a spread of a millionth.
    let values: Vec<f64> = draws(1_000).iter().map(|draw| 1e6 + draw).collect();
    let reducer = Reducer::Variance { lower: 1e6, upper: 1e6 + 1.0 };
    let reduced = reduced(&reducer, 1, &once(values.iter().map(|value| vec![*value])));
    let output = &reduced.outputs[0];
    let crate::cell::Detail::Moments(moments) = &output.cells[0].detail else { panic!("no moments") };
    let found = variance::variance_of(&output.scales[0], 1_000, &moments.components[0], moments.products[0]);
    let expected = covariance(&values, &values);
    assert!((found / expected - 1.0).abs() < 1e-8, "{found} {expected}");
}

#[test]
fn a_variance_is_exact_to_the_last_step() {
    // Offsets 0 and 1, then 0, 0 and 2: the mean lies between steps.
    let scale = crate::scale::Scale::new(0.0, 1.0).unwrap();
    let steps = |count, offset_sum, squares| {
        let component = crate::cell::Component { offset_sum, ..Default::default() };
        variance::variance_of(&scale, count, &component, squares) * crate::scale::STEPS * crate::scale::STEPS
    };
    assert_eq!(steps(2, 1, 1), 0.5);
    assert!((steps(3, 2, 4) - 4.0 / 3.0).abs() < 1e-15);
}

#[test]
fn one_person_moves_a_variance_by_a_step_at_most() {
    let reducer = Reducer::Variance { lower: 0.0, upper: 10.0 };
    for middle in [0.0, 5.0, 10.0] {
        let figures = (0..=20).map(|at| {
            let others = (0..59).map(|person| vec![if person % 2 == 0 { middle } else { 10.0 - middle }]);
            figure(&reducer, &Profile::shipped_default(), &once(others.chain([vec![f64::from(at) / 2.0]])))
        });
        let (mut least, mut most, mut step) = (f64::MAX, f64::MIN, 0.0);
        for figure in figures {
            (least, most, step) = (least.min(figure.value), most.max(figure.value), figure.step);
        }
        assert!(most - least <= step * 1.000_001, "{middle}: {least} to {most} by {step}");
    }
}

#[test]
fn a_variance_of_one_value_is_none() {
    let reducer = Reducer::Variance { lower: 0.0, upper: 10.0 };
    assert_eq!(figure(&reducer, &exact(), &once([vec![7.0]])).value, 0.0);
}

fn ratio() -> Reducer {
    Reducer::Ratio { numerator: Bounds { lower: 0.0, upper: 100.0 }, denominator: Bounds { lower: 0.0, upper: 10.0 } }
}

#[test]
fn a_ratio_is_one_of_rounded_sums() {
    let rows: Vec<Vec<f64>> = draws(4_000).chunks(2).map(|draws| vec![100.0 * draws[0], 10.0 * draws[1]]).collect();
    let sum = |component: usize| rows.iter().map(|row| row[component]).sum::<f64>();
    let expected = sum(0) / sum(1);
    let found = figure(&ratio(), &Profile::shipped_default(), &once(rows.clone()));
    assert!((found.value - expected).abs() <= found.step, "{} {expected}", found.value);
    assert!(found.step / expected < 0.02, "{}", found.step);
}

#[test]
fn a_ratio_over_nothing_is_a_number_and_tells_nothing() {
    for numerator in [0.0, 100.0] {
        let found = figure(&ratio(), &Profile::shipped_default(), &once(vec![vec![numerator, 0.0]; 30]));
        assert!(found.value.is_finite() && found.step.is_finite());
        // A denominator anywhere below half a step gives the same.
        let tiny = figure(&ratio(), &Profile::shipped_default(), &once(vec![vec![numerator, 0.1]; 30]));
        assert_eq!(found, tiny);
    }
}

#[test]
fn correlations_follow_from_a_cross_product() {
    let draws = draws(6_000);
    let rows: Vec<Vec<f64>> = draws
        .chunks(3)
        .map(|draws| vec![20.0 * draws[0], -5.0 + 8.0 * draws[0] + 2.0 * draws[1], 1_000.0 + draws[2]])
        .collect();
    let variable = |name: &str, lower, upper| Variable { name: name.into(), lower, upper };
    let reducer = Reducer::CrossProduct {
        variables: vec![variable("a", 0.0, 20.0), variable("b", -5.0, 5.0), variable("c", 1_000.0, 1_001.0)],
    };
    let found = inner(&reducer, 1, &exact(), &once(rows.clone()));
    let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<_>>();
    for i in 0..3 {
        let shown = |at: usize| found[i * 4 + at].shown.unwrap();
        assert!((shown(0).value - mean(&column(i))).abs() <= shown(0).step, "mean {i}");
        for j in 0..3 {
            let product = column(i).iter().zip(column(j)).map(|(a, b)| a * b).sum::<f64>() / 2_000.0;
            assert!((shown(j + 1).value - product).abs() <= shown(j + 1).step, "{i} {j}");
            assert_eq!(shown(j + 1), found[j * 4 + i + 1].shown.unwrap());
        }
    }
    // What a reader makes of it.
    let value = |i: usize, j: usize| found[i * 4 + j].shown.unwrap().value;
    let spread = |i: usize| (value(i, i + 1) - value(i, 0).powi(2)).sqrt();
    let correlation = (value(0, 2) - value(0, 0) * value(1, 0)) / (spread(0) * spread(1));
    let expected = covariance(&column(0), &column(1))
        / (covariance(&column(0), &column(0)) * covariance(&column(1), &column(1))).sqrt();
    assert!((correlation - expected).abs() < 0.01, "{correlation} {expected}");
}

#[test]
fn a_gradient_is_the_sum_of_clipped_vectors() {
    let given = once([vec![0.3, -0.4], vec![30.0, 40.0], vec![0.0, 0.0]]);
    let reducer = Reducer::Gradient { length: 2, norm_max: 1.0 };
    let reduced = reduced(&reducer, 1, &given);
    let output = &reduced.outputs[0];
    let components = output.cells[0].components();
    let sums: Vec<f64> =
        output.scales.iter().zip(&components).map(|(scale, own)| scale.sum(3, own.offset_sum)).collect();
    assert!((sums[0] - 0.9).abs() < 1e-8 && (sums[1] - 0.4).abs() < 1e-8, "{sums:?}");
    // Nobody can outweigh the others by a longer vector.
    assert!(components.iter().all(|component| component.largest[0] < crate::scale::NORM_STEPS));
}

fn quantile(probabilities: &[f64]) -> Reducer {
    Reducer::Quantile { lower: 0.0, upper: 100.0, steps: 200, probabilities: probabilities.to_vec() }
}

#[test]
fn a_quantile_is_the_smallest_edge_with_enough_below() {
    let draws: Vec<f64> = draws(999).iter().map(|draw| 100.0 * draw * draw).collect();
    let found = inner(&quantile(&[0.1, 0.5, 0.9]), 1, &exact(), &once(draws.iter().map(|draw| vec![*draw])));
    for (found, probability) in values(&found).into_iter().zip([0.1, 0.5, 0.9]) {
        let enough = |edge: f64| draws.iter().filter(|draw| **draw < edge).count() as f64 >= probability * 999.0;
        let edge = (1..=200).map(|step| f64::from(step) / 2.0).find(|edge| enough(*edge)).unwrap();
        assert_eq!(found, Some(edge), "{probability}");
    }
    assert_eq!(found[0].shown.unwrap().step, 0.5);
}

#[test]
fn a_quantile_with_few_persons_on_one_side_is_an_extreme() {
    // 9 of 100 persons lie above 50; the ninth tenth ends below, the 95th hundredth among them.
    let given =
        |high: u32| once((0..100).map(|person| vec![if person < high { 80.0 } else { f64::from(person) / 4.0 }]));
    let found = |high| values(&inner(&quantile(&[0.02, 0.5, 0.95]), 1, &Profile::shipped_default(), &given(high)));
    assert_eq!(found(9)[2], None);
    assert!(found(30)[1].is_some());
    // Two in a hundred persons are fewer than ten.
    assert_eq!(found(30)[0], None);
    // Nobody lies above the highest edge.
    let all_alike = values(&inner(&quantile(&[0.5]), 1, &exact(), &once(vec![vec![100.0]; 50])));
    assert_eq!(all_alike, [None]);
}

#[test]
fn many_values_of_few_persons_are_few_persons() {
    // 40 persons with one low value each; three with 50 high ones, which are half of all.
    let low = (0..40).map(|person| (person, 0, vec![10.0]));
    let high = (100..103).flat_map(|person| (0..50).map(move |at| (person, 0, vec![60.0 + f64::from(at) / 2.0])));
    let given: Vec<Given> = low.chain(high).collect();
    let profile = Profile { nk: None, p_percent: None, ..Profile::shipped_default() };
    assert_eq!(values(&inner(&quantile(&[0.5]), 50, &profile, &given)), [None]);
    // Forty persons more up there, and it is shown.
    let more: Vec<Given> = given.into_iter().chain((200..240).map(|person| (person, 0, vec![90.0]))).collect();
    assert!(values(&inner(&quantile(&[0.5]), 50, &profile, &more))[0].is_some());
}

/// Remission under 6-mercaptopurine in weeks, and 1 for relapse (Freireich and others, Blood 1963): the textbook's example.
#[rustfmt::skip]
const REMISSION: [(f64, f64); 21] = [
    (6.0, 1.0), (6.0, 1.0), (6.0, 1.0), (6.0, 0.0), (7.0, 1.0), (9.0, 0.0), (10.0, 1.0), (10.0, 0.0), (11.0, 0.0),
    (13.0, 1.0), (16.0, 1.0), (17.0, 0.0), (19.0, 0.0), (20.0, 0.0), (22.0, 1.0), (23.0, 1.0), (25.0, 0.0), (32.0, 0.0),
    (32.0, 0.0), (34.0, 0.0), (35.0, 0.0),
];

fn survival(weeks: u32) -> Reducer {
    Reducer::SurvivalTable { edges: (0..=weeks).map(f64::from).collect() }
}

/// Kaplan and Meier's estimate at the end of each interval, from what is shown and nothing else.
fn kaplan_meier(figures: &[InnerFigure]) -> Vec<f64> {
    let mut survival = 1.0;
    let interval = |figures: &[InnerFigure]| {
        let shown = |at: usize| figures[at].shown.ok().map(|shown| shown.value);
        if let (Some(at_risk), Some(events)) = (shown(0), shown(1)) {
            survival *= 1.0 - events / at_risk;
        }
        survival
    };
    figures.chunks(3).map(interval).collect()
}

#[test]
fn kaplan_meier_follows_from_a_survival_table() {
    let given = once(REMISSION.iter().map(|(time, event)| vec![*time, *event]));
    let table = inner(&survival(40), 1, &exact(), &given);
    let curve = kaplan_meier(&table);
    // Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data, section 1.4.
    for (week, expected) in
        [(5, 1.0), (6, 0.857), (7, 0.807), (10, 0.753), (13, 0.690), (16, 0.627), (22, 0.538), (23, 0.448)]
    {
        assert!((curve[week] - expected).abs() < 0.000_5, "week {week}: {}", curve[week]);
    }
    assert_eq!(values(&table[18..21]), [Some(21.0), Some(3.0), Some(1.0)]);
    assert_eq!(values(&table[21..24]), [Some(17.0), Some(1.0), None]);
}

#[test]
fn kaplan_meier_under_the_default_rules_is_near() {
    let copies = REMISSION.iter().flat_map(|(time, event)| vec![vec![*time, *event]; 40]);
    let given = once(copies);
    let (ruled, exact) = (Profile::shipped_default(), exact());
    let (ruled, exact) = (inner(&survival(40), 1, &ruled, &given), inner(&survival(40), 1, &exact, &given));
    for (week, (ruled, exact)) in kaplan_meier(&ruled).into_iter().zip(kaplan_meier(&exact)).enumerate() {
        assert!((ruled - exact).abs() < 0.01, "week {week}: {ruled} {exact}");
    }
}

#[test]
fn few_events_wait_for_the_next_interval() {
    // Four events in each of weeks 0 to 5, twenty censored in each of weeks 2 and 5.
    let events = (0..6).flat_map(|week| vec![vec![f64::from(week), 1.0]; 4]);
    let censored = [2.0, 5.0].into_iter().flat_map(|week| vec![vec![week, 0.0]; 20]);
    let table =
        inner(&survival(6), 1, &Profile { round_base: 1, ..Profile::shipped_default() }, &once(events.chain(censored)));
    let column = |at: usize| values(&table).into_iter().skip(at).step_by(3).collect::<Vec<_>>();
    assert_eq!(column(1), [None, None, Some(12.0), None, None, Some(12.0)]);
    assert_eq!(column(2), [None, None, Some(20.0), None, None, Some(20.0)]);
    assert_eq!(column(0), [64.0, 64.0, 64.0, 32.0, 32.0, 32.0].map(Some));
}

#[test]
fn one_event_among_many_censored_is_not_shown() {
    let table = |secret: f64| {
        let given = once((0..200).map(|person| vec![f64::from(person % 4), if person == 17 { secret } else { 0.0 }]));
        values(&inner(&survival(4), 1, &Profile { round_base: 1, ..Profile::shipped_default() }, &given))
    };
    // ACRO's sum of both would show the event, among 49 censored in its interval.
    assert!(table(1.0).iter().skip(1).step_by(3).all(Option::is_none));
    let difference: f64 =
        table(0.0).iter().zip(table(1.0)).map(|(a, b)| (a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs()).sum();
    // What remains is that one censored person less is in the table, which rounding of the profile hides.
    assert!(difference <= 3.0, "{difference}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Every number shown stands for the threshold at least, and with rounding off nobody is lost or counted twice.
    #[test]
    fn a_survival_table_shows_nobody_among_few(
        given in prop::collection::vec((0..12_u32, any::<bool>()), 0..300), threshold in 1..20_u32,
    ) {
        let rows: Vec<Vec<f64>> = given.iter().map(|(week, event)| vec![f64::from(*week), f64::from(u8::from(*event))]).collect();
        let profile = Profile { threshold, round_base: 1, complementary: false, ..Profile::shipped_default() };
        let table = inner(&survival(12), 1, &profile, &once(rows));
        let mut seen = RoaringBitmap::new();
        for figure in table.iter().filter(|figure| figure.persons.is_some()) {
            let persons = figure.persons.as_ref().unwrap();
            prop_assert!(persons.len() >= u64::from(threshold));
            prop_assert_eq!(figure.shown.unwrap().value, persons.len() as f64);
            prop_assert!(seen.is_disjoint(persons));
            seen |= persons;
        }
        for kind in [false, true] {
            let all = (0..).zip(&given).filter(|(_, (_, event))| *event == kind).map(|(person, _)| person);
            let all: RoaringBitmap = all.collect();
            prop_assert_eq!(seen.is_superset(&all), all.len() >= u64::from(threshold) || all.is_empty());
        }
        // At risk is a sum of what is shown from the interval on.
        let shown = |figure: &InnerFigure| figure.shown.map_or(0.0, |shown| shown.value);
        for interval in 0..12 {
            let left: f64 = table[interval * 3..].chunks(3).map(|figures| shown(&figures[1]) + shown(&figures[2])).sum();
            prop_assert_eq!(shown(&table[interval * 3]), left);
        }
    }

    #[test]
    fn ratios_and_variances_are_finite(rows in prop::collection::vec((any::<f64>(), any::<f64>()), 1..60)) {
        let given = once(rows.iter().map(|(a, b)| vec![*a, *b]));
        for profile in [Profile::shipped_default(), exact()] {
            let ratio = figure(&ratio(), &profile, &given);
            prop_assert!(ratio.value.is_finite() && ratio.step.is_finite() && ratio.step > 0.0);
            let single: Vec<Given> = given.iter().map(|(person, cell, values)| (*person, *cell, values[..1].to_vec())).collect();
            let variance = figure(&Reducer::Variance { lower: -1e50, upper: 1e50 }, &profile, &single);
            prop_assert!(variance.value.is_finite() && variance.value >= 0.0);
        }
    }
}
