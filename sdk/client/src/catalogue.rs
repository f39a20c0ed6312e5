//! Organisations, principals, datasets and their snapshots.

use glovebox_api::{DatasetClaims, Decision, IngestionReport, NewPrincipal, Page, PrivacyLedger};
use glovebox_catalog::{Dataset, DatasetId, DatasetLimits, Organisation, Principal, PrincipalId, Snapshot};

use crate::{Client, ClientError, Paging};

impl Client {
    /// `GET /v1/organisations`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn organisations(&self, paging: &Paging) -> Result<Page<Organisation>, ClientError> {
        self.get(&["organisations"], &paging.query()).await
    }

    /// `POST /v1/organisations`: files an organisation.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn create_organisation(&self, organisation: &Organisation) -> Result<Organisation, ClientError> {
        self.post(&["organisations"], organisation).await
    }

    /// `GET /v1/principals`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn principals(&self, paging: &Paging) -> Result<Page<Principal>, ClientError> {
        self.get(&["principals"], &paging.query()).await
    }

    /// `POST /v1/principals`: files a principal.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn create_principal(&self, principal: &NewPrincipal) -> Result<Principal, ClientError> {
        self.post(&["principals"], principal).await
    }

    /// `POST /v1/principals/{id}/deactivate`: ends a principal's access.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn deactivate_principal(&self, id: &PrincipalId, why: &Decision) -> Result<Principal, ClientError> {
        self.post(&["principals", id.as_str(), "deactivate"], why).await
    }

    /// `GET /v1/datasets`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn datasets(&self, paging: &Paging) -> Result<Page<Dataset>, ClientError> {
        self.get(&["datasets"], &paging.query()).await
    }

    /// `POST /v1/datasets`: files a dataset.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn register_dataset(&self, dataset: &Dataset) -> Result<Dataset, ClientError> {
        self.post(&["datasets"], dataset).await
    }

    /// `GET /v1/datasets/{id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dataset(&self, id: &DatasetId) -> Result<Dataset, ClientError> {
        self.get(&["datasets", id.as_str()], &[]).await
    }

    /// `GET /v1/datasets/{id}/snapshots`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn snapshots(&self, id: &DatasetId, paging: &Paging) -> Result<Page<Snapshot>, ClientError> {
        self.get(&["datasets", id.as_str(), "snapshots"], &paging.query()).await
    }

    /// `GET /v1/datasets/{id}/snapshots/{number}/report`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ingestion_report(&self, id: &DatasetId, number: u32) -> Result<IngestionReport, ClientError> {
        self.get(&["datasets", id.as_str(), "snapshots", &number.to_string(), "report"], &[]).await
    }

    /// `POST /v1/datasets/{id}/limits`: sets what a developer organisation may take of it, and the longest term.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn limit_dataset(&self, id: &DatasetId, limits: &DatasetLimits) -> Result<Dataset, ClientError> {
        self.post(&["datasets", id.as_str(), "limits"], limits).await
    }

    /// `GET /v1/datasets/{id}/claims`: whose figures the differencing guard compares others with, and whom that refused.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dataset_claims(&self, id: &DatasetId) -> Result<DatasetClaims, ClientError> {
        self.get(&["datasets", id.as_str(), "claims"], &[]).await
    }

    /// `GET /v1/datasets/{id}/privacy`: what was spent of a dataset's privacy limit, as far as the caller may see it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn privacy_ledger(&self, id: &DatasetId) -> Result<PrivacyLedger, ClientError> {
        self.get(&["datasets", id.as_str(), "privacy"], &[]).await
    }
}
