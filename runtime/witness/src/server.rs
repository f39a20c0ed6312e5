//! The witness's two routes over plain HTTP/1.1.
//!
//! Without TLS and without names, as in C2SP tlog-witness: all that a witness takes in is signed by the enclave, all that it
//! gives out is signed by itself or known to the log's parties, and it can't be moved but by heads of the enclave. What is
//! left to others is to keep it busy: so connections, times and sizes are bounded. Meant for a private network.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Body};
use bytes::Bytes;
use glovebox_audit::AddHead;
use glovebox_catalog::Timestamp;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::{Refusal, Witness, WitnessError};

/// A request with two heads and a proof takes some thousand bytes.
const BODY_MAX_BYTES: usize = 32 << 10;
const HEADERS_MAX_BYTES: usize = 8 << 10;
const HEADERS_MAX: usize = 32;
/// Connections at once; further ones wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time of a whole connection, which carries one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// A witness that holds its address and can be run.
pub struct Server {
    witness: Arc<Witness>,
    socket: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address; port 0 takes any free one.
    ///
    /// # Errors
    /// [`WitnessError::Listen`] when the system does not give it.
    pub async fn bind(address: SocketAddr, witness: Witness) -> Result<Self, WitnessError> {
        let unavailable = |source| WitnessError::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(unavailable)?;
        let address = socket.local_addr().map_err(unavailable)?;
        Ok(Self { witness: Arc::new(witness), socket, address })
    }

    /// The address taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` ends. What is in progress then is dropped: an enclave asks again. The folder is free by the end.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let app = Router::new()
            .route("/v1/heads", post(add_head))
            .route("/v1/head", get(show))
            .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
            .with_state(self.witness);
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let accepting = async {
            // The semaphore is never closed.
            while let Ok(slot) = slots.clone().acquire_owned().await {
                match self.socket.accept().await {
                    Ok((stream, _)) => {
                        let app = app.clone();
                        while connections.try_join_next().is_some() {}
                        connections.spawn(async move {
                            let _slot = slot;
                            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, answer(stream, app)).await;
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "can't accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = stop => {}
        }
        connections.shutdown().await;
    }
}

async fn answer(stream: TcpStream, app: Router) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| app.clone().oneshot(request.map(Body::new)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADERS_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}

async fn add_head(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<AddHead>(&body) else { return Refusal::Malformed.into_response() };
    // It waits for the disk.
    let cosigned = tokio::task::spawn_blocking(move || witness.add_head(&request, now())).await;
    match cosigned {
        Ok(Ok(cosignature)) => Json(cosignature).into_response(),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => Refusal::NotKept.into_response(),
    }
}

async fn show(State(witness): State<Arc<Witness>>) -> Response {
    match tokio::task::spawn_blocking(move || witness.view(now())).await {
        Ok(view) => Json(view).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Signature => StatusCode::FORBIDDEN,
            Self::OtherLog => StatusCode::NOT_FOUND,
            Self::OldSize { .. } | Self::Fork { .. } => StatusCode::CONFLICT,
            Self::Unproven => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotKept => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self.answer())).into_response()
    }
}

/// The time now, by this machine's clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
