//! Cell keys: the dimensions of an output table, each with a domain declared before any row is read.

use serde::{Deserialize, Serialize};

/// The values that a key dimension can take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyDomain {
    /// A list of codes, in order.
    Codes(Vec<String>),
    /// Half-open bands `[e0, e1), [e1, e2), …` between ascending edges.
    Bands(Vec<f64>),
}

/// One dimension of an output table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyDimension {
    /// Its name, e.g. `age_band`.
    pub name: String,
    /// Its values.
    pub domain: KeyDomain,
}

impl KeyDomain {
    /// How many values the domain has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Codes(codes) => codes.len(),
            Self::Bands(edges) => edges.len().saturating_sub(1),
        }
    }

    /// Whether the domain has no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of value number `index`: the code, or `[lower, upper)`.
    #[must_use]
    pub fn label(&self, index: usize) -> Option<String> {
        match self {
            Self::Codes(codes) => codes.get(index).cloned(),
            Self::Bands(edges) => match (edges.get(index), edges.get(index + 1)) {
                (Some(lower), Some(upper)) => Some(format!("[{lower}, {upper})")),
                _ => None,
            },
        }
    }
}
