//! `/v1/datasets`: the catalogue.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use glovebox_api::{DatasetClaims, Page, PrivacyLedger};
use glovebox_catalog::{Dataset, DatasetId, DatasetLimits};

use crate::app::App;
use crate::input::{Asked, Paging, Place, Who, Write};
use crate::problem::Failure;

/// Datasets that the caller may see.
#[utoipa::path(get, path = "/v1/datasets", tag = "datasets", params(Paging),
    responses((status = 200, body = Page<Dataset>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Dataset>>, Failure> {
    let page = paging.query()?;
    app.ask(&caller, move |engine, caller| engine.datasets(caller, &page)).await.map(Json)
}

/// Files a dataset of the caller's organisation.
#[utoipa::path(post, path = "/v1/datasets", tag = "datasets", request_body = Dataset,
    responses((status = 201, body = Dataset)))]
pub(crate) async fn register(
    State(app): State<App>,
    Who(caller): Who,
    Write { body, once }: Write<Dataset>,
) -> Result<Response, Failure> {
    app.write(&caller, once, StatusCode::CREATED, move |engine, caller| engine.register_dataset(caller, body)).await
}

/// Sets what a developer organisation may take of the dataset under all its grants, and the longest term of a grant.
#[utoipa::path(post, path = "/v1/datasets/{id}/limits", tag = "datasets", params(("id" = DatasetId, Path)),
    request_body = DatasetLimits, responses((status = 200, body = Dataset)))]
pub(crate) async fn limit(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Write { body, once }: Write<DatasetLimits>,
) -> Result<Response, Failure> {
    let id: DatasetId = place.read("id")?;
    app.write(&caller, once, StatusCode::OK, move |engine, caller| engine.limit_dataset(caller, &id, body)).await
}

/// One dataset with its schema.
#[utoipa::path(get, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses((status = 200, body = Dataset)))]
pub(crate) async fn show(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Dataset>, Failure> {
    let id: DatasetId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.dataset(caller, &id)).await.map(Json)
}

/// The claims on a dataset: whose figures the differencing guard compares others with, and whom that refused.
#[utoipa::path(get, path = "/v1/datasets/{id}/claims", tag = "datasets", params(("id" = DatasetId, Path)),
    responses((status = 200, body = DatasetClaims)))]
pub(crate) async fn claims(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
) -> Result<Json<DatasetClaims>, Failure> {
    let id: DatasetId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.dataset_claims(caller, &id)).await.map(Json)
}

/// The privacy ledger of a dataset: what its supplier allows, and what was spent and is left of it.
#[utoipa::path(get, path = "/v1/datasets/{id}/privacy", tag = "datasets", params(("id" = DatasetId, Path)),
    responses((status = 200, body = PrivacyLedger)))]
pub(crate) async fn privacy(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
) -> Result<Json<PrivacyLedger>, Failure> {
    let id: DatasetId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.privacy_ledger(caller, &id)).await.map(Json)
}
