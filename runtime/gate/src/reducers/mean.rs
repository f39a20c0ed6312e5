//! Mean of values, each clamped to the declared bounds; over contributions, not over persons.

use super::{Additivity, Statistic};
use crate::cell::CellStatistics;
use crate::rules::{Figure, coarse_contributions, digits_of, published_count};
use crate::scale::Scale;
use crate::{Interrupted, Patience, Profile};

pub(crate) struct Mean {
    pub(crate) scale: Scale,
    pub(crate) contributions_max: u32,
}

impl Statistic for Mean {
    fn parameters(&self) -> u32 {
        1
    }

    fn dominance(&self) -> bool {
        true
    }

    fn additivity(&self) -> Additivity {
        Additivity::Measures
    }

    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure {
        self.mean(cell.count, cell.offset_sum, profile)
    }

    fn total(
        &self,
        cells: &[&CellStatistics],
        _figures: &[Figure],
        profile: &Profile,
        _patience: &dyn Patience,
    ) -> Result<Figure, Interrupted> {
        let count = cells.iter().map(|cell| cell.count).sum();
        Ok(self.mean(count, cells.iter().map(|cell| cell.offset_sum).sum(), profile))
    }
}

impl Mean {
    fn mean(&self, count: u64, offset_sum: u128, profile: &Profile) -> Figure {
        // As for sums: a mean times its number of values is one, and must not tell more than one.
        let persons = coarse_contributions(profile, self.contributions_max) * self.scale.range();
        let step = (persons / published_count(count, profile)).max(digits_of(self.scale.range(), profile));
        let mean = self.scale.sum(count, offset_sum) / count.max(1) as f64;
        Figure::measure(mean, step.min(self.scale.range()))
    }
}
