//! Errors on the wire: problem details of RFC 9457 with the refusal code.

use glovebox_catalog::Refusal;
use serde::{Deserialize, Serialize};

/// Content type of a [`Problem`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// A problem document. It never holds a value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:glovebox:refusal:<code>`.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// One line for people.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What to do about it.
    pub detail: String,
    /// Stable code, e.g. `policy.not-permitted`.
    pub code: String,
    /// Every reason that a rule of the enclave gave, with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Refusal>,
    /// Names this answer in the operator's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
