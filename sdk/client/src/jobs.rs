//! Modules and jobs.

use bytes::Bytes;
use glovebox_api::{Explanation, JobEvent, JobView, Lint, LintRequest, ModuleView, Page, SubmitJob};
use glovebox_audit::Receipt;
use glovebox_catalog::{JobId, ModuleId};

use crate::call::Body;
use crate::{Client, ClientError, Paging, Watch};

impl Client {
    /// `GET /v1/modules`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn modules(&self, paging: &Paging) -> Result<Page<ModuleView>, ClientError> {
        self.get(&["modules"], &paging.query()).await
    }

    /// `POST /v1/modules`: submits a module for inspection.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit_module(&self, module: impl Into<Bytes>) -> Result<ModuleView, ClientError> {
        self.write(&["modules"], &[], Body::Module(module.into())).await
    }

    /// `GET /v1/modules/{id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn module(&self, id: &ModuleId) -> Result<ModuleView, ClientError> {
        self.get(&["modules", id.as_str()], &[]).await
    }

    /// `POST /v1/modules/lint`: which rules the declared outputs of a manifest will meet.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn lint(&self, request: &LintRequest) -> Result<Lint, ClientError> {
        self.post(&["modules", "lint"], request).await
    }

    /// `GET /v1/jobs`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn jobs(&self, paging: &Paging) -> Result<Page<JobView>, ClientError> {
        self.get(&["jobs"], &paging.query()).await
    }

    /// `POST /v1/jobs`: submits a job.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit_job(&self, job: &SubmitJob) -> Result<JobView, ClientError> {
        self.post(&["jobs"], job).await
    }

    /// `POST /v1/jobs/explain`: what a job with noise would cost and be worth. Nothing is spent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn explain_job(&self, job: &SubmitJob) -> Result<Explanation, ClientError> {
        self.post(&["jobs", "explain"], job).await
    }

    /// `GET /v1/jobs/{id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn job(&self, id: &JobId) -> Result<JobView, ClientError> {
        self.get(&["jobs", id.as_str()], &[]).await
    }

    /// `GET /v1/jobs/{id}/events`: the job's states as they change, the current one first, up to the final one.
    /// Connects again when the connection breaks.
    #[must_use]
    pub fn watch_job(&self, id: &JobId) -> Watch<JobEvent> {
        let path = vec!["jobs".into(), id.to_string(), "events".into()];
        Watch::new(self.clone(), path, "state", |event| event.state.is_final())
    }

    /// Waits until a job has ended.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn finished_job(&self, id: &JobId) -> Result<JobView, ClientError> {
        let mut states = self.watch_job(id);
        while let Some(event) = states.next().await {
            event?;
        }
        self.job(id).await
    }

    /// `POST /v1/jobs/{id}/cancel`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel_job(&self, id: &JobId) -> Result<JobView, ClientError> {
        self.write(&["jobs", id.as_str(), "cancel"], &[], Body::Json(b"{}")).await
    }

    /// `GET /v1/jobs/{id}/receipt`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn job_receipt(&self, id: &JobId) -> Result<Receipt, ClientError> {
        self.get(&["jobs", id.as_str(), "receipt"], &[]).await
    }
}
