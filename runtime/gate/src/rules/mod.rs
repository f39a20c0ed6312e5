//! One file per disclosure rule.

mod complementary;
mod difference;
mod dominance;
mod hypercube;
mod rounding;
mod size;
mod threshold;

pub(crate) use complementary::{Hidden, Line, complement, shows_total, small_counts};
pub(crate) use difference::{differs_by_few, everybody};
pub(crate) use dominance::dominated;
pub(crate) use hypercube::hypercubes;
pub(crate) use rounding::{
    CountStep, Figure, coarse_contributions, count_step, digits_of, published_count, round_claim, round_count,
};
pub(crate) use size::too_many;
pub(crate) use threshold::{below_threshold, fewest_persons, persons_beside};

use glovebox_catalog::Refusal;

use crate::Profile;

/// Why a cell or margin is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suppression {
    /// Too few persons, or none.
    BelowThreshold,
    /// The (n, k) rule.
    DominanceNk,
    /// The p% rule.
    DominancePPercent,
    /// Shown, it would tell what a suppressed cell holds.
    Complementary,
    /// All but a few of those in its output.
    SubsetDifference,
    /// All but a few of those of a figure released before.
    Differencing,
    /// Its table has more cells than one may have.
    TooManyRows,
    /// The profile wants noise.
    NoiseRequired,
}

/// Reasons that a figure can have for not being shown.
pub(crate) const SUPPRESSIONS: usize = 8;

impl Suppression {
    /// The refusal in words. `persons_min` is that of the output's reducer.
    pub(crate) fn refusal(self, profile: &Profile, persons_min: u32, place: String) -> Refusal {
        match self {
            Self::BelowThreshold => threshold::refusal(profile, persons_min, place),
            Self::DominanceNk => dominance::nk_refusal(profile, place),
            Self::DominancePPercent => dominance::p_percent_refusal(profile, place),
            Self::Complementary => complementary::refusal(place),
            Self::SubsetDifference => difference::subset_refusal(profile, place),
            Self::Differencing => difference::refusal(profile, place),
            Self::TooManyRows => size::refusal(profile, place),
            Self::NoiseRequired => size::noise_refusal(profile, place),
        }
    }
}
