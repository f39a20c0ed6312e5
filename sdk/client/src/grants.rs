//! Grants and the decisions on them.

use glovebox_api::{ApproveGrant, Decision, Page};
use glovebox_catalog::{Capacity, Grant, GrantId, GrantTerms};

use crate::{Client, ClientError, Paging};

impl Client {
    /// `GET /v1/grants`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn grants(&self, paging: &Paging) -> Result<Page<Grant>, ClientError> {
        self.get(&["grants"], &paging.query()).await
    }

    /// `POST /v1/grants`: proposes a grant to the caller's organisation.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn propose_grant(&self, terms: &GrantTerms) -> Result<Grant, ClientError> {
        self.post(&["grants"], terms).await
    }

    /// `GET /v1/grants/{id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn grant(&self, id: &GrantId) -> Result<Grant, ClientError> {
        self.get(&["grants", id.as_str()], &[]).await
    }

    /// `POST /v1/grants/{id}/approve`. The capacity may be left out by whoever has only one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approve_grant(
        &self,
        id: &GrantId,
        capacity: Option<Capacity>,
        decision: &Decision,
    ) -> Result<Grant, ClientError> {
        self.post_with(&["grants", id.as_str(), "approve"], &of(capacity), decision).await
    }

    /// `POST /v1/grants/{id}/approve` as supplier, with less than was asked.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approve_narrowed_grant(&self, id: &GrantId, approval: &ApproveGrant) -> Result<Grant, ClientError> {
        self.post_with(&["grants", id.as_str(), "approve"], &of(Some(Capacity::Supplier)), approval).await
    }

    /// `POST /v1/grants/{id}/refuse`. The capacity may be left out by whoever has only one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn refuse_grant(
        &self,
        id: &GrantId,
        capacity: Option<Capacity>,
        decision: &Decision,
    ) -> Result<Grant, ClientError> {
        self.post_with(&["grants", id.as_str(), "refuse"], &of(capacity), decision).await
    }

    /// `POST /v1/grants/{id}/suspend`: stops a grant for the time being.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn suspend_grant(&self, id: &GrantId, decision: &Decision) -> Result<Grant, ClientError> {
        self.post(&["grants", id.as_str(), "suspend"], decision).await
    }

    /// `POST /v1/grants/{id}/resume`: lifts a suspension.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resume_grant(&self, id: &GrantId, decision: &Decision) -> Result<Grant, ClientError> {
        self.post(&["grants", id.as_str(), "resume"], decision).await
    }

    /// `POST /v1/grants/{id}/revoke`: ends a grant for good.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn revoke_grant(&self, id: &GrantId, decision: &Decision) -> Result<Grant, ClientError> {
        self.post(&["grants", id.as_str(), "revoke"], decision).await
    }
}

fn of(capacity: Option<Capacity>) -> Vec<(&'static str, String)> {
    let name = capacity.map(|capacity| match capacity {
        Capacity::Supplier => "supplier",
        Capacity::Reviewer => "reviewer",
    });
    name.into_iter().map(|name| ("capacity", name.to_owned())).collect()
}
