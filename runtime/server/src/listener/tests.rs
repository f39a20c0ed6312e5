//! Who gets in, for how long, and how it ends; for both kinds of suites.

use std::time::Instant;

use axum::Extension;
use axum::routing::get;
use glovebox_tls::Suites;
use rustls::ProtocolVersion;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::Tls;
use crate::tls::watch_files;
use crate::trial::{Side, Zone, ask, read_answer};

mod choice;
mod sessions;
mod strangers;

/// Each of these twice: over RFC 8998 and over the standard suites.
macro_rules! with_both_suites {
    ($($name:ident),+ $(,)?) => {
        mod gm {
            $(#[tokio::test] async fn $name() { super::$name(glovebox_tls::Suites::Gm).await })+
        }
        mod standard {
            $(#[tokio::test] async fn $name() { super::$name(glovebox_tls::Suites::Standard).await })+
        }
    };
}
use with_both_suites;

with_both_suites!(
    a_certificate_of_the_zone_gets_in_over_tls_1_3,
    other_certificates_do_not,
    a_servers_certificate_is_no_clients,
    tls_1_2_is_refused,
    a_revocation_bites_on_an_open_connection,
    a_list_that_ends_bites_on_an_open_connection,
    files_that_do_not_fit_leave_those_before_in_force,
    a_handshake_has_a_deadline,
    headers_have_a_deadline_and_so_has_an_idle_connection,
    headers_are_bounded,
    one_address_has_its_share_of_connections,
    shutdown_lets_requests_finish_and_closes_the_rest,
    shutdown_is_forced_after_the_grace
);

struct Trial {
    zone: Zone,
    suites: Suites,
    address: SocketAddr,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    accepting: tokio::task::JoinHandle<()>,
}

/// A listener with both sets, for a test with one of them.
async fn trial(suites: Suites, limits: Limits) -> Trial {
    let zone = Zone::new();
    let tls = zone.tls();
    trial_with(zone, suites, tls, limits).await
}

/// Its only page says who the peer is and what it speaks; `/slow` takes half a second.
async fn trial_with(zone: Zone, suites: Suites, tls: Tls, limits: Limits) -> Trial {
    let metrics = Arc::new(Metrics::new(None));
    let shutdown = Shutdown::default();
    let trust = watch_files(tls, None, metrics.clone(), CancellationToken::new()).unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), limits, metrics.clone()).await.unwrap();
    let address = listener.address();
    let standing = trust.clone();
    let who = async move |Extension(peer): Extension<Arc<Peer>>| match peer.check(&standing.borrow().clone()) {
        Ok(()) => format!("{} {}@{}", peer.suites, peer.identity.common_name, peer.identity.organisation),
        Err(_) => "no longer".to_owned(),
    };
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        "done"
    };
    let app = Router::new().route("/", get(who)).route("/slow", get(slow));
    let accepting = tokio::spawn(listener.serve(Door::MutualTls(trust), app, shutdown.clone()));
    Trial { zone, suites, address, metrics, shutdown, accepting }
}

impl Trial {
    /// The set under test.
    fn side(&self) -> &Side {
        self.zone.of(self.suites)
    }

