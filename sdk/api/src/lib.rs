//! The wire types of the REST interface `/v1` that are not words of the catalogue: requests, views, pages, problems.
//!
//! Server and clients share them, so that a change of the interface is a change here and in the OpenAPI golden file.

mod claims;
mod explanation;
mod job;
mod ledger;
mod lint;
mod meters;
mod page;
mod problem;
mod review;
mod zone;

pub use claims::{Claim, ClaimRefusal, DatasetClaims};
pub use explanation::{Explanation, PrivacyCharge};
pub use job::{JobEvent, JobState, JobView, ModuleView, ReleaseSummary, SubmitJob};
pub use ledger::{LedgerEntry, PrivacyLedger};
pub use lint::{Lint, LintRequest};
pub use meters::{DeveloperMeters, FuelBucket, GrantMeters, LiveJob, LiveMeters, TimeBucket};
pub use page::Page;
pub use problem::{PROBLEM_CONTENT_TYPE, Problem};
pub use review::{FigureChange, ReleaseDifference, ReviewEvidence, ReviewOutput};
pub use zone::{
    ApproveGrant, Decision, EnclaveKey, IngestionReport, NewPrincipal, QuarantineReason, SourceFormat, WhoAmI,
};
