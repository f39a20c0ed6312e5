//! Accepting connections: bounded in number, each with a deadline for its handshake and for every request's headers.
//!
//! HTTP/1.1 alone: one request at a time on a connection, which keeps bounds and shutdown plain, and none of the
//! streams, resets and header tables of HTTP/2 to be abused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;

use crate::config::Limits;
use crate::error::ServerError;
use crate::handshake::{Handshake, Met, Outcome, RefusalLog};
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::shutdown::Shutdown;
use crate::tls::Trust;

/// How a listener takes its peers.
#[derive(Clone)]
pub(crate) enum Door {
    /// Over mutual TLS; a request carries its [`Peer`].
    MutualTls(watch::Receiver<Arc<Trust>>),
    /// In the clear; for loopback only.
    Plain,
}

/// A bound socket that is not served yet.
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    limits: Limits,
    metrics: Arc<Metrics>,
}

impl Listener {
    /// Takes the address; port 0 takes any free port.
    ///
    /// # Errors
    /// [`ServerError::Listen`] when the system does not give it.
    pub(crate) async fn bind(address: SocketAddr, limits: Limits, metrics: Arc<Metrics>) -> Result<Self, ServerError> {
        let unavailable = |source| ServerError::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(unavailable)?;
        let address = socket.local_addr().map_err(unavailable)?;
        Ok(Self { socket, address, limits, metrics })
    }

    /// The address taken.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until shutdown is asked for, then closes the socket. Connections end by themselves; the shutdown
    /// waits for them.
    pub(crate) async fn serve(self, door: Door, app: Router, shutdown: Shutdown) {
        let slots = Slots::new(&self.limits);
        let refusals = Arc::new(RefusalLog::default());
        loop {
            let Some(slot) = shutdown.unless_asked(slots.free()).await else { break };
            let Some(accepted) = shutdown.unless_asked(self.socket.accept()).await else { break };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: others must close before another try makes sense.
                    tracing::warn!(%error, "can't accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Some(slot) = slots.of_address(slot, peer.ip()) else {
                let outcome = "too-many-of-address";
                self.metrics.handshake(Outcome { suites: None, session: "none", outcome });
                continue;
            };
            let connection = Connection {
                limits: self.limits.clone(),
                metrics: self.metrics.clone(),
                app: app.clone(),
                shutdown: shutdown.clone(),
                refusals: refusals.clone(),
                address: peer.ip(),
            };
            let door = door.clone();
            shutdown.track(async move {
                let _slot = slot;
                connection.run(stream, door).await;
            });
        }
    }
}

/// One connection and what it needs.
struct Connection {
    limits: Limits,
    metrics: Arc<Metrics>,
    app: Router,
    shutdown: Shutdown,
    refusals: Arc<RefusalLog>,
    address: IpAddr,
}

impl Connection {
    async fn run(self, stream: TcpStream, door: Door) {
        let _held = self.metrics.connection();
        // Small answers must not wait for the acknowledgement of the ones before.
        let _ = stream.set_nodelay(true);
        match door {
            Door::Plain => self.answer(stream, None).await,
            Door::MutualTls(trust) => {
                if let Some((stream, peer)) = self.shake_hands(stream, &trust).await {
                    self.answer(stream, Some(peer)).await;
                }
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream, trust: &watch::Receiver<Arc<Trust>>) -> Option<Met> {
        let handshake = Handshake::new(trust, self.address, &self.refusals);
        let (met, outcome) = self.shutdown.unless_asked(handshake.run(stream, self.limits.handshake_timeout)).await?;
        self.metrics.handshake(outcome);
        met
    }

    async fn answer<S>(&self, stream: S, peer: Option<Arc<Peer>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|mut request: Request<Incoming>| {
            if let Some(peer) = &peer {
                request.extensions_mut().insert(peer.clone());
            }
            self.app.clone().oneshot(request.map(Body::new))
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.header_timeout)
                .max_headers(self.limits.headers_max)
                .max_header_size(self.limits.headers_max_bytes)
                .serve_connection(TokioIo::new(stream), service)
        );
        if self.shutdown.unless_asked(connection.as_mut()).await.is_none() {
            // The request in progress is answered, then the connection closes; one that idles closes now.
            connection.as_mut().graceful_shutdown();
            let _ = self.shutdown.unless_forced(connection).await;
        }
    }
}

/// Room for connections, in all and by network address.
struct Slots {
    all: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    of_one_address_max: usize,
}

impl Slots {
    fn new(limits: &Limits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.connections_max)),
            by_address: Arc::default(),
            of_one_address_max: limits.connections_per_address_max,
        }
    }

    /// Waits until there is room for one more.
    async fn free(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.all.clone().acquire_owned().await.ok()
    }

    /// Room for one more of `address`, unless it has its share.
    fn of_address(&self, permit: Option<OwnedSemaphorePermit>, address: IpAddr) -> Option<Slot> {
        let network = network(address);
        let mut open = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if *count >= self.of_one_address_max {
            return None;
        }
        *count += 1;
        Some(Slot { _permit: permit, by_address: self.by_address.clone(), network })
    }
}

/// Room that one connection takes, given back when it ends.
struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    network: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

/// A host owns its whole /64 in IPv6, so that counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        },
    }
}

#[cfg(test)]
mod tests;
