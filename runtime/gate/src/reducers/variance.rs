//! Sample variance of values, each clamped to the declared bounds; over contributions, not over persons.

use super::{Additivity, Statistic};
use crate::cell::{CellStatistics, Component, Detail};
use crate::rules::{Figure, coarse_contributions, digits_of, published_count};
use crate::scale::Scale;
use crate::{Interrupted, Patience, Profile};

pub(crate) struct Variance {
    pub(crate) scale: Scale,
    pub(crate) contributions_max: u32,
}

impl Statistic for Variance {
    fn parameters(&self) -> u32 {
        // The mean.
        1
    }

    fn dominance(&self) -> bool {
        true
    }

    fn additivity(&self) -> Additivity {
        Additivity::Union
    }

    fn figure(&self, cell: &CellStatistics, profile: &Profile) -> Figure {
        // One value anywhere between the bounds moves the variance of n values by at most range² / n.
        let range = self.scale.range() * self.scale.range();
        let persons = coarse_contributions(profile, self.contributions_max) * range;
        let step = (persons / published_count(cell.count, profile)).max(digits_of(range, profile)).min(range);
        Figure::measure(
            moments(cell).map_or(0.0, |(component, squares)| variance_of(&self.scale, cell.count, component, squares)),
            step,
        )
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

fn moments(cell: &CellStatistics) -> Option<(&Component, u128)> {
    match &cell.detail {
        Detail::Moments(moments) => Some((moments.components.first()?, *moments.products.first()?)),
        _ => None,
    }
}

/// The sample variance of `count` values with this sum of offsets and sum of their squares; 0 of fewer than two.
pub(crate) fn variance_of(scale: &Scale, count: u64, component: &Component, squares: u128) -> f64 {
    if count < 2 {
        return 0.0;
    }
    // With S = q·n + r, Σ(o − S/n)² = Σo² − 2qS + nq² − r²/n. All but the last term, which is below n, is exact and fits:
    // 2^32 contributions of 2^32 steps have squares of 2^96 in all.
    let (n, sum) = (u128::from(count), component.offset_sum);
    let (q, r) = (sum / n, sum % n);
    let about_q = squares.cast_signed() - 2 * (q * sum).cast_signed() + (n * q * q).cast_signed();
    let about_mean = (about_q as f64 - r as f64 * r as f64 / count as f64).max(0.0);
    about_mean / (count - 1) as f64 / (scale.steps_per_unit() * scale.steps_per_unit())
}
