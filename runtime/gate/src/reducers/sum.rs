//! Sum of values, each clamped to the declared bounds.

use super::{Additivity, Statistic};
use crate::Profile;
use crate::cell::CellStatistics;
use crate::rules::{Figure, digits_of, published_count};
use crate::scale::Scale;

pub(crate) struct Sum {
    pub(crate) scale: Scale,
    pub(crate) contributions_max: u32,
}

impl Statistic for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn dominance(&self) -> bool {
        true
    }

    fn additivity(&self) -> Additivity {
        Additivity::Measures
    }

    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure {
        let one_person = f64::from(self.contributions_max) * self.scale.largest();
        let digits = published_count(cell.count, profile) * digits_of(self.scale.largest(), profile);
        Figure::measure(self.scale.sum(cell.count, cell.offset_sum), one_person.max(digits))
    }

    fn total(&self, _union: &CellStatistics, figures: &[Figure], _profile: &Profile) -> Figure {
        Figure::sum(figures)
    }
}
