//! Quantiles by selection among the edges of the declared grid.
//!
//! *Proof.* For probability p = P/D in whole numbers, the score of an edge is −|D·below − P·all|, where below is the number
//! of contributions under it (Smith 2011). One contribution moves `D·below − P·all` by D − P or by −P, so m of them move the
//! score by at most m·max(P, D − P). A person with contributions in several cells moves the scores of each in proportion to
//! those there: for ε the losses add up to what all m in one cell cost, for ρ to less. Each probability is a selection of
//! its own, with its part of the loss. Sorting the quantiles of a cell is post-processing.

use super::{Selection, Share};
use crate::GateError;
use crate::cell::Grid;

/// Denominator of probabilities.
const DENOMINATOR: i64 = 1 << 20;

/// Selects the quantile of one probability.
pub(crate) struct QuantileSelection {
    selection: Selection,
    numerator: i64,
}

impl QuantileSelection {
    pub(crate) fn calibrate(probability: f64, contributions_max: u32, share: Share) -> Result<Self, GateError> {
        let numerator = ((probability * DENOMINATOR as f64).round() as i64).clamp(1, DENOMINATOR - 1);
        let sensitivity = i64::from(contributions_max) * numerator.max(DENOMINATOR - numerator);
        Ok(Self { selection: Selection::calibrate(sensitivity, share)?, numerator })
    }

    /// The number of the edge that is selected, from 0 to the number of steps.
    pub(crate) fn select(&self, grid: &Grid) -> Result<usize, GateError> {
        self.selection.select(&self.scores(grid))
    }

    /// How many contributions the selected edge may be away from the one asked for, with probability 0.95, beyond those in
    /// one step of the grid.
    pub(crate) fn rank_error(&self, steps: usize) -> f64 {
        self.selection.shortfall(steps + 1) / DENOMINATOR as f64
    }

    fn scores(&self, grid: &Grid) -> Vec<i64> {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let target = self.numerator.saturating_mul(count(grid.counts.iter().sum()));
        let below = std::iter::once(0).chain(grid.counts.iter().scan(0_u64, |below, counted| {
            *below += counted;
            Some(*below)
        }));
        let distance = |below| DENOMINATOR.saturating_mul(count(below)).saturating_sub(target);
        below.map(|below| -distance(below).saturating_abs()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_with_the_right_share_below_scores_best() {
        let grid = Grid { counts: vec![10, 20, 30, 40], ..Grid::default() };
        let best = |probability: f64| {
            let quantile = QuantileSelection::calibrate(probability, 1, Share::Pure(1.0)).unwrap();
            let scores = quantile.scores(&grid);
            assert_eq!(scores.len(), 5);
            (0..5).max_by_key(|edge| scores[*edge]).unwrap()
        };
        assert_eq!([0.04, 0.1, 0.3, 0.6, 0.9].map(best), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_contribution_moves_no_score_by_more_than_the_sensitivity() {
        for probability in [0.01, 0.25, 0.5, 0.9] {
            let quantile = QuantileSelection::calibrate(probability, 1, Share::Pure(1.0)).unwrap();
            let before = Grid { counts: vec![3, 0, 7, 5, 1], ..Grid::default() };
            let most = quantile.numerator.max(DENOMINATOR - quantile.numerator);
            for step in 0..5 {
                let mut after = before.clone();
                after.counts[step] += 1;
                let scores = quantile.scores(&before).into_iter().zip(quantile.scores(&after));
                let moved = scores.map(|(before, after)| (before - after).abs()).max().unwrap();
                assert!(moved <= most, "{probability} {step}");
            }
        }
    }
}
