//! The admin address: metrics and health for the operator's own machines, in the clear and on loopback only.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// Content type of OpenMetrics text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Admin {
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
}

/// `/metrics`, `/healthz` (the process answers) and `/readyz` (it takes requests).
pub(crate) fn router(metrics: Arc<Metrics>, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(show_ready))
        .with_state(Admin { metrics, shutdown })
}

async fn show_metrics(State(admin): State<Admin>) -> Response {
    // Scraping asks the engine, which may wait for the disk.
    match tokio::task::spawn_blocking(move || admin.metrics.text()).await {
        Ok(text) if !text.is_empty() => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn show_ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.shutdown.is_asked() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
