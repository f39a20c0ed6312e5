//! One file per reducer: which figures a cell shows and how the figures of a line make its total.
//!
//! Most reducers show one figure a cell, a [`Statistic`], and have totals. Quantile, survival table, cross-product and
//! gradient show several, an [`InnerStatistic`], and have none.

mod count;
pub(crate) mod cross_product;
mod distinct_persons;
mod gradient;
mod mean;
mod quantile;
mod ratio;
mod sum;
mod survival;
pub(crate) mod variance;

use glovebox_catalog::Reducer;
use roaring::RoaringBitmap;

use crate::cell::CellStatistics;
use crate::reduction::ReducedOutput;
use crate::rules::{Figure, Suppression};
use crate::{Interrupted, Patience, Profile};

/// How a line's total follows from its cells, which decides how it is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Additivity {
    /// The total is the sum of the rounded cells.
    Counts,
    /// Offsets and counts of the cells add up to those of the total.
    Measures,
    /// The total says more than its cells, hidden or not (unions of persons, variances, ratios): it is shown only where
    /// nothing in the line is hidden.
    Union,
}

/// What a reducer does with statistics of a cell that shows one figure.
pub(crate) trait Statistic {
    /// Parameters that it estimates: the fewest persons rise above the threshold with them.
    fn parameters(&self) -> u32 {
        0
    }
    /// Whether one person's share of the figure can be too large, in any of [`CellStatistics::components`].
    fn dominance(&self) -> bool;
    /// How totals follow from cells.
    fn additivity(&self) -> Additivity;
    /// The rounded figure of one cell.
    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure;
    /// The rounded total of `cells`, whose rounded figures are `figures`.
    ///
    /// # Errors
    /// [`Interrupted`] when `patience` ends.
    fn total(
        &self,
        cells: &[&CellStatistics],
        figures: &[Figure],
        profile: &Profile,
        patience: &dyn Patience,
    ) -> Result<Figure, Interrupted>;
}

/// What a reducer does with statistics of a cell that shows several figures. The rules for the cell as a whole come first
/// (fewest persons with [`InnerStatistic::parameters`], dominance in each of [`CellStatistics::components`], the guard
/// with [`CellStatistics::persons`]); then each figure may be hidden for its own reason.
pub(crate) trait InnerStatistic {
    /// Parameters that it estimates.
    fn parameters(&self) -> u32;
    /// Whether one person's share of a figure can be too large.
    fn dominance(&self) -> bool;
    /// The figures of a cell that passed, row-major by [`ReducedOutput::inner`].
    fn figures(&self, cell: &CellStatistics, profile: &Profile) -> Vec<InnerFigure>;
}

/// One of the figures of a cell.
pub(crate) struct InnerFigure {
    /// Value and what it is a multiple of, or why it is hidden.
    pub(crate) shown: Result<InnerValue, Suppression>,
    /// The persons behind it where they are not all of the cell's: a guard judges them as well.
    pub(crate) persons: Option<RoaringBitmap>,
}

/// A figure and its step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct InnerValue {
    pub(crate) value: f64,
    pub(crate) step: f64,
}

impl InnerFigure {
    /// A figure of all persons of the cell.
    fn shown(figure: Figure) -> Self {
        Self { shown: Ok(figure.into()), persons: None }
    }

    fn hidden(why: Suppression) -> Self {
        Self { shown: Err(why), persons: None }
    }
}

impl From<Figure> for InnerValue {
    fn from(figure: Figure) -> Self {
        Self { value: figure.value, step: figure.step }
    }
}

/// The statistic of `output` whose cells show one figure each; of the others it is their number of contributions.
pub(crate) fn statistic(output: &ReducedOutput) -> Box<dyn Statistic> {
    let bound = output.contributions_max;
    match (&output.output.reducer, output.scales.as_slice()) {
        (Reducer::DistinctPersons, _) => Box::new(distinct_persons::DistinctPersons { contributions_max: bound }),
        (Reducer::Sum { .. }, [scale]) => Box::new(sum::Sum { scale: *scale, contributions_max: bound }),
        (Reducer::Mean { .. }, [scale]) => Box::new(mean::Mean { scale: *scale, contributions_max: bound }),
        (Reducer::Variance { .. }, [scale]) => Box::new(variance::Variance { scale: *scale, contributions_max: bound }),
        (Reducer::Ratio { .. }, [numerator, denominator]) => {
            Box::new(ratio::Ratio { numerator: *numerator, denominator: *denominator, contributions_max: bound })
        }
        _ => Box::new(count::Count { contributions_max: bound }),
    }
}

/// The statistic of `output` whose cells show several figures each; none for the others.
pub(crate) fn inner_statistic(output: &ReducedOutput) -> Option<Box<dyn InnerStatistic>> {
    let contributions_max = output.contributions_max;
    let scales = output.scales.clone();
    Some(match &output.output.reducer {
        Reducer::Quantile { lower, upper, steps, probabilities } => Box::new(quantile::Quantile {
            lower: *lower,
            upper: *upper,
            steps: *steps,
            probabilities: probabilities.clone(),
            contributions_max,
        }),
        Reducer::SurvivalTable { .. } => Box::new(survival::SurvivalTable),
        Reducer::CrossProduct { .. } => Box::new(cross_product::CrossProduct { scales, contributions_max }),
        Reducer::Gradient { .. } => Box::new(gradient::Gradient { scales, contributions_max }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
