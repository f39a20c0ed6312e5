//! `/v1/datasets/{id}/snapshots`: rows come in here, streamed into the vault.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use glovebox_api::{IngestionReport, Page, SourceFormat};
use glovebox_catalog::{DatasetId, Snapshot};

use crate::app::App;
use crate::idempotency::Once;
use crate::input::{Asked, Paging, Place, Who, content_type, target};
use crate::peer::Peer;
use crate::problem::Failure;
use crate::upload::Upload;

/// Snapshots of a dataset.
#[utoipa::path(get, path = "/v1/datasets/{id}/snapshots", tag = "datasets", params(("id" = DatasetId, Path), Paging),
    responses((status = 200, body = Page<Snapshot>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Snapshot>>, Failure> {
    let id: DatasetId = place.read("id")?;
    let snapshots = app.ask(&caller, move |engine, caller| engine.snapshots(caller, &id)).await?;
    // Ten digits, so that the order of the texts is that of the numbers.
    paging.cut(snapshots, |snapshot| format!("{:010}", snapshot.number)).map(Json)
}

/// Takes in a table and publishes it as the next snapshot. The body is streamed: rows are checked and encrypted as
/// they come. An idempotency key stands for the dataset, the type and the length, not for the rows.
#[utoipa::path(post, path = "/v1/datasets/{id}/snapshots", tag = "datasets", params(("id" = DatasetId, Path)),
    request_body(content((Vec<u8> = "text/csv"), (Vec<u8> = "application/vnd.apache.parquet"))),
    responses((status = 201, body = IngestionReport)))]
pub(crate) async fn ingest(
    State(app): State<App>,
    Who(caller): Who,
    Extension(peer): Extension<Arc<Peer>>,
    place: Place,
    request: Request,
) -> Result<Response, Failure> {
    let id: DatasetId = place.read("id")?;
    let (parts, body) = request.into_parts();
    let format = match content_type(&parts.headers) {
        Some("text/csv") => SourceFormat::Csv,
        Some("application/vnd.apache.parquet") => SourceFormat::Parquet,
        _ => return Err(Failure::UnsupportedMediaType { expected: "text/csv or application/vnd.apache.parquet" }),
    };
    let header = |name| parts.headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let signature = [target(&parts), header(header::CONTENT_TYPE), header(header::CONTENT_LENGTH)];
    let once = Once::read(&parts.headers, &signature)?;
    let (upload, fault) = Upload::new(&app, peer, body)?;
    let (engine, by) = (app.engine.clone(), caller.clone());
    let work = async move {
        let ingested = engine.ingest(&by, &id, format, upload, Arc::new(|_, _| {})).await;
        ingested.map_err(|error| fault.or(error.into()))
    };
    app.write_async(&caller, once, StatusCode::CREATED, work).await
}

/// What ingestion did: rows, missing values, rows set aside and why.
#[utoipa::path(get, path = "/v1/datasets/{id}/snapshots/{number}/report", tag = "datasets",
    params(("id" = DatasetId, Path), ("number" = u32, Path)), responses((status = 200, body = IngestionReport)))]
pub(crate) async fn report(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
) -> Result<Json<IngestionReport>, Failure> {
    let (id, number): (DatasetId, u32) = (place.read("id")?, place.read("number")?);
    app.ask(&caller, move |engine, caller| engine.ingestion_report(caller, &id, number)).await.map(Json)
}
