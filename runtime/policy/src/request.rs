//! What an authorisation is asked about: principal, action, resource and context; and its answer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use glovebox_catalog::{
    Capacity, Dataset, Grade, Grant, GrantState, JobId, ModuleId, OrganisationId, Principal, PrincipalId, Purpose,
    Refusal, ReleaseId, Review, Timestamp,
};

use crate::Action;

/// Kind of a resource; the entity types of the Cedar schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// The enclave as a whole: its key, its log, its live meters.
    Enclave,
    /// An organisation's entry.
    Organisation,
    /// A principal's entry.
    Member,
    /// A dataset, its snapshots and reports.
    Dataset,
    /// A grant and its meters.
    Grant,
    /// A module.
    Module,
    /// A job and its receipt.
    Job,
    /// A release.
    Release,
    /// A review of an output.
    Review,
}

impl ResourceKind {
    /// Name of the Cedar entity type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enclave => "Enclave",
            Self::Organisation => "Organisation",
            Self::Member => "Member",
            Self::Dataset => "Dataset",
            Self::Grant => "Grant",
            Self::Module => "Module",
            Self::Job => "Job",
            Self::Release => "Release",
            Self::Review => "Review",
        }
    }
}

/// A resource with the parties to it, as the policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRef {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its id.
    pub id: String,
    /// Organisations whose it is: the supplier of a dataset, the developer of a grant, module, job or release.
    pub organisations: BTreeSet<OrganisationId>,
    /// Suppliers whose data it touches.
    pub suppliers: BTreeSet<OrganisationId>,
    /// Organisations that may receive outputs.
    pub recipients: BTreeSet<OrganisationId>,
    /// Countries or regions in which outputs are received.
    pub jurisdictions: BTreeSet<String>,
    /// The person behind it: proposer, submitter, or the member itself.
    pub principal: Option<PrincipalId>,
    /// Purpose of the grant.
    pub purpose: Option<Purpose>,
    /// State of the grant.
    pub state: Option<GrantState>,
    /// Term of the grant: from, and until (exclusive).
    pub term: Option<(Timestamp, Timestamp)>,
}

impl ResourceRef {
    /// The enclave as a whole.
    #[must_use]
    pub fn enclave() -> Self {
        Self::bare(ResourceKind::Enclave, "enclave")
    }

    /// An organisation's entry.
    #[must_use]
    pub fn organisation(id: &OrganisationId) -> Self {
        let organisations = BTreeSet::from([id.clone()]);
        Self { organisations, ..Self::bare(ResourceKind::Organisation, id.as_str()) }
    }

    /// A principal's entry.
    #[must_use]
    pub fn member(principal: &Principal) -> Self {
        Self {
            organisations: BTreeSet::from([principal.organisation.clone()]),
            principal: Some(principal.id.clone()),
            ..Self::bare(ResourceKind::Member, principal.id.as_str())
        }
    }

    /// A dataset, its snapshots and reports.
    #[must_use]
    pub fn dataset(dataset: &Dataset) -> Self {
        let supplier = BTreeSet::from([dataset.supplier.clone()]);
        Self {
            organisations: supplier.clone(),
            suppliers: supplier,
            ..Self::bare(ResourceKind::Dataset, dataset.id.as_str())
        }
    }

    /// A grant, its meters, and jobs and views under it.
    #[must_use]
    pub fn grant(grant: &Grant) -> Self {
        Self {
            principal: Some(grant.proposed_by.clone()),
            ..Self::under(grant, ResourceKind::Grant, grant.id.as_str())
        }
    }

    /// A module.
    #[must_use]
    pub fn module(id: &ModuleId, organisation: &OrganisationId, submitted_by: &PrincipalId) -> Self {
        Self {
            organisations: BTreeSet::from([organisation.clone()]),
            principal: Some(submitted_by.clone()),
            ..Self::bare(ResourceKind::Module, id.as_str())
        }
    }

