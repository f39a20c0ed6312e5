//! `/v1/grants`: who may compute what on which data.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use glovebox_api::{ApproveGrant, Decision, Page};
use glovebox_catalog::{Capacity, Grant, GrantId, GrantTerms};
use glovebox_engine::GrantAction;
use serde::Deserialize;

use crate::app::App;
use crate::input::{Asked, Paging, Place, Who, Write};
use crate::problem::Failure;

/// Grants that the caller may see.
#[utoipa::path(get, path = "/v1/grants", tag = "grants", params(Paging),
    responses((status = 200, body = Page<Grant>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Grant>>, Failure> {
    let page = paging.query()?;
    app.ask(&caller, move |engine, caller| engine.grants(caller, &page)).await.map(Json)
}

/// Proposes a grant to the caller's organisation.
#[utoipa::path(post, path = "/v1/grants", tag = "grants", request_body = GrantTerms,
    responses((status = 201, body = Grant)))]
pub(crate) async fn propose(
    State(app): State<App>,
    Who(caller): Who,
    Write { body, once }: Write<GrantTerms>,
) -> Result<Response, Failure> {
    app.write(&caller, once, StatusCode::CREATED, move |engine, caller| engine.propose_grant(caller, body)).await
}

/// One grant with its approvals.
#[utoipa::path(get, path = "/v1/grants/{id}", tag = "grants", params(("id" = GrantId, Path)),
    responses((status = 200, body = Grant)))]
pub(crate) async fn show(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Grant>, Failure> {
    let id: GrantId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.grant(caller, &id)).await.map(Json)
}

/// In which capacity a decision is given.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct In {
    /// For the supplier of a dataset in scope, or as reviewer. May be left out by whoever has one of the two roles.
    capacity: Option<Capacity>,
}

/// Approves a grant, of all that was asked or, for a supplier, of less. It is active once every supplier concerned and a
/// reviewer have approved the terms as they stand.
#[utoipa::path(post, path = "/v1/grants/{id}/approve", tag = "grants", params(("id" = GrantId, Path), In),
    request_body = ApproveGrant, responses((status = 200, body = Grant)))]
pub(crate) async fn approve(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Asked(In { capacity }): Asked<In>,
    Write { body, once }: Write<ApproveGrant>,
) -> Result<Response, Failure> {
    let ApproveGrant { comment, narrowing } = body;
    let decision = Decision { comment };
    let id: GrantId = place.read("id")?;
    app.write(&caller, once, StatusCode::OK, move |engine, caller| match narrowing {
        Some(narrowing) => engine.narrow_grant(caller, &id, &narrowing, &decision),
        None => engine.decide_grant(caller, &id, GrantAction::Approve { capacity }, decision),
    })
    .await
}

/// Refuses a grant, for good.
#[utoipa::path(post, path = "/v1/grants/{id}/refuse", tag = "grants", params(("id" = GrantId, Path), In),
    request_body = Decision, responses((status = 200, body = Grant)))]
pub(crate) async fn refuse(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Asked(In { capacity }): Asked<In>,
    write: Write<Decision>,
) -> Result<Response, Failure> {
    decide(app, caller, place, GrantAction::Refuse { capacity }, write).await
}

/// Stops a grant for the time being.
#[utoipa::path(post, path = "/v1/grants/{id}/suspend", tag = "grants", params(("id" = GrantId, Path)),
    request_body = Decision, responses((status = 200, body = Grant)))]
pub(crate) async fn suspend(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    write: Write<Decision>,
) -> Result<Response, Failure> {
    decide(app, caller, place, GrantAction::Suspend, write).await
}

/// Lifts a suspension.
#[utoipa::path(post, path = "/v1/grants/{id}/resume", tag = "grants", params(("id" = GrantId, Path)),
    request_body = Decision, responses((status = 200, body = Grant)))]
pub(crate) async fn resume(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    write: Write<Decision>,
) -> Result<Response, Failure> {
    decide(app, caller, place, GrantAction::Resume, write).await
}

/// Ends a grant for good.
#[utoipa::path(post, path = "/v1/grants/{id}/revoke", tag = "grants", params(("id" = GrantId, Path)),
    request_body = Decision, responses((status = 200, body = Grant)))]
pub(crate) async fn revoke(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    write: Write<Decision>,
) -> Result<Response, Failure> {
    decide(app, caller, place, GrantAction::Revoke, write).await
}

async fn decide(
    app: App,
    caller: glovebox_engine::Caller,
    place: Place,
    action: GrantAction,
    Write { body, once }: Write<Decision>,
) -> Result<Response, Failure> {
    let id: GrantId = place.read("id")?;
    app.write(&caller, once, StatusCode::OK, move |engine, caller| engine.decide_grant(caller, &id, action, body)).await
}
