//! One file per reducer: which figure a cell shows and how the figures of a line make its total.

mod count;
mod distinct_persons;
mod mean;
mod sum;

use glovebox_catalog::Reducer;

use crate::Profile;
use crate::cell::CellStatistics;
use crate::reduction::ReducedOutput;
use crate::rules::Figure;

/// How a line's total follows from its cells, which decides how it is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Additivity {
    /// The total is the sum of the rounded cells.
    Counts,
    /// Offsets and counts of the cells add up to those of the total.
    Measures,
    /// The total is a union of contributors, which hidden cells may or may not enlarge.
    Union,
}

/// What a reducer does with statistics.
pub(crate) trait Statistic {
    /// Its name on the wire.
    fn name(&self) -> &'static str;
    /// Parameters that it estimates: the fewest persons rise above the threshold with them.
    fn parameters(&self) -> u32 {
        0
    }
    /// Whether one person's share of the figure can be too large.
    fn dominance(&self) -> bool;
    /// How totals follow from cells.
    fn additivity(&self) -> Additivity;
    /// The rounded figure of one cell.
    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure;
    /// The rounded total of `cells`, whose rounded figures are `figures`.
    fn total(&self, cells: &[&CellStatistics], figures: &[Figure], profile: &Profile) -> Figure;
}

/// The statistic of `output`.
pub(crate) fn statistic(output: &ReducedOutput) -> Box<dyn Statistic> {
    let bound = output.contributions_max;
    match (&output.output.reducer, output.scale) {
        (Reducer::DistinctPersons, _) => Box::new(distinct_persons::DistinctPersons { contributions_max: bound }),
        (Reducer::Sum { .. }, Some(scale)) => Box::new(sum::Sum { scale, contributions_max: bound }),
        (Reducer::Mean { .. }, Some(scale)) => Box::new(mean::Mean { scale, contributions_max: bound }),
        (Reducer::Histogram { .. }, _) => Box::new(count::Count { contributions_max: bound, name: "histogram" }),
        _ => Box::new(count::Count { contributions_max: bound, name: "count" }),
    }
}
