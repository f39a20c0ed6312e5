//! Who gets in: certificates and the principals that they name.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glovebox_api::{Decision, Problem};
use glovebox_catalog::PrincipalId;
use glovebox_client::ClientError;
use glovebox_gm::pki::{Issued, Kind};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::zone::Zone;

/// One connection, and no other: what is refused on it is refused without a handshake.
struct Connection(BufReader<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>);

impl Connection {
    fn open(zone: &Zone, certificate: &Issued) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(zone.authority.cert_pem().as_bytes()).unwrap()).unwrap();
        let chain = CertificateDer::pem_slice_iter(certificate.cert_pem.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.expose().as_bytes()).unwrap();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots);
        let config = config.with_client_auth_cert(chain, key).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(zone.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(BufReader::new(rustls::StreamOwned::new(tls, stream)))
    }

    /// Sends a request and reads the head of its answer: status, and length of the body where it has one.
    fn send(&mut self, path: &str) -> (u16, usize) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
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
        let (status, length) = self.send(path);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, body)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_valid_certificates_of_people_on_file_get_in() {
    let zone = Zone::start().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn revocation_and_deactivation_bite_on_open_connections() {
    let zone = Zone::start().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_ends_with_the_standing_of_its_caller() {
    let limits = glovebox_server::Limits { keep_alive_interval: Duration::from_millis(200), ..Default::default() };
    let zone = Zone::start_with(limits, |_| {}).await;
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
