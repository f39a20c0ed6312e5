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
    /// Whole numbers from `first` to `last`, at most 100,000 of them, of which most may not occur: a table lists only
    /// keys that pass its threshold.
    Integers {
        /// The first.
        first: i64,
        /// The last.
        last: i64,
    },
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
            Self::Integers { first, last } => {
                usize::try_from(last.saturating_sub(*first).saturating_add(1)).unwrap_or(0)
            }
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
            Self::Integers { first, .. } if index < self.len() => {
                i64::try_from(index).ok().map(|index| first.saturating_add(index).to_string())
            }
            Self::Integers { .. } => None,
        }
    }

    /// Whether most of its values may not occur, so that only those are listed which pass a threshold.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Integers { .. })
    }
}
