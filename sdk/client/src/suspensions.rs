//! Suspensions, and grants whose responsible person has left.

use glovebox_api::{Decision, Page};
use glovebox_catalog::{DatasetId, Grant, GrantId, ModuleId, OrganisationId, Suspended};

use crate::{Client, ClientError, Paging};

/// What is suspended, or goes on; grants have methods of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stoppable {
    /// A dataset.
    Dataset(DatasetId),
    /// A module.
    Module(ModuleId),
    /// An organisation.
    Organisation(OrganisationId),
    /// The zone.
    Zone,
}

impl Client {
    /// `GET /v1/suspensions`: what is suspended now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn suspensions(&self, paging: &Paging) -> Result<Page<Suspended>, ClientError> {
        self.get(&["suspensions"], &paging.query()).await
    }

    /// `POST /v1/…/suspend`: stops a thing at once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn suspend(&self, what: &Stoppable, decision: &Decision) -> Result<Suspended, ClientError> {
        self.step(what, "suspend", decision).await
    }

    /// `POST /v1/…/resume`: consents that a thing goes on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resume(&self, what: &Stoppable, decision: &Decision) -> Result<Suspended, ClientError> {
        self.step(what, "resume", decision).await
    }

    /// `POST /v1/grants/{id}/take-over`: becomes responsible for a grant.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn take_over_grant(&self, id: &GrantId, decision: &Decision) -> Result<Grant, ClientError> {
        self.post(&["grants", id.as_str(), "take-over"], decision).await
    }

    async fn step(&self, what: &Stoppable, step: &str, decision: &Decision) -> Result<Suspended, ClientError> {
        match what {
            Stoppable::Dataset(id) => self.post(&["datasets", id.as_str(), step], decision).await,
            Stoppable::Module(id) => self.post(&["modules", id.as_str(), step], decision).await,
            Stoppable::Organisation(id) => self.post(&["organisations", id.as_str(), step], decision).await,
            Stoppable::Zone => self.post(&["zone", step], decision).await,
        }
    }
}
