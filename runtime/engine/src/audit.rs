//! The audit log: search, export, heads and proofs.

use glovebox_api::Page;
use glovebox_audit::{AuditError, ConsistencyProof, Event, InclusionProof, SignedTreeHead, TreeHead};
use glovebox_policy::{Action, ResourceRef};
use glovebox_store::EventFilter;

use crate::witnesses::Cosigned;
use crate::{Caller, Engine, EngineError, PageQuery};

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Which page; the cursor is a sequence number.
    pub page: PageQuery,
    /// Only this action, e.g. `grant.approve`.
    pub action: Option<String>,
    /// Only this resource, e.g. `grant/grt-…`.
    pub resource: Option<String>,
}

impl Engine {
    /// Lists events, the oldest first.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Invalid`] for a cursor that is none.
    pub fn events(&self, caller: &Caller, query: &EventQuery) -> Result<Page<Event>, EngineError> {
        self.authorise(caller, Action::AuditRead, ResourceRef::enclave())?;
        let filter =
            EventFilter { action: query.action.as_deref(), resource: query.resource.as_deref(), principal: None };
        query.page.visible(|slice| self.store().events(filter, slice), |event| event.sequence.to_string(), |_| Ok(true))
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
