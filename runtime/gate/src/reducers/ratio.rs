//! Sum of one value over the sum of another, each clamped to its declared bounds.
//!
//! It is the ratio of two sums that are rounded as sums are, so it tells no more than they would, and one person moves
//! each by a step at most.

use super::{Additivity, Statistic};
use crate::cell::CellStatistics;
use crate::reducers::sum::rounded_sum;
use crate::rules::{Figure, digits_of};
use crate::scale::Scale;
use crate::{Interrupted, Patience, Profile};

pub(crate) struct Ratio {
    pub(crate) numerator: Scale,
    pub(crate) denominator: Scale,
    pub(crate) contributions_max: u32,
}

impl Statistic for Ratio {
    fn dominance(&self) -> bool {
        true
    }

    fn additivity(&self) -> Additivity {
        Additivity::Union
    }

    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure {
        let components = cell.components();
        let sum = |scale: &Scale, component: usize| {
            let offsets = components.get(component).map_or(0, |component| component.offset_sum);
            rounded_sum(scale, cell.count, offsets, self.contributions_max, profile)
        };
        let (numerator, denominator) = (sum(&self.numerator, 0), sum(&self.denominator, 1));
        // A denominator of less than a step is taken for one step: the sum may be anything up to it.
        let divisor = denominator.value.max(denominator.step);
        let ratio = numerator.value / divisor;
        // What a step of either makes of the ratio, from rounded figures alone.
        let moved = (numerator.step + ratio.abs() * denominator.step) / divisor;
        Figure::measure(ratio, moved.max(digits_of(ratio.abs(), profile)))
    }

    fn total(
        &self,
        cells: &[&CellStatistics],
        _figures: &[Figure],
        profile: &Profile,
        patience: &dyn Patience,
    ) -> Result<Figure, Interrupted> {
        Ok(self.figure(&CellStatistics::union(cells.iter().copied(), patience)?, profile))
    }
}
