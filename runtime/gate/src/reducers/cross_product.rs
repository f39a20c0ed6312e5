//! Mean products of every two variables and the mean of each, each value clamped to its variable's bounds.
//!
//! Covariances follow as E[xy] − E[x]E[y], correlations and least-squares regressions from those.

use super::{InnerFigure, InnerStatistic};
use crate::Profile;
use crate::cell::{CellStatistics, Component, Detail, Moments, product_index};
use crate::rules::{Figure, coarse_contributions, digits_of, published_count};
use crate::scale::Scale;

pub(crate) struct CrossProduct {
    pub(crate) scales: Vec<Scale>,
    pub(crate) contributions_max: u32,
}

impl InnerStatistic for CrossProduct {
    fn parameters(&self) -> u32 {
        // A regression of one variable on the others estimates as many, with its intercept.
        u32::try_from(self.scales.len()).unwrap_or(u32::MAX)
    }

    fn dominance(&self) -> bool {
        true
    }

    fn figures(&self, cell: &CellStatistics, profile: &Profile) -> Vec<InnerFigure> {
        let Detail::Moments(moments) = &cell.detail else { return Vec::new() };
        let persons = coarse_contributions(profile, self.contributions_max) / published_count(cell.count, profile);
        let figure = |value: f64, range: f64| {
            let step = (persons * range).max(digits_of(range, profile)).min(range);
            InnerFigure::shown(Figure::measure(value, step))
        };
        let mut figures = Vec::with_capacity(self.scales.len() * (self.scales.len() + 1));
        for (i, scale) in self.scales.iter().enumerate() {
            let offsets = moments.components.get(i).map_or(0, |component| component.offset_sum);
            figures.push(figure(scale.sum(cell.count, offsets) / cell.count.max(1) as f64, scale.range()));
            for (j, other) in self.scales.iter().enumerate() {
                figures
                    .push(figure(mean_product(&self.scales, moments, cell.count, i, j), product_range(scale, other)));
            }
        }
        figures
    }
}

/// The mean of the products of variables `i` and `j` over `count` contributions.
pub(crate) fn mean_product(scales: &[Scale], moments: &Moments, count: u64, i: usize, j: usize) -> f64 {
    let (Some(a), Some(b)) = (scales.get(i), scales.get(j)) else { return 0.0 };
    let products = moments.products.get(product_index(i, j, scales.len())).copied().unwrap_or(0);
    let n = count.max(1) as f64;
    let above = |scale: &Scale, at: usize| {
        let offsets = moments.components.get(at).map_or(0, |component: &Component| component.offset_sum);
        offsets as f64 / n / scale.steps_per_unit()
    };
    // (l + u)(k + v) with the means of u, v and uv.
    let product = products as f64 / n / (a.steps_per_unit() * b.steps_per_unit());
    a.lower() * b.lower() + a.lower() * above(b, j) + b.lower() * above(a, i) + product
}

/// Width of the range of products of two values.
fn product_range(a: &Scale, b: &Scale) -> f64 {
    let ends = [a.lower() * b.lower(), a.lower() * b.upper(), a.upper() * b.lower(), a.upper() * b.upper()];
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for end in ends {
        (least, most) = (least.min(end), most.max(end));
    }
    // A square is not negative, but a range that is too wide only makes a step too coarse.
    most - least
}
