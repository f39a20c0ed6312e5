//! `/v1/organisations`: who takes part in the zone.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use glovebox_api::Page;
use glovebox_catalog::Organisation;

use crate::app::App;
use crate::input::{Asked, Paging, Who, Write};
use crate::problem::Failure;

/// Organisations on file.
#[utoipa::path(get, path = "/v1/organisations", tag = "organisations", params(Paging),
    responses((status = 200, body = Page<Organisation>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Organisation>>, Failure> {
    let organisations = app.ask(&caller, |engine, caller| engine.organisations(caller)).await?;
    paging.cut(organisations, |organisation| organisation.id.to_string()).map(Json)
}

/// Files an organisation.
#[utoipa::path(post, path = "/v1/organisations", tag = "organisations", request_body = Organisation,
    responses((status = 201, body = Organisation)))]
pub(crate) async fn create(
    State(app): State<App>,
    Who(caller): Who,
    Write { body, once }: Write<Organisation>,
) -> Result<Response, Failure> {
    app.write(&caller, once, StatusCode::CREATED, move |engine, caller| engine.create_organisation(caller, body)).await
}
