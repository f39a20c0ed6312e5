//! Number of distinct persons. A person may be in several cells, so totals are not sums but sizes of unions.

use super::{Additivity, Statistic};
use crate::Profile;
use crate::cell::CellStatistics;
use crate::rules::{Figure, count_step, round_count};

pub(crate) struct DistinctPersons {
    pub(crate) contributions_max: u32,
}

impl Statistic for DistinctPersons {
    fn name(&self) -> &'static str {
        "distinct-persons"
    }

    fn dominance(&self) -> bool {
        false
    }

    fn additivity(&self) -> Additivity {
        // The bound is declared before any row is read, so this choice carries nothing about the data.
        if self.contributions_max == 1 { Additivity::Counts } else { Additivity::Union }
    }

    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure {
        // Whatever a person contributes, it is one person.
        let step = count_step(profile, 1);
        Figure::count(round_count(cell.person_count(), step), step)
    }

    fn total(&self, union: &CellStatistics, figures: &[Figure], profile: &Profile) -> Figure {
        match self.additivity() {
            Additivity::Union => self.figure(union, profile),
            _ => Figure::sum(figures),
        }
    }
}
