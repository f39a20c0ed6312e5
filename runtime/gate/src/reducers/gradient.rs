//! Sum of vectors, each clipped to an Euclidean norm.

use super::{InnerFigure, InnerStatistic};
use crate::Profile;
use crate::cell::CellStatistics;
use crate::reducers::sum::rounded_sum;
use crate::scale::Scale;

pub(crate) struct Gradient {
    pub(crate) scales: Vec<Scale>,
    pub(crate) contributions_max: u32,
}

impl InnerStatistic for Gradient {
    fn parameters(&self) -> u32 {
        // A step along it fits as many.
        u32::try_from(self.scales.len()).unwrap_or(u32::MAX)
    }

    fn dominance(&self) -> bool {
        true
    }

    fn figures(&self, cell: &CellStatistics, profile: &Profile) -> Vec<InnerFigure> {
        let components = cell.components();
        let sums = self.scales.iter().zip(&components).map(|(scale, component)| {
            InnerFigure::shown(rounded_sum(scale, cell.count, component.offset_sum, self.contributions_max, profile))
        });
        sums.collect()
    }
}
