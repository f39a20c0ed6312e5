//! Sum of values, each clamped to the declared bounds.

use super::{Additivity, Statistic};
use crate::cell::CellStatistics;
use crate::rules::{Figure, coarse_contributions, digits_of, published_count};
use crate::scale::Scale;
use crate::{Interrupted, Patience, Profile};

pub(crate) struct Sum {
    pub(crate) scale: Scale,
    pub(crate) contributions_max: u32,
}

impl Statistic for Sum {
    fn dominance(&self) -> bool {
        true
    }

    fn additivity(&self) -> Additivity {
        Additivity::Measures
    }

    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure {
        rounded_sum(&self.scale, cell.count, cell.offset_sum, self.contributions_max, profile)
    }

    fn total(
        &self,
        _cells: &[&CellStatistics],
        figures: &[Figure],
        _profile: &Profile,
        _patience: &dyn Patience,
    ) -> Result<Figure, Interrupted> {
        Ok(Figure::sum(figures))
    }
}

/// The sum of `count` values whose offsets add up to `offset_sum`, rounded.
pub(super) fn rounded_sum(
    scale: &Scale,
    count: u64,
    offset_sum: u128,
    contributions_max: u32,
    profile: &Profile,
) -> Figure {
    // As for counts: the sum of ones is one, and must not tell more than one.
    let persons = coarse_contributions(profile, contributions_max) * scale.largest();
    let digits = published_count(count, profile) * digits_of(scale.largest(), profile);
    Figure::measure(scale.sum(count, offset_sum), persons.max(digits))
}
