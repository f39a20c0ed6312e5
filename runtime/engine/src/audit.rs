//! The audit log: search, export, heads and proofs.

use glovebox_api::Page;
use glovebox_audit::{AuditError, ConsistencyProof, Event, InclusionProof, SignedTreeHead, TreeHead};
use glovebox_catalog::{DatasetId, JobId, OrganisationId, PrincipalId, Purpose, Timestamp};
use glovebox_policy::{Action, ResourceRef};
use glovebox_store::EventFilter;

use crate::witnesses::Cosigned;
use crate::{Caller, Engine, EngineError, PageQuery};

/// The name that a value has on the wire and in records.
pub(crate) fn name_of<T: serde::Serialize>(value: &T) -> Result<String, EngineError> {
    let fault = |detail: &dyn std::fmt::Display| EngineError::internal("write a name", detail);
    match serde_json::to_value(value).map_err(|error| fault(&error))? {
        serde_json::Value::String(name) => Ok(name),
        other => Err(fault(&other)),
    }
}

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Which page; the cursor is a sequence number.
    pub page: PageQuery,
    /// Only this action, e.g. `grant.approve`.
    pub action: Option<String>,
    /// Only this resource, e.g. `grant/grt-…`.
    pub resource: Option<String>,
    /// Only what this person did, or what was done to their entry.
    pub person: Option<PrincipalId>,
    /// Only what people of this organisation did, or what was done to its entry.
    pub organisation: Option<OrganisationId>,
    /// Only what is about this dataset, grants on it and jobs on it.
    pub dataset: Option<DatasetId>,
    /// Only what is about grants for this purpose, and jobs under them.
    pub purpose: Option<Purpose>,
    /// Only from this time on.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
}

impl Engine {
    /// Lists events, the oldest first.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Invalid`] for a cursor that is none.
    pub fn events(&self, caller: &Caller, query: &EventQuery) -> Result<Page<Event>, EngineError> {
        self.authorise(caller, Action::AuditRead, ResourceRef::enclave())?;
        self.has_read(caller, Action::AuditRead, &ResourceRef::enclave().path(), "events")?;
        self.found_events(query, None, |_| Ok(true))
    }

    /// Lists the events about the data of the caller's organisation: its datasets, grants on them, and jobs, releases and
    /// reviews under those grants. From where people of others called is not for it.
    ///
    /// # Errors
    /// As [`Engine::events`].
    pub fn own_events(&self, caller: &Caller, query: &EventQuery) -> Result<Page<Event>, EngineError> {
        let own = &caller.principal.organisation;
        let resource = ResourceRef::organisation(own);
        let path = resource.path();
        self.authorise(caller, Action::AuditReadOwn, resource)?;
        self.has_read(caller, Action::AuditReadOwn, &path, "events")?;
        let mut page = self.found_events(query, Some(own), |event| self.is_for_suppliers(event))?;
        for event in page.items.iter_mut().filter(|event| event.actor.organisation.as_ref() != Some(own)) {
            event.actor.address = None;
        }
        Ok(page)
    }

    /// What people did, and what came of it once it may be told. What the enclave does for a job in between would tell by
    /// its time how long the run took, which ends show coarsely.
    fn is_for_suppliers(&self, event: &Event) -> Result<bool, EngineError> {
        if event.actor.principal.is_some() || event.action == "review.open" {
            return Ok(true);
        }
        let ends = ["job.settle", "job.kill", "review.release", "review.expire", "review.withdraw"];
        let job = event.resource.strip_prefix("job/").or_else(|| event.detail.get("job").map(String::as_str));
        match job.and_then(|job| JobId::new(job).ok()) {
            Some(job) if ends.contains(&event.action.as_str()) => self.is_told(&job),
            _ => Ok(false),
        }
    }

    fn found_events(
        &self,
        query: &EventQuery,
        supplier: Option<&OrganisationId>,
        is_shown: impl Fn(&Event) -> Result<bool, EngineError>,
    ) -> Result<Page<Event>, EngineError> {
        let purpose = query.purpose.map(|purpose| name_of(&purpose)).transpose()?;
        let filter = EventFilter {
            action: query.action.as_deref(),
            resource: query.resource.as_deref(),
            principal: query.person.as_ref(),
            organisation: query.organisation.as_ref(),
            dataset: query.dataset.as_ref(),
            purpose: purpose.as_deref(),
            from: query.from,
            until: query.until,
            supplier,
        };
        query.page.visible(|slice| self.store().events(filter, slice), |event| event.sequence.to_string(), is_shown)
    }

    /// A signed head of the log as it is now.
    ///
    /// # Errors
    /// [`EngineError::Refused`].
    pub fn tree_head(&self, caller: &Caller) -> Result<SignedTreeHead, EngineError> {
        self.authorise(caller, Action::AuditProve, ResourceRef::enclave())?;
        self.signed_head()
    }

    /// Proof that event `sequence` is in the log of the newest signed head.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`] beyond the end of the log.
    pub fn inclusion_proof(&self, caller: &Caller, sequence: u64) -> Result<InclusionProof, EngineError> {
        self.authorise(caller, Action::AuditProve, ResourceRef::enclave())?;
        let head = self.signed_head()?;
        if sequence >= head.head.size {
            return Err(EngineError::NotFound { what: "event", id: sequence.to_string() });
        }
        Ok(self.store().inclusion_proof(sequence, head.head.size)?)
    }

    /// Proof that the log of `to` events goes on from that of `from` events.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Invalid`] for sizes that the log has not had.
    pub fn consistency_proof(&self, caller: &Caller, from: u64, to: u64) -> Result<ConsistencyProof, EngineError> {
        self.authorise(caller, Action::AuditProve, ResourceRef::enclave())?;
        let size = self.signed_head()?.head.size;
        if from == 0 || from > to || to > size {
            let rule = format!("sizes ascend from 1 to the log's, now {size}");
            return Err(EngineError::invalid("audit.sizes", rule, "from, to", "name sizes of signed heads"));
        }
        Ok(self.store().consistency_proof(from, to)?)
    }

    /// The whole log as JSON lines, the signed head last, with what witnesses said of it; an event of its own. Waits a while
    /// for witnesses, if there are any.
    ///
    /// # Errors
    /// [`EngineError::Refused`].
    pub fn export(
        &self,
        caller: &Caller,
    ) -> Result<impl Iterator<Item = Result<String, EngineError>> + Send + use<>, EngineError> {
        self.authorise(caller, Action::AuditExport, ResourceRef::enclave())?;
        let draft = self.done(caller, Action::AuditExport, ResourceRef::enclave().path());
        self.store().record(draft)?;
        let (head, cosignatures) = match self.witnessed_head()? {
            Some(Cosigned { head, cosignatures }) => (head, cosignatures),
            // Whoever reads the log must be able to see what is wrong while witnesses are away.
            None => (self.signed_head()?, Vec::new()),
        };
        let size = head.head.size;
        let last = head
            .export_line(&cosignatures)
            .map_err(|error| EngineError::internal("write a tree head", error))
            .and_then(|line| {
                String::from_utf8(line).map_err(|error| EngineError::internal("write a tree head", error))
            });
        let events = self.store().export(size).map(|line| line.map_err(EngineError::from));
        Ok(events.chain(std::iter::once(last)))
    }

    pub(crate) fn signed_head(&self) -> Result<SignedTreeHead, EngineError> {
        Ok(self.store().signed_head(self.now(), |head| self.sign_head(head))?)
    }

    pub(crate) fn sign_head(&self, head: TreeHead) -> Result<SignedTreeHead, AuditError> {
        head.sign(&self.inner.key)
    }
}
