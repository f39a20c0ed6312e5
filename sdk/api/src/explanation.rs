//! Before a job with noise is submitted: what it would cost and be worth.

use glovebox_catalog::{Delta, Epsilon, Privacy, Refusal};
use glovebox_gate::ExpectedError;
use glovebox_meter::{PrivacyHolder, PrivacyLoss};
use serde::{Deserialize, Serialize};

/// What a job with noise would cost and be worth, told before anything is spent. Nothing of it depends on a row, nor on
/// how many there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Explanation {
    /// What was asked for, a round.
    pub privacy: Privacy,
    /// Rounds at most; all are paid before the first.
    pub rounds_max: u32,
    /// Loss over all rounds.
    pub loss: PrivacyLoss,
    /// What it weighs on: the dataset, the grant, the developer organisation.
    pub charges: Vec<PrivacyCharge>,
    /// Expected error of each kind of figure in one round.
    pub errors: Vec<ExpectedError>,
    /// Why the job would be refused for want of a right or of privacy, were it submitted now. Budgets of other meters are
    /// looked at when it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
}

/// What a job would take from one account of privacy loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PrivacyCharge {
    /// Whose account.
    pub holder: PrivacyHolder,
    /// Most ε at `delta`.
    pub epsilon_max: Epsilon,
    /// δ at which ε is told.
    pub delta: Delta,
    /// ε of the job alone.
    pub epsilon_asked: Epsilon,
    /// ε spent and held with the job. Absent where others spend from the account: that is not the asker's to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon_after: Option<Epsilon>,
    /// Whether the account holds it now.
    pub fits: bool,
}
