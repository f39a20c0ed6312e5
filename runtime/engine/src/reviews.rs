//! Reviews: outputs that wait for two people who have no part in them, and what those people do.
//!
//! After the gate the run path hands over an [`airlock::Opening`] with [`Engine::open_review`], once its end may show. The
//! reservation stays held until the review ends; cohorts are claimed by then, and privacy loss is spent.
//!
//! A job in review is not among [`glovebox_store::Store::unfinished`]: a restart does not run it again.

pub(crate) mod airlock;
mod difference;

use glovebox_api::{Decision, Page, ReviewOutput};
use glovebox_catalog::{GrantId, GrantState, Principal, Refusal, Review, ReviewId, ReviewState};
use glovebox_gm::sm3;
use glovebox_policy::{self as policy, Action, PolicyError, ResourceRef, ReviewerAct};
use glovebox_store::{JobRow, ReviewFilter};

use crate::{Caller, Engine, EngineError, PageQuery};

/// How often a count that others change at the same time is tried again.
const TRIES_MAX: usize = 20;

impl Engine {
    /// Lists the reviews that the caller may read of, the newest first; those in one state, or all.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn reviews(
        &self,
        caller: &Caller,
        state: Option<ReviewState>,
        query: &PageQuery,
    ) -> Result<Page<Review>, EngineError> {
        let filter = ReviewFilter { state, ..ReviewFilter::default() };
        let page = query.visible(
            |slice| self.store().reviews(filter, slice),
            |review| review.id.to_string(),
            |review| Ok(self.may_see(caller, Action::ReviewRead, self.review_resource(review)?)),
        )?;
        let Page { items, next_cursor } = page;
        let items = items.into_iter().map(|review| self.shown(caller, review)).collect::<Result<_, _>>()?;
        Ok(Page { items, next_cursor })
    }

    /// One review.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn review(&self, caller: &Caller, id: &ReviewId) -> Result<Review, EngineError> {
        let review = self.present(self.sought(caller, Action::ReviewRead, id)?)?;
        self.has_read(caller, Action::ReviewRead, &format!("review/{id}"), "record")?;
        self.shown(caller, review)
    }

    /// The output with everything that it is judged by. Looking at it is an event.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`], [`EngineError::Conflict`] once it was destroyed,
    /// [`EngineError::Busy`] while witnesses are missing.
    pub fn review_output(&self, caller: &Caller, id: &ReviewId) -> Result<ReviewOutput, EngineError> {
        let review = self.present(self.sought(caller, Action::ReviewInspect, id)?)?;
        let path = self.review_resource(&review)?.path();
        if let Err(error) = policy::check_reviewer(&review, &caller.principal) {
            return Err(self.refused_in_review(caller, Action::ReviewInspect, &review, &error));
        }
        let stops = self.stops_showing(&review.grant, &review.dataset, &review.module)?;
        if !stops.is_empty() {
            return Err(self.refuse(caller, Action::ReviewInspect, &path, stops));
        }
        if review.state.is_final() && review.state != ReviewState::Released {
            let rule = format!("an output that did not leave is destroyed; this review is {}", review.state);
            let place = format!("review `{id}`");
            let remedy = "read the record of the review";
            return Err(EngineError::Conflict(Refusal::new("review.output-destroyed", rule, place, remedy)));
        }
        let held = self.unseal(&review)?;
        // The digest of what is sealed: one of the figures themselves could be found out by trying.
        let draft = self.done(caller, Action::ReviewInspect, path).with("candidate_sm3", &review.candidate_sm3);
        let event = self.store().record(draft)?;
        self.await_witnessed_event(event.sequence)?;
        self.output_of(&review, held)
    }

    /// Does what a reviewer decides. The second approval lets the output leave at once, if its grant is active; a refusal
    /// destroys it.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`], [`EngineError::Invalid`] without a comment where one is due,
    /// [`EngineError::Conflict`] when its state does not allow it.
    pub fn judge_review(
        &self,
        caller: &Caller,
        id: &ReviewId,
        act: ReviewerAct,
        decision: &Decision,
    ) -> Result<Review, EngineError> {
        let action = match act {
            ReviewerAct::Claim => Action::ReviewClaim,
            ReviewerAct::Comment => Action::ReviewComment,
            ReviewerAct::Return => Action::ReviewReturn,
            ReviewerAct::Approve => Action::ReviewApprove,
            ReviewerAct::Refuse => Action::ReviewRefuse,
        };
        let now = self.now();
        let after = self.step_of(caller, id, action, decision, |review| {
            policy::judge(review, &caller.principal, act, &decision.comment, now)
        })?;
        let after = if after.state == ReviewState::Approved { self.release_approved(after)? } else { after };
        self.shown(caller, after)
    }

    /// Answers the reviewers' question on behalf of the developer's organisation.
    ///
    /// # Errors
    /// As [`Engine::judge_review`].
    pub fn answer_review(&self, caller: &Caller, id: &ReviewId, decision: &Decision) -> Result<Review, EngineError> {
        let now = self.now();
        let after = self.step_of(caller, id, Action::ReviewAnswer, decision, |review| {
            policy::answer_review(review, &caller.principal, &decision.comment, now)
        })?;
        self.shown(caller, after)
    }

    /// Gives up the output of a job, on behalf of whoever cancelled the job.
    pub(crate) fn withdraw_review_of(&self, job: &JobRow, by: Option<&Principal>) -> Result<(), EngineError> {
        let review = self.store().review_of_job(&job.id)?;
        let review = review.ok_or_else(|| EngineError::NotFound { what: "review", id: job.id.to_string() })?;
        self.withdraw(&review, by)
    }

    /// Gives up every output that waits under a grant which was ended.
    pub(crate) fn withdraw_reviews_under(&self, grant: &GrantId) -> Result<(), EngineError> {
        for review in self.store().open_reviews()?.iter().filter(|review| review.grant == *grant) {
            self.withdraw(review, None)?;
        }
        Ok(())
    }

    /// Ends reviews whose time is over or whose grant was ended, and lets go what was approved and had to wait.
    pub(crate) fn tend_reviews(&self) -> Result<(), EngineError> {
        for review in self.store().open_reviews()? {
            let id = review.id.clone();
            if let Err(error) = self.tend(review) {
                tracing::error!(review = %id, %error, "a review could not be brought up to date");
            }
        }
        Ok(())
    }

    /// Tends the reviews from time to time for as long as the enclave is there.
    pub(crate) fn keep_reviews(&self) {
        let enclave = std::sync::Arc::downgrade(&self.inner);
        let every = self.inner.config.reviews.tended_every;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(inner) = enclave.upgrade() else { return };
                let tended = tokio::task::spawn_blocking(move || Self { inner }.tend_reviews()).await;
                if !matches!(tended, Ok(Ok(()))) {
                    tracing::error!("reviews could not be read");
                }
            }
        });
    }

    /// The review as it stands now: ended, if its time is over.
    fn present(&self, review: Review) -> Result<Review, EngineError> {
        if !review.state.is_final() && self.now() >= review.expires_at {
            return self.tend(review);
        }
        Ok(review)
    }

    fn tend(&self, review: Review) -> Result<Review, EngineError> {
        let now = self.now();
        if now >= review.expires_at {
            let mut after = review.clone();
            policy::expire_review(&mut after, now).map_err(|error| EngineError::internal("end a review", error))?;
            let draft = self.own_review_draft("review.expire", &review);
            return self.end_unreleased(&review, &after, draft);
        }
        if self.found_grant(&review.grant)?.state == GrantState::Revoked {
            self.withdraw(&review, None)?;
            return self.found_review(&review.id);
        }
        if review.state == ReviewState::Approved { self.release_approved(review) } else { Ok(review) }
    }

    fn withdraw(&self, review: &Review, by: Option<&Principal>) -> Result<(), EngineError> {
        let mut after = review.clone();
        if policy::withdraw_review(&mut after, by, self.now()).is_err() {
            return Ok(());
        }
        let draft = self.own_review_draft("review.withdraw", review);
        self.end_unreleased(review, &after, draft)?;
        Ok(())
    }

    /// Takes one step that a person decided on, with its event.
    fn step_of(
        &self,
        caller: &Caller,
        id: &ReviewId,
        action: Action,
        decision: &Decision,
        step: impl FnOnce(&mut Review) -> Result<ReviewState, PolicyError>,
    ) -> Result<Review, EngineError> {
        let before = self.present(self.sought(caller, action, id)?)?;
        let path = self.review_resource(&before)?.path();
        let mut after = before.clone();
        let state = match step(&mut after) {
            Ok(state) => state,
            Err(error) => return Err(self.refused_in_review(caller, action, &before, &error)),
        };
        // What people wrote stays in the record; the log, which others may export, holds that it was written.
        let draft = self
            .done(caller, action, path)
            .with("state", state)
            .with("job", &before.job)
            .with("comment_sm3", sm3(decision.comment.as_bytes()));
        if state.is_final() {
            return self.end_unreleased(&before, &after, draft);
        }
        self.store().update_review(&before, &after, draft)?;
        Ok(after)
    }

    /// Counts one fetch of a reviewed release, with its event; refuses when the time or the number is used up.
    pub(crate) fn count_fetch(
        &self,
        caller: &Caller,
        review: Review,
        draft: &glovebox_audit::Draft,
    ) -> Result<(), EngineError> {
        let mut before = review;
        for _ in 0..TRIES_MAX {
            if let Some(refusal) = fetch_refusal(&before, self.now()) {
                return Err(self.refuse(caller, Action::ReleaseRead, &draft.resource, vec![refusal]));
            }
            let after = Review { fetches: before.fetches + 1, ..before.clone() };
            match self.store().update_review(&before, &after, draft.clone()) {
                Ok(_) => return Ok(()),
                Err(glovebox_store::StoreError::Conflict { .. }) => before = self.found_review(&before.id)?,
                Err(error) => return Err(error.into()),
            }
        }
        let rule = "fetches of one release are counted one after another";
        let reason = Refusal::new("request.changed-meanwhile", rule, &draft.resource, "try again");
        Err(EngineError::Conflict(reason))
    }

    fn refused_in_review(&self, caller: &Caller, action: Action, review: &Review, error: &PolicyError) -> EngineError {
        let path = format!("review/{}", review.id);
        let reason = error.refusal(format!("review `{}`", review.id));
        if let Err(error) = self.record_refusal(caller.actor(), action.as_str(), &path, std::slice::from_ref(&reason)) {
            return error;
        }
        match error {
            PolicyError::ReviewState { .. }
            | PolicyError::ReviewClaimed
            | PolicyError::ReviewNotClaimed
            | PolicyError::ReviewSamePerson
            | PolicyError::ReviewOver { .. } => EngineError::Conflict(reason),
            PolicyError::ReviewCommentMissing { .. } => EngineError::Invalid(vec![reason]),
            _ => EngineError::Refused(vec![reason]),
        }
    }

    /// The record as the caller may read it.
    fn shown(&self, caller: &Caller, review: Review) -> Result<Review, EngineError> {
        let barred = review.barred_organisations.contains(&caller.principal.organisation);
        if !barred && self.may_see(caller, Action::ReviewMinutes, self.review_resource(&review)?) {
            return Ok(review);
        }
        Ok(review.for_developer())
    }

    pub(crate) fn found_review(&self, id: &ReviewId) -> Result<Review, EngineError> {
        self.store().review(id)?.ok_or_else(|| EngineError::NotFound { what: "review", id: id.to_string() })
    }

    pub(crate) fn review_resource(&self, review: &Review) -> Result<ResourceRef, EngineError> {
        Ok(ResourceRef::review(review, &self.found_grant(&review.grant)?))
    }

    pub(crate) fn own_review_draft(&self, action: &str, review: &Review) -> glovebox_audit::Draft {
        let path = format!("review/{}", review.id);
        glovebox_audit::Draft::done(self.now(), glovebox_audit::Actor::default(), action, path).with("job", &review.job)
    }
}

fn fetch_refusal(review: &Review, now: glovebox_catalog::Timestamp) -> Option<Refusal> {
    let place = format!("review `{}`", review.id);
    let remedy = "use the copy that you have fetched, or submit the job again";
    if let Some(until) = review.fetch_until.filter(|until| now >= *until) {
        let rule = format!("a reviewed output can be fetched until {until}");
        return Some(Refusal::new("review.fetch-time-over", rule, place, remedy));
    }
    if review.fetches >= review.fetches_max {
        let rule = format!("a reviewed output can be fetched {} times", review.fetches_max);
        return Some(Refusal::new("review.fetches-exhausted", rule, place, remedy));
    }
    None
}
