//! The audit log, its heads and proofs.

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use glovebox_api::Page;
use glovebox_audit::{ConsistencyProof, Event, InclusionProof, SignedTreeHead};

use glovebox_catalog::{DatasetId, OrganisationId, PrincipalId, Timestamp};

use crate::{Client, ClientError, Paging};

/// Which events of the log; what is none is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventSearch {
    /// Of this action, e.g. `grant.approve`.
    pub action: Option<String>,
    /// About this thing, e.g. `grant/grt-…`.
    pub resource: Option<String>,
    /// By this person, or about their entry.
    pub person: Option<PrincipalId>,
    /// By people of this organisation, or about its entry.
    pub organisation: Option<OrganisationId>,
    /// About this dataset, grants on it and jobs on it.
    pub dataset: Option<DatasetId>,
    /// About grants for this purpose, and jobs under them: its name on the wire, e.g. `research`.
    pub purpose: Option<String>,
    /// From this time on.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

impl EventSearch {
    fn query(&self, paging: &Paging) -> Vec<(&'static str, String)> {
        let Self { action, resource, person, organisation, dataset, purpose, from, until } = self;
        let asked = [
            ("action", action.clone()),
            ("resource", resource.clone()),
            ("person", person.as_ref().map(ToString::to_string)),
            ("organisation", organisation.as_ref().map(ToString::to_string)),
            ("dataset", dataset.as_ref().map(ToString::to_string)),
            ("purpose", purpose.clone()),
            ("from", from.map(|time| time.to_string())),
            ("until", until.map(|time| time.to_string())),
        ];
        let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
        paging.query().into_iter().chain(asked).collect()
    }
}

impl Client {
    /// `GET /v1/audit/events`, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit_events(&self, paging: &Paging, search: &EventSearch) -> Result<Page<Event>, ClientError> {
        self.get(&["audit", "events"], &search.query(paging)).await
    }

    /// `GET /v1/audit/own`, oldest first: events about the data of the caller's organisation.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn own_events(&self, paging: &Paging, search: &EventSearch) -> Result<Page<Event>, ClientError> {
        self.get(&["audit", "own"], &search.query(paging)).await
    }

    /// `GET /v1/audit/head`: the signed head of the log.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tree_head(&self) -> Result<SignedTreeHead, ClientError> {
        self.get(&["audit", "head"], &[]).await
    }

    /// `GET /v1/audit/proofs/inclusion/{sequence}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn inclusion_proof(&self, sequence: u64) -> Result<InclusionProof, ClientError> {
        self.get(&["audit", "proofs", "inclusion", &sequence.to_string()], &[]).await
    }

    /// `GET /v1/audit/proofs/consistency`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn consistency_proof(&self, from: u64, to: u64) -> Result<ConsistencyProof, ClientError> {
        self.get(&["audit", "proofs", "consistency"], &[("from", from.to_string()), ("to", to.to_string())]).await
    }

    /// `GET /v1/audit/export`: the whole log as JSON lines, in chunks cut anywhere. A chunk that is an error means that
    /// the export broke off.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn export_audit(
        &self,
    ) -> Result<impl Stream<Item = Result<Bytes, ClientError>> + Send + Unpin + use<>, ClientError> {
        let response = self.stream_of(&["audit", "export"]).await?;
        Ok(Box::pin(response.bytes_stream().map_err(ClientError::from)))
    }
}
