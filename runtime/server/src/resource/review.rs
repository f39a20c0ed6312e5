//! `/v1/reviews`: outputs that wait for reviewers, and what is decided on them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use glovebox_api::{Decision, Page, ReviewOutput};
use glovebox_catalog::{Review, ReviewId, ReviewState};
use glovebox_engine::{Caller, ReviewerAct};
use serde::Deserialize;

use crate::app::App;
use crate::input::{Asked, Place, Who, Write, page_query};
use crate::problem::Failure;

/// Which reviews are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listed {
    /// Those in this state; all when absent.
    state: Option<ReviewState>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items on a page, 1 to 500; 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Reviews that the caller may read of, the newest first.
#[utoipa::path(get, path = "/v1/reviews", tag = "reviews", params(Listed),
    responses((status = 200, body = Page<Review>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(Listed { state, cursor, limit }): Asked<Listed>,
) -> Result<Json<Page<Review>>, Failure> {
    let page = page_query(cursor, limit)?;
    app.ask(&caller, move |engine, caller| engine.reviews(caller, state, &page)).await.map(Json)
}

/// One review with its history. Developers read what is addressed to them.
#[utoipa::path(get, path = "/v1/reviews/{id}", tag = "reviews", params(("id" = ReviewId, Path)),
    responses((status = 200, body = Review)))]
pub(crate) async fn show(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Review>, Failure> {
    let id: ReviewId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.review(caller, &id)).await.map(Json)
}

/// The output under review: tables, rule report, leakage bound, what the receipt will state, and how it differs from
/// earlier releases of the same module on the same dataset. For reviewers who have no part in it.
#[utoipa::path(get, path = "/v1/reviews/{id}/output", tag = "reviews", params(("id" = ReviewId, Path)),
    responses((status = 200, body = ReviewOutput)))]
pub(crate) async fn output(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
) -> Result<Json<ReviewOutput>, Failure> {
    let id: ReviewId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.review_output(caller, &id)).await.map(Json)
}

/// Takes an output up for review. A reviewer does so before anything else.
#[utoipa::path(post, path = "/v1/reviews/{id}/claim", tag = "reviews", params(("id" = ReviewId, Path)),
    request_body = Decision, responses((status = 200, body = Review)))]
pub(crate) async fn claim(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    write: Write<Decision>,
) -> Result<Response, Failure> {
    judge(app, caller, place, ReviewerAct::Claim, write).await
}

/// Notes something for the other reviewers. The developer does not read it.
#[utoipa::path(post, path = "/v1/reviews/{id}/comment", tag = "reviews", params(("id" = ReviewId, Path)),
    request_body = Decision, responses((status = 200, body = Review)))]
pub(crate) async fn comment(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    write: Write<Decision>,
) -> Result<Response, Failure> {
    judge(app, caller, place, ReviewerAct::Comment, write).await
}

/// Sends the output back with a question. The developer reads the comment.
#[utoipa::path(post, path = "/v1/reviews/{id}/return", tag = "reviews", params(("id" = ReviewId, Path)),
    request_body = Decision, responses((status = 200, body = Review)))]
pub(crate) async fn give_back(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    write: Write<Decision>,
) -> Result<Response, Failure> {
    judge(app, caller, place, ReviewerAct::Return, write).await
}

/// Approves the output. It leaves with the second reviewer's approval.
#[utoipa::path(post, path = "/v1/reviews/{id}/approve", tag = "reviews", params(("id" = ReviewId, Path)),
    request_body = Decision, responses((status = 200, body = Review)))]
pub(crate) async fn approve(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    write: Write<Decision>,
) -> Result<Response, Failure> {
    judge(app, caller, place, ReviewerAct::Approve, write).await
}

/// Refuses the output, for good; it is destroyed. The developer reads the comment.
#[utoipa::path(post, path = "/v1/reviews/{id}/refuse", tag = "reviews", params(("id" = ReviewId, Path)),
    request_body = Decision, responses((status = 200, body = Review)))]
pub(crate) async fn refuse(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    write: Write<Decision>,
) -> Result<Response, Failure> {
    judge(app, caller, place, ReviewerAct::Refuse, write).await
}

/// Answers the reviewers' question, for the developer's organisation.
#[utoipa::path(post, path = "/v1/reviews/{id}/answer", tag = "reviews", params(("id" = ReviewId, Path)),
    request_body = Decision, responses((status = 200, body = Review)))]
pub(crate) async fn answer(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Write { body, once }: Write<Decision>,
) -> Result<Response, Failure> {
    let id: ReviewId = place.read("id")?;
    app.write(&caller, once, StatusCode::OK, move |engine, caller| engine.answer_review(caller, &id, &body)).await
}

async fn judge(
    app: App,
    caller: Caller,
    place: Place,
    act: ReviewerAct,
    Write { body, once }: Write<Decision>,
) -> Result<Response, Failure> {
    let id: ReviewId = place.read("id")?;
    app.write(&caller, once, StatusCode::OK, move |engine, caller| engine.judge_review(caller, &id, act, &body)).await
}
