//! The audit log, its heads and proofs.

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use glovebox_api::Page;
use glovebox_audit::{ConsistencyProof, Event, InclusionProof, SignedTreeHead};

use crate::{Client, ClientError, Paging};

impl Client {
    /// `GET /v1/audit/events`, oldest first; only of an action (`grant.approve`) or resource (`grant/grt-…`) if given.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit_events(
        &self,
        paging: &Paging,
        action: Option<&str>,
        resource: Option<&str>,
    ) -> Result<Page<Event>, ClientError> {
        let mut query = paging.query();
        query.extend(action.map(|action| ("action", action.to_owned())));
        query.extend(resource.map(|resource| ("resource", resource.to_owned())));
        self.get(&["audit", "events"], &query).await
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
