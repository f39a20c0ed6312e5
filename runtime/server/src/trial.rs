//! Certificates and connections for the tests of this crate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request, Revoked};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::TlsFiles;

const DAY_MS: i64 = 86_400_000;

pub(crate) fn now_unix_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// An authority with the server's files in a folder.
pub(crate) struct Zone {
    pub(crate) authority: Authority,
    pub(crate) files: TlsFiles,
    folder: tempfile::TempDir,
}

impl Zone {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(Algorithm::P256, "zone", now_unix_ms() - 30 * DAY_MS, 365).unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut files = TlsFiles::new(path("server.pem"), path("server.key"), path("ca.pem"), path("revoked.pem"));
        files.poll_interval = Duration::from_millis(50);
        let zone = Self { authority, files, folder };
        zone.write("ca.pem", zone.authority.cert_pem());
        zone.serve(&zone.server());
        zone.revoke(&[], 1);
        zone
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(crate) fn serve(&self, issued: &Issued) {
        self.write("server.pem", &issued.cert_pem);
        self.write("server.key", issued.key_pem.expose());
    }

    pub(crate) fn server(&self) -> Issued {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        self.issue("enclave", Kind::Server { names }, 1, 30)
    }

    /// A client's certificate that began `since_days` ago and holds for `days`.
    pub(crate) fn client(&self, since_days: i64, days: u32) -> Issued {
        self.issue("lin.wei", Kind::Client, since_days, days)
    }

    fn issue(&self, common_name: &str, kind: Kind, since_days: i64, days: u32) -> Issued {
        let roles = if kind == Kind::Client { vec!["developer".to_owned()] } else { Vec::new() };
        self.authority
            .issue(&Request {
                common_name: common_name.into(),
                organisation: "company-c".into(),
                roles,
                kind,
                valid_from_unix_ms: now_unix_ms() - since_days * DAY_MS,
                days,
            })
            .unwrap()
    }

    pub(crate) fn revoke(&self, issued: &[&Issued], number: u64) {
        let revoked: Vec<_> = issued
            .iter()
            .map(|issued| Revoked { serial_hex: issued.serial_hex.clone(), at_unix_ms: now_unix_ms() - 1000 })
            .collect();
        let now = now_unix_ms();
        let list = self.authority.crl(&revoked, number, now - 1000, now + 30 * DAY_MS).unwrap();
        // A list of another length, so that a change within one tick of the file system's clock is seen.
        self.write("revoked.pem", &format!("{list}\n{}", "\n".repeat(usize::try_from(number).unwrap())));
    }

    /// A client's TLS configuration.
    pub(crate) fn connector(&self, issued: Option<&Issued>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.cert_pem().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match issued {
            None => config.with_no_client_auth(),
            Some(issued) => {
                let chain = vec![CertificateDer::from_pem_slice(issued.cert_pem.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(issued.key_pem.expose().as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        }
    }

    /// A connection as `issued`. In TLS 1.3 a refused client learns so at its first read.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        issued: Option<&Issued>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(self.connector(issued))).connect(name, stream).await
    }
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
