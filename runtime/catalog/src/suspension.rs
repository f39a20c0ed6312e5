//! Suspensions: what the people who run a zone can stop, and can't start again alone.

use serde::{Deserialize, Serialize};

use crate::{OrganisationId, PrincipalId, Timestamp};

/// What is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SuspendedKind {
    /// A grant, beside the suspensions of its suppliers.
    Grant,
    /// A dataset, under all grants.
    Dataset,
    /// A module, whoever runs it.
    Module,
    /// An organisation: its people get in nowhere.
    Organisation,
    /// The zone as a whole.
    Zone,
}

impl SuspendedKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Grant, Self::Dataset, Self::Module, Self::Organisation, Self::Zone];

    /// The name used in JSON, events and refusals.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Dataset => "dataset",
            Self::Module => "module",
            Self::Organisation => "organisation",
            Self::Zone => "zone",
        }
    }
}

/// For whom somebody suspends, or consents to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// An operator of the zone.
    Operator,
    /// A security officer of the zone.
    SecurityOfficer,
    /// A supplier concerned.
    Supplier,
    /// A reviewer of an organisation that is not concerned.
    Reviewer,
}

impl Side {
    /// The name used in JSON, events and refusals.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::SecurityOfficer => "security-officer",
            Self::Supplier => "supplier",
            Self::Reviewer => "reviewer",
        }
    }
}

/// What one person said, for one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Voice {
    /// Who.
    pub principal: PrincipalId,
    /// Of which organisation.
    pub organisation: OrganisationId,
    /// For which side.
    pub side: Side,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A suspension that stands until every side that must has consented.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Suspension {
    /// Who suspended, and why.
    pub by: Voice,
    /// Who has consented so far that it goes on, each a different person.
    pub consents: Vec<Voice>,
    /// Sides that still have to, one of each group, for people to read. What counts is the table of the policy crate.
    pub waits_for: Vec<Vec<Side>>,
}

/// Everything that stands against one thing; nothing when `standing` is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Suspended {
    /// What kind of thing.
    pub kind: SuspendedKind,
    /// Its id; `zone` for the zone.
    pub id: String,
    /// What stands against it, in order.
    pub standing: Vec<Suspension>,
}

impl Suspended {
    /// A thing against which nothing stands.
    #[must_use]
    pub fn none(kind: SuspendedKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), standing: Vec::new() }
    }

    /// How events, refusals and the store name it, e.g. `dataset/nhanes-2017`.
    #[must_use]
    pub fn path(&self) -> String {
        suspended_path(self.kind, &self.id)
    }
}

/// The same of a kind and an id.
#[must_use]
pub fn suspended_path(kind: SuspendedKind, id: &str) -> String {
    format!("{}/{id}", kind.as_str())
}
