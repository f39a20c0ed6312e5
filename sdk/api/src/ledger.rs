//! What was lost of a dataset's privacy, and to whom.

use glovebox_catalog::{DatasetId, Epsilon, PrivacyLimit};
use glovebox_meter::{PrivacyAccount, PrivacyHolder};
use serde::{Deserialize, Serialize};

/// The privacy ledger of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PrivacyLedger {
    /// The dataset.
    pub dataset: DatasetId,
    /// What its supplier allows; absent: no differentially private release may leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<PrivacyLimit>,
    /// Accounts that the caller may see: the dataset's own, then those of grants, then those of developers. A developer
    /// sees those of its organisation; a reviewer the dataset's; the supplier, operators and regulators all.
    pub entries: Vec<LedgerEntry>,
}

/// One account of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LedgerEntry {
    /// Whose it is.
    pub holder: PrivacyHolder,
    /// Its dataset, grant or organisation.
    pub id: String,
    /// The limit, and the losses as they add up.
    pub account: PrivacyAccount,
    /// ε at the account's δ of what was spent for good.
    pub epsilon_spent: Epsilon,
    /// ε with what running jobs hold.
    pub epsilon_held: Epsilon,
    /// ε that is left at least.
    pub epsilon_left: Epsilon,
}

impl LedgerEntry {
    /// The entry of `account`.
    #[must_use]
    pub fn new(holder: PrivacyHolder, id: impl Into<String>, account: PrivacyAccount) -> Self {
        Self {
            holder,
            id: id.into(),
            account,
            epsilon_spent: account.epsilon_committed(),
            epsilon_held: account.epsilon_held(),
            epsilon_left: account.epsilon_left(),
        }
    }
}
