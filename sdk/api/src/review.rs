//! Outputs under review, as reviewers see them.

use std::collections::BTreeMap;

use glovebox_catalog::{
    DatasetId, GrantId, Isolation, JobId, ModuleId, OrganisationId, PrincipalId, ReleaseId, ReviewId, Timestamp,
};
use glovebox_gate::{ReleaseDocument, RuleFinding};
use serde::{Deserialize, Serialize};

/// An output that waits for reviewers, with everything that they judge it by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReviewOutput {
    /// The review.
    pub review: ReviewId,
    /// The document that leaves if they approve, byte for byte, and its leakage bound.
    pub document: ReleaseDocument,
    /// What the rules found.
    pub report: Vec<RuleFinding>,
    /// What the receipt will state.
    pub evidence: ReviewEvidence,
    /// How it differs from what left before: releases of the same module on the same dataset, the newest first.
    pub differences: Vec<ReleaseDifference>,
}

/// What a receipt states of a run, before there is one. Digests are SM3 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReviewEvidence {
    /// The job.
    pub job: JobId,
    /// Who submitted it.
    pub developer: PrincipalId,
    /// For which organisation.
    pub organisation: OrganisationId,
    /// The grant.
    pub grant: GrantId,
    /// Digest of its terms.
    pub grant_terms_sm3: String,
    /// Digest of the policies in force.
    pub policy_sm3: String,
    /// Digest of the disclosure profile.
    pub disclosure_profile_sm3: String,
    /// The dataset.
    pub dataset: DatasetId,
    /// Number of its snapshot.
    pub snapshot: u32,
    /// Digest of the snapshot.
    pub snapshot_sm3: String,
    /// The module.
    pub module: ModuleId,
    /// What it could see between two resets.
    pub isolation: Isolation,
    /// Parameters of the run.
    pub parameters: BTreeMap<String, f64>,
    /// When the run started.
    pub started_at: Timestamp,
    /// Digest of the document.
    pub output_sm3: String,
}

/// How an output differs from an earlier release, figure by figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReleaseDifference {
    /// The earlier release.
    pub release: ReleaseId,
    /// Its job.
    pub job: JobId,
    /// The organisation that it was released to.
    pub organisation: OrganisationId,
    /// When it left.
    pub released_at: Timestamp,
    /// The snapshot that it was computed on.
    pub snapshot: Option<u32>,
    /// Figures that both have, of the same value.
    pub figures_same: u64,
    /// Figures that differ, or that only one of the two has.
    pub figures_changed: u64,
    /// The first of those, at most a thousand.
    pub changes: Vec<FigureChange>,
}

/// One figure in two documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FigureChange {
    /// The output.
    pub output: String,
    /// Its keys; `*` for a total.
    pub keys: Vec<String>,
    /// Its value then; absent when it was suppressed or not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
    /// Its value now; absent when it is suppressed or not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<f64>,
}
