//! Who gets in: certificates and the principals that they name, over both kinds of suites.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glovebox_api::{Decision, Problem};
use glovebox_catalog::PrincipalId;
use glovebox_client::{ClientError, Suites};
use glovebox_gm::pki::{Issued, Kind};
use glovebox_server::Limits;
use rustls::pki_types::ServerName;

use super::zone::Zone;

macro_rules! with_both_suites {
    ($($name:ident),+ $(,)?) => {
        mod gm {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(super::Suites::Gm).await })+
        }
        mod standard {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(super::Suites::Standard).await })+
        }
    };
}

with_both_suites!(
    only_valid_certificates_of_people_on_file_get_in,
    revocation_and_deactivation_bite_on_open_connections,
    an_event_stream_ends_with_the_standing_of_its_caller,
    whoever_comes_back_is_looked_at_again,
);

/// One connection, and no other: what is refused on it is refused without a handshake.
struct Connection(BufReader<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>);

impl Connection {
    fn open(zone: &Zone, certificate: &Issued) -> Self {
        Self::over(zone, Arc::new(zone.tls_config(Some(certificate))))
    }

    fn over(zone: &Zone, config: Arc<rustls::ClientConfig>) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        let tls = rustls::ClientConnection::new(config, name).unwrap();
        let stream = TcpStream::connect(zone.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(BufReader::new(rustls::StreamOwned::new(tls, stream)))
    }

    /// Sends a request and reads the head of its answer: status, and length of the body where it has one.
    fn send(&mut self, path: &str) -> (u16, usize) {
        self.0.get_mut().write_all(request(path).as_bytes()).unwrap();
        self.read_head()
    }

    fn read_head(&mut self) -> (u16, usize) {
        let status = self.line();
        let (mut length, mut header) = (0, self.line());
        while !header.is_empty() {
            if let Some((name, value)) = header.split_once(':').filter(|(name, _)| *name == "content-length") {
                length = value.trim().parse().unwrap_or_else(|_| panic!("{name}: {value}"));
            }
            header = self.line();
        }
        (status.split(' ').nth(1).unwrap().parse().unwrap(), length)
    }

    fn ask(&mut self, path: &str) -> (u16, Vec<u8>) {
        self.0.get_mut().write_all(request(path).as_bytes()).unwrap();
        self.read_answer()
    }

    fn read_answer(&mut self) -> (u16, Vec<u8>) {
        let (status, length) = self.read_head();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, body)
    }

    /// The same where the server may hang up instead.
    fn try_ask(&mut self, path: &str) -> std::io::Result<(u16, Vec<u8>)> {
        self.0.get_mut().write_all(request(path).as_bytes())?;
        if self.0.fill_buf()?.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.read_answer())
    }

    fn is_resumed(&self) -> bool {
        self.0.get_ref().conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

async fn only_valid_certificates_of_people_on_file_get_in(suites: Suites) {
    let zone = Zone::start_over(suites, Limits::default()).await;
    let who = zone.client("developer").whoami().await.unwrap();
    assert_eq!((who.principal.as_str(), who.organisation.as_str()), ("developer", "company-c"));

    let nobody = zone.raw(None).get(zone.url("/v1/whoami")).send().await;
    assert!(nobody.is_err(), "{nobody:?}");
    let expired = zone.issue("developer", "company-c", &["developer"], Kind::Client, 20, 10);
    let error = zone.client_with(&expired).whoami().await.unwrap_err();
    assert!(matches!(error, ClientError::Connection { .. }), "{error}");
    let server = zone.issue("developer", "company-c", &["developer"], Kind::Server { names: vec!["x".into()] }, 1, 10);
    assert!(matches!(zone.client_with(&server).whoami().await, Err(ClientError::Connection { .. })));

    for (common_name, organisation, role, code) in [
        ("stranger", "company-c", "developer", "policy.unknown-principal"),
        ("Not An Id", "company-c", "developer", "policy.unknown-principal"),
        ("developer", "hospital-a", "developer", "policy.organisation-mismatch"),
        ("developer", "company-c", "supplier", "policy.no-role"),
    ] {
        let issued = zone.issue(common_name, organisation, &[role], Kind::Client, 1, 30);
        for path in ["/v1/whoami", "/v1/openapi.json", "/v1/no-such-route"] {
            let answer = zone.raw(Some(&issued)).get(zone.url(path)).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{common_name} {path}");
            let problem: glovebox_api::Problem = answer.json().await.unwrap();
            assert_eq!(problem.code, code, "{common_name} {organisation} {role}");
        }
    }
}

async fn revocation_and_deactivation_bite_on_open_connections(suites: Suites) {
    let zone = Zone::start_over(suites, Limits::default()).await;
    let certificate = zone.certificate("operator");
    tokio::task::block_in_place(|| {
        let mut connection = Connection::open(&zone, &certificate);
        assert_eq!(connection.ask("/v1/whoami").0, 200);
        zone.revoke(&[&certificate], 2);
        let start = Instant::now();
        // The same connection all the time: a client that opened another would be refused in its handshake.
        let (status, body) = loop {
            let answer = connection.ask("/v1/whoami");
            if answer.0 != 200 {
                break answer;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "still in");
            std::thread::sleep(Duration::from_millis(10));
        };
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, problem.code.as_str()), (403, "connect.certificate-no-longer-valid"));
    });
    // A new connection does not get through the handshake.
    let again = zone.client_with(&certificate).whoami().await;
    assert!(matches!(again, Err(ClientError::Connection { .. })), "{again:?}");

    let developer = zone.client("developer");
    developer.whoami().await.unwrap();
    let id = PrincipalId::new("developer").unwrap();
    let why = Decision { comment: "left".into() };
    assert!(!zone.client("officer").deactivate_principal(&id, &why).await.unwrap().active);
    assert_eq!(developer.whoami().await.unwrap_err().code(), Some("policy.principal-inactive"));
}

