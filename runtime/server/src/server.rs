//! The server from bind to shutdown.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use glovebox_engine::Engine;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app::App;
use crate::config::{Config, Limits};
use crate::error::ServerError;
use crate::listener::{Door, Listener};
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::tls::Trust;
use crate::{admin, routes, tls};

/// A server that holds its addresses and can be run.
pub struct Server {
    engine: Engine,
    config: Config,
    metrics: Arc<Metrics>,
    rest: Listener,
    admin: Listener,
    trust: watch::Receiver<Arc<Trust>>,
    /// Metrics, health and the TLS files are looked after until this is cancelled: at the very end, or when dropped.
    ended: DropGuard,
}

impl Server {
    /// Takes both addresses, so that whoever waits for the server can be told them before it runs.
    ///
    /// # Errors
    /// [`ServerError`] when an address is taken, the admin address is not a loopback one, or the TLS files can't be used.
    pub async fn bind(config: Config, engine: Engine) -> Result<Self, ServerError> {
        if !config.admin.ip().is_loopback() {
            return Err(ServerError::AdminAddress { address: config.admin });
        }
        let metrics = Arc::new(Metrics::new(Some(engine.clone())));
        let rest = Listener::bind(config.listen, config.limits.clone(), metrics.clone()).await?;
        // A few scrapers; their connections must not take from those of the zone.
        let few = Limits { connections_max: 32, connections_per_address_max: 32, ..config.limits.clone() };
        let admin = Listener::bind(config.admin, few, metrics.clone()).await?;
        let ended = CancellationToken::new();
        let trust = tls::watch_files(config.tls.clone(), Some(engine.clone()), metrics.clone(), ended.clone())?;
        Ok(Self { engine, config, metrics, rest, admin, trust, ended: ended.drop_guard() })
    }

    /// Address of the REST interface.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.rest.address()
    }

    /// Address of metrics and health.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Starts the engine and serves until `stop` ends; then lets requests and jobs finish within the grace.
    ///
    /// # Errors
    /// [`ServerError`] when the server can't go on.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        let Self { engine, config, metrics, rest, admin, trust, ended: end } = self;
        let ended = end.disarm();
        let _end = ended.clone().drop_guard();
        let shutdown = Shutdown::default();
        engine.note_server(config.settings())?;
        engine.start();

        let app = App::new(engine.clone(), config.limits, metrics.clone(), trust.clone(), shutdown.clone());
        let admin_router = admin::router(metrics, shutdown.clone());
        let (admin_shutdown, admin_ended) = (Shutdown::default(), ended);
        let admin_task = admin_shutdown.clone();
        tokio::spawn(async move {
            admin_ended.run_until_cancelled(admin.serve(Door::Plain, admin_router, admin_task)).await;
        });
        let accepting = tokio::spawn(rest.serve(Door::MutualTls(trust), routes::router(app), shutdown.clone()));

        stop.await;
        tracing::info!("shutdown was asked for");
        let deadline = Instant::now() + config.shutdown_grace;
        shutdown.ask();
        let _ = accepting.await;
        if !shutdown.wait(deadline.saturating_duration_since(Instant::now())).await {
            tracing::warn!("requests did not end within the grace and were dropped");
        }
        engine.shutdown(deadline.saturating_duration_since(Instant::now())).await;
        admin_shutdown.ask();
        Ok(())
    }
}
