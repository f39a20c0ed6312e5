//! Literals in filters.

use serde::{Deserialize, Serialize};

/// A literal that a filter compares a field with. JSON: `true`, `3`, `2.5`, `"text"`.
///
/// Dates and codes are written as text (`"2017-05-01"`, `"F"`); the field's type says how to read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A decimal number.
    Float(f64),
    /// A text, code or ISO 8601 date.
    Text(#[serde(deserialize_with = "crate::text::line::<_, 200>")] String),
}
