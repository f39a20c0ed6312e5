//! Number of contributions; also each bin of a histogram.

use super::{Additivity, Statistic};
use crate::cell::CellStatistics;
use crate::rules::{Figure, count_step, round_count};
use crate::{Interrupted, Patience, Profile};

pub(crate) struct Count {
    pub(crate) contributions_max: u32,
}

impl Statistic for Count {
    fn dominance(&self) -> bool {
        // With one contribution each nobody dominates ten persons; with many, one person can be most of a count.
        self.contributions_max > 1
    }

    fn additivity(&self) -> Additivity {
        Additivity::Counts
    }

    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure {
        let step = count_step(profile, self.contributions_max);
        Figure::count(round_count(cell.count, step), step)
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
