//! Number of distinct persons. A person may be in several cells, so totals are not sums but sizes of unions.

use super::{Additivity, Statistic};
use crate::cell::CellStatistics;
use crate::persons::union;
use crate::rules::{Figure, count_step, round_count};
use crate::{Interrupted, Patience, Profile};

pub(crate) struct DistinctPersons {
    pub(crate) contributions_max: u32,
}

impl Statistic for DistinctPersons {
    fn dominance(&self) -> bool {
        false
    }

    fn additivity(&self) -> Additivity {
        // The bound is declared before any row is read, so this choice carries nothing about the data.
        if self.contributions_max == 1 { Additivity::Counts } else { Additivity::Union }
    }

    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure {
        persons(cell.person_count(), profile)
    }

    fn total(
        &self,
        cells: &[&CellStatistics],
        figures: &[Figure],
        profile: &Profile,
        patience: &dyn Patience,
    ) -> Result<Figure, Interrupted> {
        Ok(match self.additivity() {
            Additivity::Union => persons(union(cells.iter().map(|cell| &cell.persons), patience)?.len(), profile),
            _ => Figure::sum(figures),
        })
    }
}

/// Whatever a person contributes, it is one person.
fn persons(count: u64, profile: &Profile) -> Figure {
    let step = count_step(profile, 1);
    Figure::count(round_count(count, step), step)
}