    /// Handshakes that ended so, over the suites under test or before that was known.
    fn counted(&self, outcome: &str) -> u64 {
        let of_these = [format!("suites=\"{}\"", self.suites), "suites=\"none\"".to_owned()];
        let outcome = format!("outcome=\"{outcome}\"");
        let text = self.metrics.text();
        let lines = text.lines().filter(|line| line.starts_with("glovebox_tls_handshakes_total{"));
        let lines = lines.filter(|line| line.contains(&outcome) && of_these.iter().any(|suites| line.contains(suites)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Waits until a handshake ended with `outcome`.
    async fn expect(&self, outcome: &str) {
        self.wait_for(outcome, || self.counted(outcome) == 1).await;
    }

    async fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(5), "{what}: {}", self.metrics.text());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How often the files of the set under test were taken anew.
    fn reloads(&self, outcome: &str) -> bool {
        let labels = format!("glovebox_tls_reloads_total{{suites=\"{}\",outcome=\"{outcome}", self.suites);
        self.metrics.text().contains(&labels)
    }
}

async fn a_certificate_of_the_zone_gets_in_over_tls_1_3(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let client = trial.side().client(1, 30);
    let mut stream = trial.side().connect(trial.address, Some(&client)).await.unwrap();
    assert!(ask(&mut stream, "/").await.unwrap().ends_with("lin.wei@company-c"));
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(trial.counted("accepted"), 1);
}

async fn other_certificates_do_not(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let refused = async |issued: Option<&glovebox_gm::pki::Issued>, outcome: &str| {
        let answer = match trial.side().connect(trial.address, issued).await {
            Ok(mut stream) => ask(&mut stream, "/").await,
            Err(error) => Err(error),
        };
        assert!(answer.is_err(), "{outcome}: {answer:?}");
        trial.expect(outcome).await;
    };
    refused(None, "no-certificate").await;
    refused(Some(&trial.side().client(20, 10)), "expired").await;
    // Another zone's authority, with the same names.
    let stranger = Zone::new();
    refused(Some(&stranger.of(suites).client(1, 30)), "bad-certificate").await;
}

async fn a_servers_certificate_is_no_clients(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let server = trial.side().server();
    let mut stream = trial.side().connect(trial.address, Some(&server)).await.unwrap();
    assert!(ask(&mut stream, "/").await.is_err());
    trial.expect("bad-certificate").await;
}

async fn tls_1_2_is_refused(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(trial.address).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    assert!(tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.is_err());
}

async fn a_revocation_bites_on_an_open_connection(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let (one, other) = (trial.side().client(1, 30), trial.side().client(1, 30));
    let mut stream = trial.side().connect(trial.address, Some(&one)).await.unwrap();
    let mut bystander = trial.side().connect(trial.address, Some(&other)).await.unwrap();
    assert!(ask(&mut stream, "/").await.unwrap().ends_with("lin.wei@company-c"));
    trial.side().revoke(&[&one], 2);
    let start = Instant::now();
    while !ask(&mut stream, "/").await.unwrap().ends_with("no longer") {
        assert!(start.elapsed() < Duration::from_secs(5), "still accepted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(ask(&mut bystander, "/").await.unwrap().ends_with("lin.wei@company-c"));
    // A new connection is refused in the handshake already.
    let mut again = trial.side().connect(trial.address, Some(&one)).await.unwrap();
    assert!(ask(&mut again, "/").await.is_err());
    trial.expect("revoked").await;
}

/// Nobody touches the files: who withholds a newer list must not win by it, not even on a connection that is open already.
async fn a_list_that_ends_bites_on_an_open_connection(suites: Suites) {
    let (zone, rest, start) = (Zone::new(), Duration::from_millis(2500), Instant::now());
    zone.of(suites).end_list_after(rest);
    let tls = zone.tls();
    let trial = trial_with(zone, suites, tls, Limits::default()).await;
    let mut stream = trial.side().connect(trial.address, Some(&trial.side().client(1, 30))).await.unwrap();
    assert!(ask(&mut stream, "/").await.unwrap().ends_with("lin.wei@company-c"));
    while !ask(&mut stream, "/").await.unwrap().ends_with("no longer") {
        assert!(start.elapsed() < rest + Duration::from_secs(4), "still accepted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!trial.reloads("in-use"));
}

async fn files_that_do_not_fit_leave_those_before_in_force(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let client = trial.side().client(1, 30);
    trial.side().write("revoked.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    trial.wait_for("rejected", || trial.reloads("rejected")).await;
    let mut stream = trial.side().connect(trial.address, Some(&client)).await.unwrap();
    assert!(ask(&mut stream, "/").await.unwrap().ends_with("lin.wei@company-c"));
    // Said once, not at each of the ticks: 50 ms here.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(trial.reloads("rejected\"} 1\n") && !trial.reloads("in-use"));
    // Once they fit again, they count.
    trial.side().revoke(&[&client], 3);
    let start = Instant::now();
    while !ask(&mut stream, "/").await.unwrap().ends_with("no longer") {
        assert!(start.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_handshake_has_a_deadline(suites: Suites) {
    let limits = Limits { handshake_timeout: Duration::from_millis(200), ..Limits::default() };
    let trial = trial(suites, limits).await;
    let mut silent = TcpStream::connect(trial.address).await.unwrap();
    let mut byte = [0];
    let closed = tokio::time::timeout(Duration::from_secs(5), silent.read(&mut byte)).await.unwrap();
    assert_eq!(closed.unwrap_or(0), 0);
    trial.expect("timed-out").await;
}

async fn headers_have_a_deadline_and_so_has_an_idle_connection(suites: Suites) {
    let limits = Limits { header_timeout: Duration::from_millis(200), ..Limits::default() };
    let trial = trial(suites, limits).await;
    let client = trial.side().client(1, 30);
    for first in [&b""[..], b"GET / HTTP/1.1\r\nhost: loc"] {
        let mut stream = trial.side().connect(trial.address, Some(&client)).await.unwrap();
        stream.write_all(first).await.unwrap();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "still open");
        assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    }
    let mut idle = trial.side().connect(trial.address, Some(&client)).await.unwrap();
    ask(&mut idle, "/").await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), idle.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "still open");
}

async fn headers_are_bounded(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let client = trial.side().client(1, 30);
    let long = format!("x-long: {}\r\n", "x".repeat(20 << 10));
    let many = "x-many: 1\r\n".repeat(100);
    for headers in [long, many] {
        let mut stream = trial.side().connect(trial.address, Some(&client)).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(read_answer(&mut stream).await.unwrap().starts_with("HTTP/1.1 431"));
    }
}

async fn one_address_has_its_share_of_connections(suites: Suites) {
    let trial = trial(suites, Limits { connections_per_address_max: 2, ..Limits::default() }).await;
    let client = trial.side().client(1, 30);
    let mut first = trial.side().connect(trial.address, Some(&client)).await.unwrap();
    let mut second = trial.side().connect(trial.address, Some(&client)).await.unwrap();
    ask(&mut first, "/").await.unwrap();
    ask(&mut second, "/").await.unwrap();
    let gets_in = async || match trial.side().connect(trial.address, Some(&client)).await {
        Ok(mut stream) => ask(&mut stream, "/").await.is_ok(),
        Err(_) => false,
    };
    assert!(!gets_in().await);
    assert_eq!(trial.counted("too-many-of-address"), 1);
    drop(second);
    let start = Instant::now();
    while !gets_in().await {
        assert!(start.elapsed() < Duration::from_secs(5), "the slot was not given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ask(&mut first, "/").await.unwrap();
}

async fn shutdown_lets_requests_finish_and_closes_the_rest(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let client = trial.side().client(1, 30);
    let mut busy = trial.side().connect(trial.address, Some(&client)).await.unwrap();
    let mut idle = trial.side().connect(trial.address, Some(&client)).await.unwrap();
    ask(&mut idle, "/").await.unwrap();
    let answer = tokio::spawn(async move { ask(&mut busy, "/slow").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    trial.shutdown.ask();
    trial.accepting.await.unwrap();
    assert!(TcpStream::connect(trial.address).await.is_err(), "the socket is closed");
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_millis(300), idle.read_to_end(&mut rest)).await.unwrap().ok();
    assert!(trial.shutdown.wait(Duration::from_secs(5)).await, "had to be forced");
    assert!(answer.await.unwrap().unwrap().ends_with("done"));
}

async fn shutdown_is_forced_after_the_grace(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let client = trial.side().client(1, 30);
    let mut busy = trial.side().connect(trial.address, Some(&client)).await.unwrap();
    let answer = tokio::spawn(async move { ask(&mut busy, "/slow").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    trial.shutdown.ask();
    assert!(!trial.shutdown.wait(Duration::from_millis(50)).await);
    assert!(answer.await.unwrap().is_err());
}