async fn an_event_stream_ends_with_the_standing_of_its_caller(suites: Suites) {
    let limits = Limits { keep_alive_interval: Duration::from_millis(200), ..Default::default() };
    let zone = Zone::start_over(suites, limits).await;
    let certificate = zone.certificate("operator");
    tokio::task::block_in_place(|| {
        let mut connection = Connection::open(&zone, &certificate);
        assert_eq!(connection.send("/v1/meters/live/events").0, 200);
        while !connection.line().starts_with("data:") {}
        zone.revoke(&[&certificate], 2);
        let start = Instant::now();
        let mut told = String::new();
        while !told.contains("connect.certificate-no-longer-valid") {
            assert!(start.elapsed() < Duration::from_secs(10), "the stream goes on: {told}");
            told = connection.line();
        }
        // After which nothing comes but the end.
        let mut rest = String::new();
        let _ = connection.0.read_to_string(&mut rest);
        assert!(!rest.contains("data:"), "{rest}");
    });
}

/// The second connection resumes the session of the first; what changed in between counts.
async fn whoever_comes_back_is_looked_at_again(suites: Suites) {
    let zone = Zone::start_over(suites, Limits::default()).await;
    let certificate = zone.certificate("developer");
    let config = Arc::new(zone.tls_config(Some(&certificate)));
    let visit = || {
        let mut connection = Connection::over(&zone, config.clone());
        let answer = connection.try_ask("/v1/whoami");
        (answer, connection.is_resumed())
    };
    tokio::task::block_in_place(|| {
        assert!(matches!(visit(), (Ok((200, _)), false)));
        assert!(matches!(visit(), (Ok((200, _)), true)));
    });
    let id = PrincipalId::new("developer").unwrap();
    let why = Decision { comment: "left".into() };
    assert!(!zone.client("officer").deactivate_principal(&id, &why).await.unwrap().active);
    tokio::task::block_in_place(|| {
        assert!(matches!(visit(), (Ok((403, _)), true)));
        zone.revoke(&[&certificate], 2);
        let start = Instant::now();
        while visit().0.is_ok() {
            assert!(start.elapsed() < Duration::from_secs(5), "still let in");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

/// One person with a certificate of each kind is one person; one port serves both.
#[tokio::test(flavor = "multi_thread")]
async fn one_port_serves_both_kinds_of_suites() {
    let zone = Zone::start_over(Suites::Gm, Limits::default()).await;
    for (authority, suites, agreed) in [
        (&zone.authority, Suites::Gm, "TLS_SM4_GCM_SM3, curveSM2"),
        (&zone.other, Suites::Standard, "AES_256_GCM_SHA384"),
    ] {
        let client = zone.client_of(authority, &Zone::certificate_of(authority, "developer"));
        assert_eq!(client.suites(), suites);
        let handshake = client.handshake().await.unwrap();
        assert!(handshake.contains(agreed), "{handshake}");
        assert_eq!(client.whoami().await.unwrap().principal.as_str(), "developer");
    }
    let metrics = zone.metrics().await;
    for suites in Suites::ALL {
        let line =
            format!("glovebox_tls_handshakes_total{{suites=\"{suites}\",session=\"full\",outcome=\"accepted\"}}");
        assert!(metrics.contains(&line), "{line} {metrics}");
    }
}
