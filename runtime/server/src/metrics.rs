//! What the admin address shows to Prometheus: the server's own figures and the engine's.
//!
//! Labels are routes, methods, status codes, states and refusal codes: nothing that names a person or an
//! organisation, and nothing that comes from a row.

use std::time::Duration;

use glovebox_engine::{BudgetLeft, Engine, Figures};
use glovebox_tls::Suites;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::handshake::Outcome;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    suites: &'static str,
    session: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    suites: &'static str,
    outcome: &'static str,
}

/// The server's own figures.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_seconds: Family<Route, Histogram, fn() -> Histogram>,
    requests_in_flight: Gauge,
    connections: Gauge,
    handshakes: Family<HandshakeLabels, Counter>,
    tls_reloads: Family<ReloadLabels, Counter>,
    upload_bytes: Counter,
    streams: Gauge,
}

impl Metrics {
    /// Registers the server's figures, and the engine's where there is one.
    pub(crate) fn new(engine: Option<Engine>) -> Self {
        let mut registry = Registry::with_prefix("glovebox");
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_5, 2.0, 16))),
            requests_in_flight: Gauge::default(),
            connections: Gauge::default(),
            handshakes: Family::default(),
            tls_reloads: Family::default(),
            upload_bytes: Counter::default(),
            streams: Gauge::default(),
        };
        let Self { requests, request_seconds, requests_in_flight, connections, handshakes, .. } = &metrics;
        registry.register("http_requests", "Requests answered", requests.clone());
        let seconds = "Time to the head of the answer";
        registry.register_with_unit("http_request", seconds, Unit::Seconds, request_seconds.clone());
        registry.register("http_requests_in_flight", "Requests being answered", requests_in_flight.clone());
        registry.register("http_streams", "Event streams open", metrics.streams.clone());
        registry.register("connections", "Connections open", connections.clone());
        registry.register("tls_handshakes", "TLS handshakes by suites, session and outcome", handshakes.clone());
        registry.register("tls_reloads", "Changes of the TLS files by suites and outcome", metrics.tls_reloads.clone());
        registry.register("upload_bytes", "Bytes of rows received", metrics.upload_bytes.clone());
        if let Some(engine) = engine {
            registry.register_collector(Box::new(EngineFigures(engine)));
        }
        Self { registry, ..metrics }
    }

    /// The text that Prometheus reads (OpenMetrics 1.0).
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string does not fail; half a page would be read as a fall of every counter.
            Err(_) => String::new(),
        }
    }

    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, time: Duration) {
        let request = Request { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&request).inc();
        self.request_seconds.get_or_create(&Route { route: route.to_owned() }).observe(time.as_secs_f64());
    }

    pub(crate) fn handshake(&self, ended: Outcome) {
        let suites = ended.suites.map_or("none", Suites::as_str);
        let labels = HandshakeLabels { suites, session: ended.session, outcome: ended.outcome };
        self.handshakes.get_or_create(&labels).inc();
    }

    pub(crate) fn tls_reload(&self, suites: Suites, in_use: bool) {
        let outcome = if in_use { "in-use" } else { "rejected" };
        self.tls_reloads.get_or_create(&ReloadLabels { suites: suites.as_str(), outcome }).inc();
    }

    pub(crate) fn uploaded(&self, bytes: u64) {
        self.upload_bytes.inc_by(bytes);
    }

    /// Counts one more connection until the guard is dropped.
    pub(crate) fn connection(&self) -> Held {
        Held::of(&self.connections)
    }

    /// Counts one more request until the guard is dropped.
    pub(crate) fn request(&self) -> Held {
        Held::of(&self.requests_in_flight)
    }

    /// Counts one more event stream until the guard is dropped.
    pub(crate) fn stream(&self) -> Held {
        Held::of(&self.streams)
    }
}

/// One of something that is counted while it lasts.
#[derive(Debug)]
pub(crate) struct Held(Gauge);

impl Held {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Asks the engine at every scrape.
struct EngineFigures(Engine);

impl std::fmt::Debug for EngineFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineFigures")
    }
}

