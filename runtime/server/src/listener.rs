//! Accepting connections: bounded in number, each with deadlines for its handshake and for every request's headers.
//!
//! A connection is taken at once, whoever it is of, and waits in the [`Anteroom`] until its handshake is done. Only then
//! does it take a [`Slots`] of those that are served: by its address, and by whom its certificate names. So strangers,
//! however many, take no room from holders of a certificate, and one holder takes only so much from the others.
//!
//! HTTP/1.1 alone: one request at a time on a connection, which keeps bounds and shutdown plain, and none of the
//! streams, resets and header tables of HTTP/2 to be abused.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
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
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::anteroom::{Anteroom, Place};
use crate::config::Limits;
use crate::error::ServerError;
use crate::handshake::{Handshake, Met, Outcome, RefusalLog};
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::shutdown::Shutdown;
use crate::slots::{Slot, Slots, network};
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
        let anteroom = Anteroom::new(self.limits.handshakes_max, self.limits.handshakes_per_address_max);
        let refusals = Arc::new(RefusalLog::default());
        loop {
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
            let connection = Connection {
                limits: self.limits.clone(),
                metrics: self.metrics.clone(),
                app: app.clone(),
                shutdown: shutdown.clone(),
                refusals: refusals.clone(),
                address: peer.ip(),
                slots: slots.clone(),
            };
            match &door {
                Door::Plain => drop(shutdown.track(connection.serve_plain(stream))),
                Door::MutualTls(trust) => {
                    let place = anteroom.enter(network(peer.ip()));
                    shutdown.track(connection.serve_tls(stream, trust.clone(), place));
                }
            }
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
    slots: Slots,
}

impl Connection {
    async fn serve_plain(self, stream: TcpStream) {
        let _held = self.metrics.connection();
        let Ok(_slot) = self.slots.take(self.address, None) else { return };
        let _ = stream.set_nodelay(true);
        self.answer(stream, None).await;
    }

    async fn serve_tls(self, stream: TcpStream, trust: watch::Receiver<Arc<Trust>>, place: Place) {
        let _held = self.metrics.connection();
        // Small answers must not wait for the acknowledgement of the ones before.
        let _ = stream.set_nodelay(true);
        let met = self.shake_hands(stream, &trust, &place).await;
        drop(place);
        if let Some(((stream, peer), _slot)) = met {
            self.answer(stream, Some(peer)).await;
        }
    }

    /// The peer with its room among the served, if it gets through and there is any.
    async fn shake_hands(
        &self,
        stream: TcpStream,
        trust: &watch::Receiver<Arc<Trust>>,
        place: &Place,
    ) -> Option<(Met, Slot)> {
        let handshake = Handshake::new(trust, self.address, &self.refusals, place);
        let shaken = place.unless_sent_away(handshake.run(stream, &self.limits));
        let Some((met, outcome)) = self.shutdown.unless_asked(shaken).await? else {
            self.metrics.handshake(Outcome { suites: None, session: "none", outcome: "gave-way" });
            return None;
        };
        let Some(met) = met else {
            self.metrics.handshake(outcome);
            return None;
        };
        match self.slots.take(self.address, Some(&met.1.identity)) {
            Ok(slot) => {
                self.metrics.handshake(outcome);
                Some((met, slot))
            }
            Err(full) => {
                self.metrics.handshake(Outcome { outcome: full, ..outcome });
                None
            }
        }
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

#[cfg(test)]
mod tests;
