//! One file per disclosure rule.

mod complementary;
mod dominance;
mod rounding;
mod threshold;

pub(crate) use complementary::{Hidden, Line, complement, shows_total};
pub(crate) use dominance::dominated;
pub(crate) use rounding::{Figure, count_step, digits_of, published_count, round_claim, round_count};
pub(crate) use threshold::{below_threshold, persons_min};

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
}

impl Suppression {
    /// The refusal in words. `persons_min` is that of the output's reducer.
    pub(crate) fn refusal(self, profile: &Profile, persons_min: u32, place: String) -> Refusal {
        match self {
            Self::BelowThreshold => threshold::refusal(profile, persons_min, place),
            Self::DominanceNk => dominance::nk_refusal(profile, place),
            Self::DominancePPercent => dominance::p_percent_refusal(profile, place),
            Self::Complementary => complementary::refusal(place),
        }
    }
}