impl Collector for EngineFigures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let figures = match self.0.figures() {
            Ok(figures) => figures,
            Err(error) => {
                // The server's own figures are still worth showing; these are missing, which an alert can see.
                tracing::error!(%error, "the engine's figures can't be had");
                return Ok(());
            }
        };
        for (name, help, value) in counters(&figures) {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        for (name, help, value) in gauges(&figures) {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let families = [
            ("jobs_ended", "Ended jobs by state", "state", &figures.jobs_ended),
            ("refusals", "Refusals by code", "code", &figures.refusals),
        ];
        for (name, help, label, values) in families {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (key, value) in values {
                let labels = [(label, key.as_str())];
                ConstCounter::new(*value).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "What active grants have left of each budget";
        let mut family = encoder.encode_descriptor("budget_left", help, None, MetricType::Gauge)?;
        for BudgetLeft { grant, meter, left } in &figures.budgets_left {
            let labels = [("grant", grant.as_str()), ("meter", meter)];
            ConstGauge::new(i64::try_from(*left).unwrap_or(i64::MAX)).encode(family.encode_family(&labels)?)?;
        }
        self.encode_witnesses(&figures, encoder)
    }
}

impl EngineFigures {
    /// Nothing without witnesses.
    fn encode_witnesses(&self, figures: &Figures, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(witnessed) = figures.audit_events_witnessed else { return Ok(()) };
        let help = "Entries of the audit log that enough witnesses cosigned";
        let gauge = ConstGauge::new(i64::try_from(witnessed).unwrap_or(i64::MAX));
        gauge.encode(encoder.encode_descriptor("audit_events_witnessed", help, None, gauge.metric_type())?)?;
        let help = "Whether a witness cosigned when it was last asked";
        let mut family = encoder.encode_descriptor("witness_cosigning", help, None, MetricType::Gauge)?;
        for figures in &figures.witnesses {
            let labels = [("witness", figures.witness.as_str())];
            ConstGauge::new(i64::from(figures.is_cosigning)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn counters(figures: &Figures) -> [(&'static str, &'static str, u64); 9] {
    [
        ("rows_read", "Rows that ended jobs were charged for, by the size of snapshots", figures.rows_read),
        ("fuel_units", "Fuel that ended jobs were charged for, by the size of snapshots", figures.fuel_units),
        ("worker_panics", "Workers that panicked over a job: raise an alarm", figures.worker_panics),
        ("releases", "Releases that left", figures.releases),
        ("cells_released", "Cells that left", figures.cells_released),
        ("cells_withheld", "Cells withheld", figures.cells_withheld),
        ("rows_ingested", "Rows published by ingestion", figures.rows_ingested),
        ("rows_quarantined", "Rows set aside by ingestion", figures.rows_quarantined),
        ("audit_events", "Entries of the audit log", figures.audit_events),
    ]
}

fn gauges(figures: &Figures) -> [(&'static str, &'static str, u64); 2] {
    [("jobs_queued", "Jobs that wait", figures.jobs_queued), ("jobs_running", "Jobs that run", figures.jobs_running)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_counted_and_written() {
        let metrics = Metrics::new(None);
        let held = metrics.connection();
        metrics.answered("GET", "/v1/jobs/{id}", 200, Duration::from_millis(3));
        metrics.answered("GET", "/v1/jobs/{id}", 200, Duration::from_millis(5));
        metrics.handshake(Outcome { suites: Some(Suites::Gm), session: "full", outcome: "no-certificate" });
        let text = metrics.text();
        let line = r#"glovebox_http_requests_total{method="GET",route="/v1/jobs/{id}",status="200"} 2"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains("glovebox_connections 1\n"), "{text}");
        assert!(
            text.contains(r#"glovebox_tls_handshakes_total{suites="gm",session="full",outcome="no-certificate"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"glovebox_http_request_seconds_count{route="/v1/jobs/{id}"} 2"#), "{text}");
        assert!(text.ends_with("# EOF\n"));
        drop(held);
        assert!(metrics.text().contains("glovebox_connections 0\n"));
    }
}
