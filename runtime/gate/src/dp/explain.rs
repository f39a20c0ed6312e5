//! What noise a release will have, told before a loss is spent. Nothing here sees data.

use glovebox_catalog::{JobManifest, Output, Privacy, Reducer};
use serde::{Deserialize, Serialize};

use super::estimates::{mean_half_width, mean_noise, median_selection};
use super::figure::NoisyOutput;
use super::quantile::QuantileSelection;
use super::quantity::{Kind, Plan};
use super::{Noise, Share};
use crate::GateError;
use crate::margin::{grand_total, margin_count};
use crate::shape::Shape;

/// Contributions for which the error of means and the like is stated.
const EXAMPLE: i128 = 1_000;

/// The noise to expect on one kind of figure of an output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExpectedError {
    /// Name of the output.
    pub output: String,
    /// Its reducer.
    pub reducer: String,
    /// What the half width is of: a cell, a margin, a mean of so many contributions, a rank.
    pub figure: String,
    /// With noise: the value without it lies within this much in 95 of 100 releases. In units of the figure; of ranks, in
    /// contributions or blocks.
    pub half_width_95: f64,
    /// The part of the round's loss that the output spends, 0 to 1.
    pub share: f64,
}

/// The noise to expect on every kind of figure of one round.
///
/// # Errors
/// As [`super::release_private`], and [`GateError::Noise`] for isolation `cohort`, which takes no noise.
pub fn explain(manifest: &JobManifest, privacy: Privacy) -> Result<Vec<ExpectedError>, GateError> {
    manifest.check()?;
    let outputs = manifest.outputs.len();
    let share = Share::of(privacy)?.split(outputs);
    let mut expected = Vec::new();
    for output in &manifest.outputs {
        for (figure, half_width_95) in of_output(manifest, output, share)? {
            expected.push(ExpectedError {
                output: output.name.clone(),
                reducer: output.reducer.name().into(),
                figure,
                half_width_95,
                share: 1.0 / outputs as f64,
            });
        }
    }
    Ok(expected)
}

type Figures = Vec<(String, f64)>;

fn of_output(manifest: &JobManifest, output: &Output, share: Share) -> Result<Figures, GateError> {
    match &output.reducer {
        Reducer::BlockMean { lower, upper } => {
            let blocks = manifest.blocks.unwrap_or(1) as usize;
            let half = mean_half_width(mean_noise(share)?, upper - lower, blocks);
            Ok(vec![("mean over blocks".into(), half)])
        }
        Reducer::BlockMedian { steps, .. } => {
            // The score is the difference of the numbers below and above: twice the distance in rank.
            let ranks = median_selection(share)?.shortfall(*steps as usize + 1) / 2.0;
            Ok(vec![("rank of the median, in blocks".into(), ranks)])
        }
        Reducer::Table { .. } => {
            Err(GateError::Noise { detail: "tables of a `cohort` job take no noise; reviewers decide on them" })
        }
        _ => of_contributions(manifest, output, share),
    }
}

fn of_contributions(manifest: &JobManifest, output: &Output, share: Share) -> Result<Figures, GateError> {
    let shape = Shape::of(manifest, output);
    let keys = manifest.dimensions(output);
    let plan = Plan::new(output, &keys, &shape, manifest.contributions_per_person_max)?;
    let part = plan.share(share);
    let mut figures = Figures::new();
    if let Reducer::Quantile { steps, probabilities, .. } = &output.reducer {
        for probability in probabilities {
            let selection = QuantileSelection::calibrate(*probability, plan.contributions_max, part)?;
            let figure = format!("rank at probability {probability}, in contributions");
            figures.push((figure, selection.rank_error(*steps as usize)));
        }
    }
    let noisy = example(plan, part)?;
    figures.extend(of_figures(&noisy, output));
    figures.extend(of_margins(&noisy, output, &shape));
    let persons = noisy.plan.index_of(Kind::Persons).filter(|_| noisy.plan.is_open);
    if let Some(noise) = persons.and_then(|at| noisy.noises.get(at)) {
        figures.push(("persons behind a key to be listed".into(), noise.threshold(0.05 / shape.len().max(1) as f64)));
    }
    Ok(figures)
}

/// An output of one cell with contributions that are no one's, to compute half widths of.
fn example(plan: Plan, part: Share) -> Result<NoisyOutput, GateError> {
    let noises = plan.quantities.iter().map(|quantity| Noise::calibrate(quantity.sensitivity, part));
    let noises = noises.collect::<Result<Vec<_>, _>>()?;
    let value = |kind: Kind| match kind {
        Kind::Count => EXAMPLE,
        // A denominator of contributions in the middle of the bounds.
        Kind::Sum(1) => plan.scales.get(1).map_or(0, |scale| {
            (EXAMPLE as f64 * (scale.lower() + scale.range() / 2.0) * scale.steps_per_unit()) as i128
        }),
        _ => 0,
    };
    let values = plan.quantities.iter().map(|quantity| vec![value(quantity.kind); quantity.kind.width()]).collect();
    Ok(NoisyOutput { plan, noises, values })
}

fn of_figures(noisy: &NoisyOutput, output: &Output) -> Figures {
    let halves: Vec<f64> =
        noisy.figures(0).iter().map(|shown| shown.and_then(|shown| shown.half_width).unwrap_or(f64::MAX)).collect();
    let half = |at: usize| halves.get(at).copied().unwrap_or(f64::MAX);
    let one = |name: &str| vec![(name.to_owned(), half(0))];
    let of_example = |name: &str| vec![(format!("{name} of {EXAMPLE} contributions in mid-range"), half(0))];
    match &output.reducer {
        Reducer::Quantile { .. } => Figures::new(),
        Reducer::Mean { .. } => of_example("mean"),
        Reducer::Variance { .. } => of_example("variance"),
        Reducer::Ratio { .. } => of_example("ratio"),
        Reducer::SurvivalTable { .. } => {
            vec![
                ("events or censored of an interval".into(), half(1)),
                ("at risk in the first interval".into(), half(0)),
            ]
        }
        Reducer::CrossProduct { .. } => {
            let most = |at: &dyn Fn(usize) -> bool| {
                let chosen = halves.iter().enumerate().filter(|(index, _)| at(*index)).map(|(_, half)| *half);
                chosen.fold(0.0, f64::max)
            };
            let row = output.reducer.value_count() + 1;
            vec![
                (format!("widest mean of {EXAMPLE} contributions"), most(&|index| index % row == 0)),
                (format!("widest mean product of {EXAMPLE} contributions"), most(&|index| index % row != 0)),
            ]
        }
        Reducer::Gradient { .. } => one("component"),
        _ => one("cell"),
    }
}

/// Half widths of totals of whole numbers and sums; those of means and the like depend on how much they add up.
fn of_margins(noisy: &NoisyOutput, output: &Output, shape: &Shape) -> Figures {
    let adds_up = matches!(
        output.reducer,
        Reducer::Count
            | Reducer::DistinctPersons
            | Reducer::Sum { .. }
            | Reducer::Histogram { .. }
            | Reducer::ContingencyTable
    );
    // The grand total is the last margin.
    let last = margin_count(shape, &output.reducer).checked_sub(1);
    let Some(last) = last.filter(|_| adds_up && !noisy.plan.is_open) else { return Figures::new() };
    // Cells beyond the first have no value here, which changes no half width.
    let half = noisy.margin(last, &grand_total(shape)).and_then(|shown| shown.half_width);
    half.map(|half| ("grand total".to_owned(), half)).into_iter().collect()
}
