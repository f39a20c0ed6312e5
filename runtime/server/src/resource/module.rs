//! `/v1/modules`: analytic jobs as WebAssembly.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use glovebox_api::{Lint, LintRequest, ModuleView, Page};
use glovebox_catalog::ModuleId;

use crate::app::App;
use crate::input::{Asked, ModuleBody, Paging, Place, Who, Write};
use crate::problem::Failure;

/// Modules that the caller may see.
#[utoipa::path(get, path = "/v1/modules", tag = "modules", params(Paging),
    responses((status = 200, body = Page<ModuleView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<ModuleView>>, Failure> {
    let page = paging.query()?;
    app.ask(&caller, move |engine, caller| engine.modules(caller, &page)).await.map(Json)
}

/// Submits a module: it is inspected, and kept when it may run.
#[utoipa::path(post, path = "/v1/modules", tag = "modules",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = ModuleView)))]
pub(crate) async fn submit(
    State(app): State<App>,
    Who(caller): Who,
    ModuleBody { bytes, once }: ModuleBody,
) -> Result<Response, Failure> {
    app.write(&caller, once, StatusCode::CREATED, move |engine, caller| engine.submit_module(caller, &bytes)).await
}

/// One module: its manifest and what inspection found.
#[utoipa::path(get, path = "/v1/modules/{id}", tag = "modules", params(("id" = ModuleId, Path)),
    responses((status = 200, body = ModuleView)))]
pub(crate) async fn show(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<ModuleView>, Failure> {
    let id: ModuleId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.module(caller, &id)).await.map(Json)
}

/// Which rules the declared outputs of a manifest will meet. Nothing is kept, and no row is looked at.
#[utoipa::path(post, path = "/v1/modules/lint", tag = "modules", request_body = LintRequest,
    responses((status = 200, body = Lint)))]
pub(crate) async fn lint(
    State(app): State<App>,
    Who(caller): Who,
    Write { body, .. }: Write<LintRequest>,
) -> Result<Json<Lint>, Failure> {
    app.ask(&caller, move |engine, caller| engine.lint(caller, &body)).await.map(Json)
}
