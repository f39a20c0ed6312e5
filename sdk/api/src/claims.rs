//! Claims: whose figures the differencing guard compares others with.

use glovebox_catalog::{DatasetId, GrantId, JobId, OrganisationId};
use serde::{Deserialize, Serialize};

/// The claims that stand on a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DatasetClaims {
    /// The dataset.
    pub dataset: DatasetId,
    /// One for each job that has any, the oldest first.
    pub claims: Vec<Claim>,
}

/// What one job has claimed: sets of persons of whom figures count as released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// The grant that it ran under.
    pub grant: GrantId,
    /// Whose job.
    pub organisation: OrganisationId,
    /// How many sets, rounded up to a power of two.
    pub sets: u64,
    /// Jobs of which sets were refused for lying too close to one of these.
    pub refused: Vec<ClaimRefusal>,
}

/// That sets of a job were refused because of one earlier job's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ClaimRefusal {
    /// The job whose sets were refused.
    pub job: JobId,
    /// Whose job.
    pub organisation: OrganisationId,
    /// How many sets, rounded up to a power of two.
    pub sets: u64,
}
