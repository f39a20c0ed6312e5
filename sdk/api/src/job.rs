//! Modules and jobs on the wire.

use std::collections::BTreeMap;

use glovebox_catalog::{
    DatasetId, Door, GrantId, Isolation, JobId, JobManifest, ModuleId, OrganisationId, PrincipalId, Privacy, Refusal,
    ReleaseId, ReviewId, Separation, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{FuelBucket, TimeBucket};

/// A submitted module and what inspection found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModuleView {
    /// SM3 digest of its bytes.
    pub id: ModuleId,
    /// SHA-256 digest of its bytes, for people with other tools.
    pub sha256: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Organisation that submitted it.
    pub organisation: OrganisationId,
    /// Who submitted it.
    pub submitted_by: PrincipalId,
    /// When.
    pub submitted_at: Timestamp,
    /// Its door.
    pub door: Door,
    /// What keeps the rows of one row, person or block from the next.
    pub separation: Separation,
    /// Its manifest.
    pub manifest: JobManifest,
}

/// A request to run a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitJob {
    /// The grant to run under.
    pub grant: GrantId,
    /// The dataset to run on, one of the grant's.
    pub dataset: DatasetId,
    /// The module.
    pub module: ModuleId,
    /// Parameters by name; the manifest's defaults stand for the rest.
    #[serde(default)]
    pub parameters: BTreeMap<String, f64>,
    /// Noise that each round's release gets, and what that loses; exact figures under the grant's profile when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Waits for a worker.
    Queued,
    /// Holds its budget and computes.
    Running,
    /// Its output waits for reviewers.
    InReview,
    /// A table left. Final.
    Released,
    /// Nothing could leave; reasons say why. Final.
    Withheld,
    /// Not allowed to run; reasons say why. Final.
    Refused,
    /// The module failed; the class of failure is told. Final.
    Failed,
    /// Cancelled by its submitter or an operator. Final.
    Killed,
}

impl JobState {
    /// Whether the job has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::InReview)
    }
}

/// A job as its submitter may see it: nothing here depends on the data but through the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// What was asked for.
    #[serde(flatten)]
    pub request: SubmitJob,
    /// Organisation it runs for.
    pub organisation: OrganisationId,
    /// Who submitted it.
    pub submitted_by: PrincipalId,
    /// When.
    pub submitted_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Where it stands.
    pub state: JobState,
    /// Why it was withheld, refused or failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Refusal>,
    /// The release, once released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// The review of its output, if reviewers were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewId>,
    /// Coarse running time, once ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeBucket>,
    /// Coarse fuel, once ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<FuelBucket>,
    /// Isolation of its module.
    pub isolation: Isolation,
}

/// One server-sent event of a job's progress (`event: state`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobEvent {
    /// The job.
    pub job: JobId,
    /// Its state now.
    pub state: JobState,
    /// When it changed.
    pub at: Timestamp,
    /// Jobs ahead of it, while queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u32>,
}

/// A release as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReleaseSummary {
    /// Its id.
    pub id: ReleaseId,
    /// The job that made it.
    pub job: JobId,
    /// The grant it left under.
    pub grant: GrantId,
    /// The dataset it was computed on.
    pub dataset: DatasetId,
    /// Organisation it was released to.
    pub organisation: OrganisationId,
    /// When it left.
    pub released_at: Timestamp,
    /// Cells that left.
    pub cells_released: u64,
    /// Cells that were withheld.
    pub cells_withheld: u64,
}
