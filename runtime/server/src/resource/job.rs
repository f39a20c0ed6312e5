//! `/v1/jobs`: runs of modules under grants.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use glovebox_api::{Explanation, JobEvent, JobView, Page, SubmitJob};
use glovebox_audit::Receipt;
use glovebox_catalog::JobId;
use glovebox_engine::Caller;
use tokio::sync::watch;

use crate::app::App;
use crate::input::{Asked, Nothing, Paging, Place, Who, Write};
use crate::peer::Peer;
use crate::problem::Failure;
use crate::stream::{News, Source, follow};

/// Jobs that the caller may see.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(Paging), responses((status = 200, body = Page<JobView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<JobView>>, Failure> {
    let page = paging.query()?;
    app.ask(&caller, move |engine, caller| engine.jobs(caller, &page)).await.map(Json)
}

/// Submits a job. It waits for a worker; a full queue answers 429.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = SubmitJob,
    responses((status = 201, body = JobView)))]
pub(crate) async fn submit(
    State(app): State<App>,
    Who(caller): Who,
    Write { body, once }: Write<SubmitJob>,
) -> Result<Response, Failure> {
    app.write(&caller, once, StatusCode::CREATED, move |engine, caller| engine.submit_job(caller, body)).await
}

/// What a job with noise would cost and be worth: its loss, what is left, the error to expect. Nothing is spent or kept.
#[utoipa::path(post, path = "/v1/jobs/explain", tag = "jobs", request_body = SubmitJob,
    responses((status = 200, body = Explanation)))]
pub(crate) async fn explain(
    State(app): State<App>,
    Who(caller): Who,
    Write { body, .. }: Write<SubmitJob>,
) -> Result<Json<Explanation>, Failure> {
    app.ask(&caller, move |engine, caller| engine.explain_job(caller, &body)).await.map(Json)
}

/// One job.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, body = JobView)))]
pub(crate) async fn show(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<JobView>, Failure> {
    let id: JobId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.job(caller, &id)).await.map(Json)
}

/// A job's progress as server-sent events: `event: state` with a JobEvent, the current state first. The stream ends
/// after the final state. `event: problem` with a Problem ends it early.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, body = JobEvent, content_type = "text/event-stream")))]
pub(crate) async fn watch(
    State(app): State<App>,
    Who(caller): Who,
    Extension(peer): Extension<Arc<Peer>>,
    place: Place,
) -> Result<Response, Failure> {
    let id: JobId = place.read("id")?;
    let mut states = app.ask(&caller, move |engine, caller| engine.watch_job(caller, &id)).await?;
    states.mark_changed();
    follow(&app, peer, caller, States(states))
}

struct States(watch::Receiver<JobEvent>);

impl Source for States {
    type Value = JobEvent;
    const EVENT: &'static str = "state";

    async fn next(&mut self, _: &Caller) -> Option<Result<News<JobEvent>, Failure>> {
        // An error says that the engine has let go of the job: the last state was told before.
        self.0.changed().await.ok()?;
        let value = self.0.borrow_and_update().clone();
        let is_last = value.state.is_final();
        Some(Ok(News { value, is_last }))
    }
}

/// Cancels a job that waits or runs.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, body = JobView)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Write { body: Nothing {}, once }: Write<Nothing>,
) -> Result<Response, Failure> {
    let id: JobId = place.read("id")?;
    app.write(&caller, once, StatusCode::OK, move |engine, caller| engine.cancel_job(caller, &id)).await
}

/// The signed receipt of an ended job.
#[utoipa::path(get, path = "/v1/jobs/{id}/receipt", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, body = Receipt)))]
pub(crate) async fn receipt(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Receipt>, Failure> {
    let id: JobId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.job_receipt(caller, &id)).await.map(Json)
}