    /// A job and its receipt.
    #[must_use]
    pub fn job(id: &JobId, submitted_by: &PrincipalId, grant: &Grant) -> Self {
        Self { principal: Some(submitted_by.clone()), ..Self::under(grant, ResourceKind::Job, id.as_str()) }
    }

    /// A release.
    #[must_use]
    pub fn release(id: &ReleaseId, grant: &Grant) -> Self {
        Self::under(grant, ResourceKind::Release, id.as_str())
    }

    /// A review: the developer's organisation is its owner, the person behind it who submitted the job.
    #[must_use]
    pub fn review(review: &Review, grant: &Grant) -> Self {
        Self {
            // Of the grant's suppliers only the one whose data it is.
            suppliers: BTreeSet::from([review.supplier.clone()]),
            principal: Some(review.submitted_by.clone()),
            ..Self::under(grant, ResourceKind::Review, review.id.as_str())
        }
    }

    /// How events and refusals name it, e.g. `grant/grt-01`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.kind.as_str().to_lowercase(), self.id)
    }

    /// A thing of `kind` that nobody is a party to: what is asked about where an id names nothing.
    #[must_use]
    pub fn unknown(kind: ResourceKind, id: &str) -> Self {
        Self::bare(kind, id)
    }

    fn under(grant: &Grant, kind: ResourceKind, id: &str) -> Self {
        let terms = &grant.terms;
        Self {
            organisations: BTreeSet::from([grant.organisation.clone()]),
            suppliers: grant.suppliers.clone(),
            recipients: terms.recipients.iter().map(|recipient| recipient.organisation.clone()).collect(),
            jurisdictions: terms.recipients.iter().map(|recipient| recipient.jurisdiction.clone()).collect(),
            purpose: Some(terms.purpose),
            state: Some(grant.state),
            term: Some((terms.valid_from, terms.valid_until)),
            ..Self::bare(kind, id)
        }
    }

    fn bare(kind: ResourceKind, id: &str) -> Self {
        Self {
            kind,
            id: id.to_owned(),
            organisations: BTreeSet::new(),
            suppliers: BTreeSet::new(),
            recipients: BTreeSet::new(),
            jurisdictions: BTreeSet::new(),
            principal: None,
            purpose: None,
            state: None,
            term: None,
        }
    }
}

/// Circumstances of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Why data is asked for.
    pub purpose: Option<Purpose>,
    /// When.
    pub time: Timestamp,
    /// From which address; none for what the enclave does on a principal's behalf later, e.g. starting a queued job.
    pub address: Option<IpAddr>,
    /// Highest grade among the fields asked for.
    pub grade: Option<Grade>,
    /// In which capacity a grant is approved or refused.
    pub capacity: Option<Capacity>,
}

impl Context {
    /// A context with nothing but its time.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self { purpose: None, time, address: None, grade: None, capacity: None }
    }

    /// The same from `address`.
    #[must_use]
    pub fn from_address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The same in `capacity`.
    #[must_use]
    pub fn in_capacity(self, capacity: Capacity) -> Self {
        Self { capacity: Some(capacity), ..self }
    }

    /// The same for `purpose`.
    #[must_use]
    pub fn for_purpose(self, purpose: Purpose) -> Self {
        Self { purpose: Some(purpose), ..self }
    }
}

/// One question to the policies.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// To do what.
    pub action: Action,
    /// To what.
    pub resource: ResourceRef,
    /// Under which circumstances.
    pub context: Context,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Permitted, and by which policies.
    Allowed {
        /// Ids of the policies, sorted.
        policies: Vec<String>,
    },
    /// Not permitted: forbidden, permitted by nothing, or impossible to decide.
    Denied(Refusal),
}

impl Decision {
    /// The ids of the permitting policies, or the refusal.
    ///
    /// # Errors
    /// The [`Refusal`] of a denial.
    pub fn into_result(self) -> Result<Vec<String>, Refusal> {
        match self {
            Self::Allowed { policies } => Ok(policies),
            Self::Denied(refusal) => Err(refusal),
        }
    }

    /// Whether it is permitted.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}
