//! Quantiles on a grid of equal steps between declared bounds.
//!
//! A quantile is the smallest edge of the grid below which enough of the contributions lie, both numbers rounded as counts
//! are: so it follows from rounded counts and tells no more than they would. It is shown where at least the threshold of
//! persons have a value below it and as many have one above; an edge beyond all persons but a few is an extreme.

use super::{InnerFigure, InnerStatistic, InnerValue};
use crate::Profile;
use crate::cell::{CellStatistics, Detail, Grid};
use crate::rules::{CountStep, Suppression, count_step, persons_beside, round_count};

pub(crate) struct Quantile {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) steps: u32,
    pub(crate) probabilities: Vec<f64>,
    pub(crate) contributions_max: u32,
}

impl InnerStatistic for Quantile {
    fn parameters(&self) -> u32 {
        0
    }

    fn dominance(&self) -> bool {
        // With one contribution each nobody dominates ten persons; with many, one person can be most of the values.
        self.contributions_max > 1
    }

    fn figures(&self, cell: &CellStatistics, profile: &Profile) -> Vec<InnerFigure> {
        let Detail::Grid(grid) = &cell.detail else { return Vec::new() };
        let count_step = count_step(profile, self.contributions_max);
        let fewest = u64::from(persons_beside(profile));
        let total = round_count(cell.count, count_step) as f64;
        let figure = |probability: &f64| {
            let edge = edge(grid, count_step, probability * total);
            if grid.persons_below(edge) < fewest || grid.persons_from(edge) < fewest {
                return InnerFigure::hidden(Suppression::BelowThreshold);
            }
            let step = (self.upper - self.lower) / f64::from(self.steps);
            let value = self.lower + (self.upper - self.lower) * edge as f64 / f64::from(self.steps);
            InnerFigure { shown: Ok(InnerValue { value, step }), persons: None }
        };
        self.probabilities.iter().map(figure).collect()
    }
}

/// The smallest number of steps in which at least `enough` contributions lie, rounded.
fn edge(grid: &Grid, count_step: CountStep, enough: f64) -> usize {
    let mut below = 0;
    let place = grid.counts.iter().position(|count| {
        below += count;
        round_count(below, count_step) as f64 >= enough
    });
    place.map_or(grid.counts.len(), |step| step + 1)
}
