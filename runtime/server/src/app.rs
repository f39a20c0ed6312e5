//! What every request can reach, and what happens around every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use glovebox_engine::{Caller, Engine, EngineError};
use hyper::body::Body as _;
use tokio::sync::{Semaphore, watch};

use crate::config::Limits;
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::problem::{Failed, Failure};
use crate::shutdown::Shutdown;
use crate::tls::Trust;

/// Names the answer in the operator's log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every request can reach.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// The parts of an [`App`].
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: Shutdown,
    pub(crate) streams: Arc<Semaphore>,
    trust: watch::Receiver<Arc<Trust>>,
    requests: Semaphore,
    request_ids: RequestIds,
}

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub(crate) fn new(
        engine: Engine,
        limits: Limits,
        metrics: Arc<Metrics>,
        trust: watch::Receiver<Arc<Trust>>,
        shutdown: Shutdown,
    ) -> Self {
        let requests = Semaphore::new(limits.requests_max);
        let streams = Arc::new(Semaphore::new(limits.streams_max));
        let request_ids = RequestIds::new();
        Self(Arc::new(Parts { engine, limits, metrics, shutdown, streams, trust, requests, request_ids }))
    }

    /// Asks the engine on a thread that may block; its use cases wait for the disk.
    pub(crate) async fn ask<T, W>(&self, caller: &Caller, work: W) -> Result<T, Failure>
    where
        T: Send + 'static,
        W: FnOnce(&Engine, &Caller) -> Result<T, EngineError> + Send + 'static,
    {
        let (engine, caller) = (self.engine.clone(), caller.clone());
        blocking(move || work(&engine, &caller)).await
    }

    /// Whether the peer's certificate holds as of now.
    pub(crate) fn check(&self, peer: &Peer) -> Result<(), Failure> {
        let trust = self.trust.borrow().clone();
        peer.check(&trust)
    }

    /// A fresh id for an answer.
    pub(crate) fn request_id(&self) -> String {
        self.request_ids.next()
    }

    /// Who is at the other end, as of now: the certificate still holds, and the principal is still on file.
    pub(crate) async fn identify(&self, peer: &Arc<Peer>) -> Result<Caller, Failure> {
        let trust = self.trust.borrow().clone();
        let (engine, peer) = (self.engine.clone(), peer.clone());
        blocking(move || {
            peer.check(&trust)?;
            engine.identify(&peer.identity, Some(peer.address)).map_err(Failure::Engine)
        })
        .await
    }
}

async fn blocking<T, E, W>(work: W) -> Result<T, Failure>
where
    T: Send + 'static,
    E: Send + 'static,
    Failure: From<E>,
    W: FnOnce() -> Result<T, E> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Failure::from),
        // What it says may hold what it panicked over: values of rows, perhaps.
        Err(_) => Err(Failure::Internal("a use case panicked; the log has the place".to_owned())),
    }
}

/// The route that answered; left in the answer for [`observe`].
#[derive(Clone, Copy)]
pub(crate) struct Matched(pub(crate) &'static str);

/// Around every request: an id, figures, a line in the log, the headers of every answer, and failures as problems.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let request_id = app.request_id();
    let method = method_label(request.method());
    let has_body = !request.body().is_end_stream();
    let held = app.metrics.request();
    let mut response = next.run(request).await;
    drop(held);
    let route = response.extensions().get::<Matched>().map_or("unmatched", |Matched(path)| path);

    if let Some(Failed(failure)) = response.extensions_mut().remove::<Failed>() {
        if let Some(text) = failure.internal_text() {
            tracing::error!(%request_id, method, route, "{text}");
        }
        let mut problem = failure.render(&request_id);
        // What the router already said, such as Allow, stays.
        for (name, value) in response.headers() {
            if name != header::CONTENT_LENGTH {
                problem.headers_mut().entry(name).or_insert(value.clone());
            }
        }
        if has_body {
            // What is unread of the body makes the connection unfit for another request; the peer must know, or its next
            // request meets a connection that is about to close.
            problem.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response = problem;
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    app.metrics.answered(method, route, status, start.elapsed());
    // The route and not the path: a path may hold whatever a caller puts there.
    tracing::info!(%request_id, method, route, status, milliseconds = start.elapsed().as_millis(), "answered");
    response
}

/// At most so many requests at once; the rest is told to come back.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.requests.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Failure::Busy.into_response(),
    }
}

/// No request gets past this without a caller, not even to learn that its path does not exist.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Arc<Peer>>().cloned() else {
        return Failure::Internal("a request came without a peer".into()).into_response();
    };
    match app.identify(&peer).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

/// A method as a label: callers can't make up new ones.
fn method_label(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Ids of requests: the server's start in milliseconds, then a count.
struct RequestIds {
    start_unix_ms: u128,
    count: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        let start_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Self { start_unix_ms, count: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{:x}-{:x}", self.start_unix_ms, self.count.fetch_add(1, Ordering::Relaxed))
    }
}
