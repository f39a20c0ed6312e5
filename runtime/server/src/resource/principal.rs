//! `/v1/principals`: natural persons who act for an organisation.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use glovebox_api::{Decision, NewPrincipal, Page};
use glovebox_catalog::{Principal, PrincipalId};

use crate::app::App;
use crate::input::{Asked, Paging, Place, Who, Write};
use crate::problem::Failure;

/// Principals on file.
#[utoipa::path(get, path = "/v1/principals", tag = "principals", params(Paging),
    responses((status = 200, body = Page<Principal>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Principal>>, Failure> {
    let principals = app.ask(&caller, |engine, caller| engine.principals(caller)).await?;
    paging.cut(principals, |principal| principal.id.to_string()).map(Json)
}

/// Files a principal.
#[utoipa::path(post, path = "/v1/principals", tag = "principals", request_body = NewPrincipal,
    responses((status = 201, body = Principal)))]
pub(crate) async fn create(
    State(app): State<App>,
    Who(caller): Who,
    Write { body, once }: Write<NewPrincipal>,
) -> Result<Response, Failure> {
    app.write(&caller, once, StatusCode::CREATED, move |engine, caller| engine.create_principal(caller, body)).await
}

/// Ends a principal's access, at once and on open connections too.
#[utoipa::path(post, path = "/v1/principals/{id}/deactivate", tag = "principals", params(("id" = PrincipalId, Path)),
    request_body = Decision, responses((status = 200, body = Principal)))]
pub(crate) async fn deactivate(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Write { body, once }: Write<Decision>,
) -> Result<Response, Failure> {
    let id: PrincipalId = place.read("id")?;
    app.write(&caller, once, StatusCode::OK, move |engine, caller| engine.deactivate_principal(caller, &id, body)).await
}
