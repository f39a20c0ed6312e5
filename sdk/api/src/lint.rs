//! Before a job is submitted: which rules its declared outputs will meet.

use glovebox_catalog::{JobManifest, Privacy};
use glovebox_gate::{Advice, Leakage};
use serde::{Deserialize, Serialize};

/// A question about a manifest. Nothing is kept of it, and no row is looked at: how many persons there may be is the
/// asker's to say, as a dataset's own number is not theirs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LintRequest {
    /// The manifest of the module.
    pub manifest: JobManifest,
    /// Name of the disclosure profile.
    #[serde(default = "default_profile")]
    pub profile: String,
    /// Persons that the view may hold; advice on sizes of cells needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persons: Option<u64>,
    /// Noise that the job will ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
}

fn default_profile() -> String {
    "default".to_owned()
}

/// What is to be known before a job is submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Lint {
    /// The profile that it is about.
    pub profile: String,
    /// What a job would reserve of its leakage budget; absent when the number of persons was not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leakage: Option<Leakage>,
    /// Advice, the gravest first.
    pub advice: Vec<Advice>,
}
