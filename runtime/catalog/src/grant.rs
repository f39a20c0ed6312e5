//! Grants: who may compute what on which data, for which purpose, until when, within which budgets.
//!
//! This is the record as people read and sign it. The rules of its life (who approves, when it is active, what it
//! opens) are in the policy crate.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    DatasetId, Epsilon, GrantId, Isolation, LegalBasis, Narrowing, OrganisationId, PrincipalId, Purpose, RowFilter,
    Timestamp,
};

/// What a grant opens of one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetScope {
    /// The dataset.
    pub dataset: DatasetId,
    /// Fields that a job may read; every other stays closed.
    pub fields: BTreeSet<String>,
    /// Rows that a job may read; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<RowFilter>,
}

/// A party that outputs may go to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Its organisation.
    pub organisation: OrganisationId,
    /// Country or region in which it receives, ISO 3166, e.g. `CN`.
    pub jurisdiction: String,
}

fn claims_default() -> u64 {
    100_000
}

/// Most that may be used under a grant in all. Every amount is reserved before a row is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Jobs that may run.
    pub jobs_max: u64,
    /// Releases that may leave.
    pub releases_max: u64,
    /// Cells that may leave.
    pub cells_max: u64,
    /// Sets of persons that jobs may claim: no figure of others may then lie close to them. A job with exact figures claims
    /// one for each of its cells at most.
    #[serde(default = "claims_default")]
    pub claims_max: u64,
    /// Bytes that may leave.
    pub bytes_out_max: u64,
    /// Fuel that may burn, in wasmtime units.
    pub fuel_max_units: u64,
    /// Rows that may be read.
    pub rows_max: u64,
    /// Bits that releases may carry at most, by their leakage bounds.
    pub leakage_bits_max: u64,
    /// ε that differentially private releases may lose of each dataset, at the dataset's δ; 0: none may leave.
    #[serde(default, skip_serializing_if = "Epsilon::is_zero")]
    pub epsilon_max: Epsilon,
}

/// The terms of a grant, as proposed and approved. Until it is active a supplier can narrow them; more is another grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantTerms {
    /// One line for people.
    #[serde(deserialize_with = "crate::text::line::<_, 200>")]
    pub title: String,
    /// Purpose; jobs run for no other.
    pub purpose: Purpose,
    /// Legal basis.
    pub basis: LegalBasis,
    /// What is opened, dataset by dataset.
    pub scopes: Vec<DatasetScope>,
    /// From when jobs may run.
    pub valid_from: Timestamp,
    /// Until when jobs may run (exclusive).
    pub valid_until: Timestamp,
    /// Who may receive outputs.
    pub recipients: Vec<Recipient>,
    /// Budgets.
    pub budget: Budget,
    /// Name of the disclosure profile, e.g. `default`.
    pub disclosure_profile: String,
    /// Isolations that jobs may have: all but `cohort` when absent.
    #[serde(default = "automatic_isolations")]
    pub isolations: BTreeSet<Isolation>,
    /// Whether every release waits for reviewers; those of isolation `cohort` always do.
    #[serde(default)]
    pub review_required: bool,
    /// SM3 digest of the signed agreement, 64 hexadecimal digits.
    pub agreement_sm3: String,
}

/// The isolations whose outputs can leave without a person's judgement.
#[must_use]
pub fn automatic_isolations() -> BTreeSet<Isolation> {
    BTreeSet::from([Isolation::Row, Isolation::Person, Isolation::Block])
}

/// One decision of a supplier or reviewer on a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Approval {
    /// Who decided.
    pub principal: PrincipalId,
    /// For which organisation.
    pub organisation: OrganisationId,
    /// In which capacity.
    pub capacity: Capacity,
    /// Approved or refused.
    pub approved: bool,
    /// Of which revision of the terms. An approval counts for the revision that it was given on, and for no other.
    #[serde(default)]
    pub revision: u32,
    /// What the supplier took away with this approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowing: Option<Narrowing>,
    /// Why, for people.
    #[serde(default)]
    pub comment: String,
    /// When.
    pub at: Timestamp,
}

/// The capacity in which an approval is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Capacity {
    /// For the supplier of a dataset in scope.
    Supplier,
    /// As reviewer of an organisation that is neither the proposer's nor a supplier's.
    Reviewer,
}

/// Where a grant stands. The transitions are one table in the policy crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GrantState {
    /// Waits for approvals.
    Proposed,
    /// Every approval is there; opens views within its term.
    Active,
    /// A supplier or reviewer said no. Final.
    Refused,
    /// Stopped for the time being by a supplier concerned.
    Suspended,
    /// Ended for good by a supplier concerned or the proposer. Final.
    Revoked,
}

/// A grant with its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Who proposed it.
    pub proposed_by: PrincipalId,
    /// Who answers for it now, when not who proposed it. Nothing runs under it once they have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<PrincipalId>,
    /// For which developer organisation.
    pub organisation: OrganisationId,
    /// When.
    pub proposed_at: Timestamp,
    /// Its terms, as they stand.
    #[serde(flatten)]
    pub terms: GrantTerms,
    /// How often a supplier has narrowed the terms.
    #[serde(default)]
    pub revision: u32,
    /// The terms as they were asked for, once a supplier has narrowed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Box<GrantTerms>>,
    /// Suppliers whose approval it needs, one for each dataset in scope.
    pub suppliers: BTreeSet<OrganisationId>,
    /// Decisions so far.
    pub approvals: Vec<Approval>,
    /// Suppliers whose suspension stands; each lifts its own and no other's.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub suspended_by: BTreeSet<OrganisationId>,
    /// Where it stands.
    pub state: GrantState,
}

impl Grant {
    /// Who answers for it at the developer's organisation.
    #[must_use]
    pub fn responsible_person(&self) -> &PrincipalId {
        self.responsible.as_ref().unwrap_or(&self.proposed_by)
    }
}
