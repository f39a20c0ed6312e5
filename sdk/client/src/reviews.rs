//! Reviews of outputs.

use glovebox_api::{Decision, Page, ReviewOutput};
use glovebox_catalog::{Review, ReviewId, ReviewState};

use crate::{Client, ClientError, Paging};

impl Client {
    /// `GET /v1/reviews`, the newest first: those in one state, or all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn reviews(&self, state: Option<ReviewState>, paging: &Paging) -> Result<Page<Review>, ClientError> {
        let mut query = paging.query();
        query.extend(state.map(|state| ("state", state.as_str().to_owned())));
        self.get(&["reviews"], &query).await
    }

    /// `GET /v1/reviews/{id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn review(&self, id: &ReviewId) -> Result<Review, ClientError> {
        self.get(&["reviews", id.as_str()], &[]).await
    }

    /// `GET /v1/reviews/{id}/output`: what waits, for reviewers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn review_output(&self, id: &ReviewId) -> Result<ReviewOutput, ClientError> {
        self.get(&["reviews", id.as_str(), "output"], &[]).await
    }

    /// `POST /v1/reviews/{id}/claim`: takes an output up.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn claim_review(&self, id: &ReviewId, decision: &Decision) -> Result<Review, ClientError> {
        self.post(&["reviews", id.as_str(), "claim"], decision).await
    }

    /// `POST /v1/reviews/{id}/comment`: notes something for the other reviewers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn comment_review(&self, id: &ReviewId, decision: &Decision) -> Result<Review, ClientError> {
        self.post(&["reviews", id.as_str(), "comment"], decision).await
    }

    /// `POST /v1/reviews/{id}/return`: asks the developer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn return_review(&self, id: &ReviewId, decision: &Decision) -> Result<Review, ClientError> {
        self.post(&["reviews", id.as_str(), "return"], decision).await
    }

    /// `POST /v1/reviews/{id}/approve`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approve_review(&self, id: &ReviewId, decision: &Decision) -> Result<Review, ClientError> {
        self.post(&["reviews", id.as_str(), "approve"], decision).await
    }

    /// `POST /v1/reviews/{id}/refuse`: ends the review without a release.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn refuse_review(&self, id: &ReviewId, decision: &Decision) -> Result<Review, ClientError> {
        self.post(&["reviews", id.as_str(), "refuse"], decision).await
    }

    /// `POST /v1/reviews/{id}/answer`: answers for the developer's organisation.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn answer_review(&self, id: &ReviewId, decision: &Decision) -> Result<Review, ClientError> {
        self.post(&["reviews", id.as_str(), "answer"], decision).await
    }
}
