//! Meters on the wire. Developers get buckets; suppliers, operators and regulators get figures. Nothing is measured on the
//! machine: what a run takes of it depends on the rows.

use glovebox_catalog::{Budget, DatasetId, DeveloperBudget, GrantId, Isolation, JobId, OrganisationId, Timestamp};
use glovebox_meter::Amounts;
use serde::{Deserialize, Serialize};

/// Running time, coarse enough to carry nothing about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeBucket {
    /// Up to a minute.
    Minute,
    /// Up to ten minutes.
    TenMinutes,
    /// Longer.
    Longer,
}

/// Fuel, as a power of ten that depends on rows and persons read, not on their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FuelBucket {
    /// The job was charged at most ten to this power, in wasmtime units.
    pub at_most_ten_to_the: u8,
}

/// Budget and use of one grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GrantMeters {
    /// The grant.
    pub grant: GrantId,
    /// Its budget.
    pub budget: Budget,
    /// What is used up for good. A developer sees what left as it is, fuel and rows as a power of ten.
    pub committed: Amounts,
    /// What running jobs hold.
    pub reserved: Amounts,
    /// What the grant's organisation has used of its datasets under all its grants. Suppliers see that of their own.
    #[serde(default)]
    pub datasets: Vec<DeveloperMeters>,
}

/// What a developer organisation may use of a dataset over all its grants, and what it has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeveloperMeters {
    /// The dataset.
    pub dataset: DatasetId,
    /// The organisation.
    pub organisation: OrganisationId,
    /// What its supplier allows.
    pub budget: DeveloperBudget,
    /// What is used up for good; as coarse as the grant's.
    pub committed: Amounts,
    /// What running jobs hold.
    pub reserved: Amounts,
}

/// One job as an operator watches it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LiveJob {
    /// The job.
    pub job: JobId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Isolation of its module.
    pub isolation: Isolation,
    /// When it started; absent while queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
}

/// What an operator sees at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LiveMeters {
    /// The moment.
    pub at: Timestamp,
    /// Jobs that run.
    pub running: Vec<LiveJob>,
    /// Jobs that wait.
    pub queued: Vec<LiveJob>,
    /// Fuel that jobs were charged for since the start, in wasmtime units, by the size of snapshots.
    pub fuel_units: u64,
    /// Rows that jobs were charged for since the start, by the size of snapshots.
    pub rows_read: u64,
    /// Releases since the start.
    pub releases: u64,
    /// Cells withheld since the start.
    pub cells_withheld: u64,
    /// Refusals since the start, by code.
    pub refusals: std::collections::BTreeMap<String, u64>,
    /// Budgets of active grants.
    pub grants: Vec<GrantMeters>,
}
