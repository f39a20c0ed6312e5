//! `/v1/audit`: the log, its signed heads and proofs.

use std::io;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use glovebox_api::Page;
use glovebox_audit::{ConsistencyProof, Event, InclusionProof, SignedTreeHead};
use glovebox_catalog::{DatasetId, OrganisationId, PrincipalId, Purpose, Timestamp};
use glovebox_engine::{Caller, Engine, EngineError, EventQuery};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use crate::app::App;
use crate::input::{Asked, Place, Who, page_query};
use crate::problem::Failure;

/// Lines of an export that go out at once, in bytes.
const EXPORT_CHUNK_BYTES: usize = 64 << 10;
/// Chunks of an export that wait for the caller.
const EXPORT_CHUNKS: usize = 4;

/// Which entries of the log.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// `next_cursor` of the page before; absent for the first.
    cursor: Option<String>,
    /// Items on a page, 1 to 500; 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only this action, e.g. `grant.approve`.
    action: Option<String>,
    /// Only this resource, e.g. `grant/grt-1`.
    resource: Option<String>,
    /// Only what this person did, or what was done to their entry.
    person: Option<PrincipalId>,
    /// Only what people of this organisation did, or what was done to its entry.
    organisation: Option<OrganisationId>,
    /// Only what is about this dataset, grants on it and jobs on it.
    dataset: Option<DatasetId>,
    /// Only what is about grants for this purpose, and jobs under them.
    purpose: Option<Purpose>,
    /// Only from this time on.
    from: Option<Timestamp>,
    /// Only before this time.
    until: Option<Timestamp>,
}

impl Search {
    fn query(self) -> Result<EventQuery, Failure> {
        let Self { cursor, limit, action, resource, person, organisation, dataset, purpose, from, until } = self;
        let page = page_query(cursor, limit)?;
        Ok(EventQuery { page, action, resource, person, organisation, dataset, purpose, from, until })
    }
}

/// Entries of the log, oldest first.
#[utoipa::path(get, path = "/v1/audit/events", tag = "audit", params(Search),
    responses((status = 200, body = Page<Event>)))]
pub(crate) async fn events(
    State(app): State<App>,
    Who(caller): Who,
    Asked(search): Asked<Search>,
) -> Result<Json<Page<Event>>, Failure> {
    let query = search.query()?;
    app.ask(&caller, move |engine, caller| engine.events(caller, &query)).await.map(Json)
}

/// Entries of the log about the data of the caller's organisation, oldest first: its datasets, grants on them, and jobs,
/// releases and reviews under those.
#[utoipa::path(get, path = "/v1/audit/own", tag = "audit", params(Search),
    responses((status = 200, body = Page<Event>)))]
pub(crate) async fn own(
    State(app): State<App>,
    Who(caller): Who,
    Asked(search): Asked<Search>,
) -> Result<Json<Page<Event>>, Failure> {
    let query = search.query()?;
    app.ask(&caller, move |engine, caller| engine.own_events(caller, &query)).await.map(Json)
}

/// The signed head of the log as of now.
#[utoipa::path(get, path = "/v1/audit/head", tag = "audit", responses((status = 200, body = SignedTreeHead)))]
pub(crate) async fn head(State(app): State<App>, Who(caller): Who) -> Result<Json<SignedTreeHead>, Failure> {
    app.ask(&caller, |engine, caller| engine.tree_head(caller)).await.map(Json)
}

/// Proves that an entry is in the log.
#[utoipa::path(get, path = "/v1/audit/proofs/inclusion/{sequence}", tag = "audit", params(("sequence" = u64, Path)),
    responses((status = 200, body = InclusionProof)))]
pub(crate) async fn inclusion(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
) -> Result<Json<InclusionProof>, Failure> {
    let sequence: u64 = place.read("sequence")?;
    app.ask(&caller, move |engine, caller| engine.inclusion_proof(caller, sequence)).await.map(Json)
}

/// Two sizes of the log.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Sizes {
    /// Size of the older head.
    from: u64,
    /// Size of the newer head.
    to: u64,
}

/// Proves that the log of an older head is the beginning of that of a newer one.
#[utoipa::path(get, path = "/v1/audit/proofs/consistency", tag = "audit", params(Sizes),
    responses((status = 200, body = ConsistencyProof)))]
pub(crate) async fn consistency(
    State(app): State<App>,
    Who(caller): Who,
    Asked(Sizes { from, to }): Asked<Sizes>,
) -> Result<Json<ConsistencyProof>, Failure> {
    app.ask(&caller, move |engine, caller| engine.consistency_proof(caller, from, to)).await.map(Json)
}

/// The whole log as JSON lines: every entry in order, then the signed head. `glovebox audit verify` reads it.
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit",
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(crate) async fn export(State(app): State<App>, Who(caller): Who) -> Result<Response, Failure> {
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, EngineError>>(EXPORT_CHUNKS);
    let engine = app.engine.clone();
    tokio::task::spawn_blocking(move || send_lines(&engine, &caller, &sender));
    // Whether the caller may at all is known with the first chunk; a refusal must come as one.
    let first = receiver.recv().await.transpose()?;
    let rest = ReceiverStream::new(receiver).map(|chunk| {
        // A fault on the way breaks the body off, so that it can't be taken for a whole log.
        chunk.map_err(|error| {
            tracing::error!(%error, "an export of the log broke off");
            io::Error::other("the export broke off")
        })
    });
    let body = Body::from_stream(tokio_stream::iter(first.map(Ok)).chain(rest));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// Sends the export in chunks, until it ends or the caller hangs up.
fn send_lines(engine: &Engine, caller: &Caller, sender: &mpsc::Sender<Result<Bytes, EngineError>>) {
    let sent = engine.export(caller).and_then(|mut lines| {
        let mut chunk = Vec::new();
        lines.try_for_each(|line| {
            // The head's line comes with its line feed, those of events without.
            chunk.extend_from_slice(line?.trim_end_matches('\n').as_bytes());
            chunk.push(b'\n');
            if chunk.len() >= EXPORT_CHUNK_BYTES {
                let _ = sender.blocking_send(Ok(std::mem::take(&mut chunk).into()));
            }
            Ok::<(), EngineError>(())
        })?;
        let _ = sender.blocking_send(Ok(chunk.into()));
        Ok(())
    });
    if let Err(error) = sent {
        let _ = sender.blocking_send(Err(error));
    }
}
