//! What a supplier allows on a dataset whatever grants say: a budget for each developer organisation, and a longest term.

use serde::{Deserialize, Serialize};

/// Most that one developer organisation may take of a dataset under all its grants together, for good.
///
/// Defaults: 1,000 jobs, 1,000 releases, 100,000 cells, 1,000,000 claimed sets, 4,000,000 bits of leakage bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeveloperBudget {
    /// Jobs that may run.
    pub jobs_max: u64,
    /// Releases that may leave.
    pub releases_max: u64,
    /// Cells that may leave.
    pub cells_max: u64,
    /// Sets of persons that jobs may claim.
    pub claims_max: u64,
    /// Bits that releases may carry at most, by their leakage bounds.
    pub leakage_bits_max: u64,
}

impl Default for DeveloperBudget {
    fn default() -> Self {
        Self {
            jobs_max: 1_000,
            releases_max: 1_000,
            cells_max: 100_000,
            claims_max: 1_000_000,
            leakage_bits_max: 4_000_000,
        }
    }
}

/// Limits that a supplier sets on a dataset. They hold beside the terms of every grant on it.
///
/// Defaults: those of [`DeveloperBudget`], and terms of at most 730 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetLimits {
    /// For each developer organisation.
    pub per_developer: DeveloperBudget,
    /// Longest term of a grant, in days.
    pub term_max_days: u32,
}

impl Default for DatasetLimits {
    fn default() -> Self {
        Self { per_developer: DeveloperBudget::default(), term_max_days: 730 }
    }
}
