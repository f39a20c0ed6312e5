//! Certificates and connections for the tests of this crate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request, Revoked};
use glovebox_tls::{Authorities, Credentials, Suites, client_config, provider};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{Tls, TlsFiles};

const DAY_MS: i64 = 86_400_000;

pub(crate) fn now_unix_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Both sets of a server, each with an authority of its own.
pub(crate) struct Zone {
    pub(crate) gm: Side,
    pub(crate) standard: Side,
    _folder: tempfile::TempDir,
}

impl Zone {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let side = |suites: Suites| Side::new(suites, folder.path().join(suites.as_str()));
        Self { gm: side(Suites::Gm), standard: side(Suites::Standard), _folder: folder }
    }

    pub(crate) fn of(&self, suites: Suites) -> &Side {
        match suites {
            Suites::Gm => &self.gm,
            Suites::Standard => &self.standard,
        }
    }

    /// Both sets, looked at often.
    pub(crate) fn tls(&self) -> Tls {
        let poll_interval = Duration::from_millis(50);
        Tls { gm: Some(self.gm.files()), standard: Some(self.standard.files()), poll_interval }
    }

    /// One set alone.
    pub(crate) fn tls_of(&self, suites: Suites) -> Tls {
        match suites {
            Suites::Gm => Tls { standard: None, ..self.tls() },
            Suites::Standard => Tls { gm: None, ..self.tls() },
        }
    }
}

/// An authority with a server's files in a folder.
pub(crate) struct Side {
    pub(crate) suites: Suites,
    pub(crate) authority: Authority,
    folder: PathBuf,
}

impl Side {
    fn new(suites: Suites, folder: PathBuf) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let algorithm = if suites == Suites::Gm { Algorithm::Sm2 } else { Algorithm::P256 };
        let authority = Authority::create(algorithm, "zone", now_unix_ms() - 30 * DAY_MS, 365).unwrap();
        let side = Self { suites, authority, folder };
        side.write("ca.pem", side.authority.cert_pem());
        side.serve(&side.server());
        side.revoke(&[], 1);
        side
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn files(&self) -> TlsFiles {
        let path = |name: &str| self.path(name);
        TlsFiles::new(path("server.pem"), path("server.key"), path("ca.pem"), path("revoked.pem"))
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    pub(crate) fn serve(&self, issued: &Issued) {
        self.write("server.pem", &issued.cert_pem);
        self.write("server.key", issued.key_pem.expose());
    }

    pub(crate) fn server(&self) -> Issued {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        self.issue("enclave", Kind::Server { names }, now_unix_ms() - DAY_MS, 30)
    }

    /// A client's certificate that began `since_days` ago and holds for `days`.
    pub(crate) fn client(&self, since_days: i64, days: u32) -> Issued {
        self.issue("lin.wei", Kind::Client, now_unix_ms() - since_days * DAY_MS, days)
    }

    /// A client's certificate of someone else of the same organisation.
    pub(crate) fn client_named(&self, common_name: &str) -> Issued {
        self.issue(common_name, Kind::Client, now_unix_ms() - DAY_MS, 30)
    }

    /// A client's certificate that ends after `rest`.
    pub(crate) fn client_for(&self, rest: Duration) -> Issued {
        let rest_ms = i64::try_from(rest.as_millis()).unwrap();
        self.issue("lin.wei", Kind::Client, now_unix_ms() + rest_ms - DAY_MS, 1)
    }

    fn issue(&self, common_name: &str, kind: Kind, valid_from_unix_ms: i64, days: u32) -> Issued {
        let roles = if kind == Kind::Client { vec!["developer".to_owned()] } else { Vec::new() };
        self.authority
            .issue(&Request {
                common_name: common_name.into(),
                organisation: "company-c".into(),
                roles,
                kind,
                valid_from_unix_ms,
                days,
            })
            .unwrap()
    }

    pub(crate) fn revoke(&self, issued: &[&Issued], number: u64) {
        let now = now_unix_ms();
        let revoked: Vec<_> = issued
            .iter()
            .map(|issued| Revoked { serial_hex: issued.serial_hex.clone(), at_unix_ms: now - 1000 })
            .collect();
        let list = self.authority.crl(&revoked, number, now - 1000, now + 30 * DAY_MS).unwrap();
        // A list of another length, so that a change within one tick of the file system's clock is seen.
        self.write("revoked.pem", &format!("{list}\n{}", "\n".repeat(usize::try_from(number).unwrap())));
    }

    /// A revocation list of nobody that ends after `rest`.
    pub(crate) fn end_list_after(&self, rest: Duration) {
        let now = now_unix_ms();
        let until = now + i64::try_from(rest.as_millis()).unwrap();
        self.write("revoked.pem", &self.authority.crl(&[], 1, now - DAY_MS, until).unwrap());
    }

    /// A client's TLS configuration, which remembers sessions.
    pub(crate) fn connector(&self, issued: Option<&Issued>) -> Arc<ClientConfig> {
        let config = match issued {
            Some(issued) => {
                let credentials = Credentials::from_pem(&issued.cert_pem, issued.key_pem.expose(), None).unwrap();
                let authorities = Authorities::from_pem(self.authority.cert_pem(), self.suites).unwrap();
                client_config(&credentials, &authorities).unwrap()
            }
            None => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(self.authority.cert_pem().as_bytes()).unwrap()).unwrap();
                ClientConfig::builder_with_provider(provider(self.suites))
                    .with_protocol_versions(&[&rustls::version::TLS13])
                    .unwrap()
                    .with_root_certificates(roots)
                    .with_no_client_auth()
            }
        };
        Arc::new(config)
    }

    /// A connection as `issued`. In TLS 1.3 a refused client learns so at its first read.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        issued: Option<&Issued>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        connect(address, self.connector(issued)).await
    }
}

/// A connection with this configuration.
pub(crate) async fn connect(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(config).connect(server_name(), stream).await
}

pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Sends a request with the connection kept open, and reads head and body of the answer.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    read_answer(stream).await
}

pub(crate) async fn read_answer(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Ok(text);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => answer.extend_from_slice(&chunk[..read]),
        }
    }
}
