//! A zone of one kind, and two ends of a connection with the wire between them in the test's hand.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request, Revoked};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::{Authorities, Credentials, Suites, client_config, client_verifier, provider, server_config};

pub(super) const DAY_MS: i64 = 86_400_000;

pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

pub(super) fn algorithm(suites: Suites) -> Algorithm {
    match suites {
        Suites::Gm => Algorithm::Sm2,
        Suites::Standard => Algorithm::P256,
    }
}

/// An authority, a server's certificate, a client's, and a revocation list that names neither.
pub(super) struct Zone {
    pub(super) suites: Suites,
    pub(super) authority: Authority,
    pub(super) server: Issued,
    pub(super) client: Issued,
    pub(super) crl_pem: String,
}

impl Zone {
    pub(super) fn new(suites: Suites) -> Self {
        let authority = Authority::create(algorithm(suites), "Zone", now_ms() - 100 * DAY_MS, 365).unwrap();
        let server = issue(&authority, Kind::Server { names: vec!["enclave.test".into(), "127.0.0.1".into()] }, 0, 30);
        let client = issue(&authority, Kind::Client, 0, 30);
        let other = Revoked { serial_hex: issue(&authority, Kind::Client, 0, 1).serial_hex, at_unix_ms: now_ms() };
        let crl_pem = authority.crl(&[other], 1, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
        Self { suites, authority, server, client, crl_pem }
    }

    pub(super) fn authorities(&self) -> Authorities {
        Authorities::from_pem(self.authority.cert_pem(), self.suites).unwrap()
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        client_verifier(self.suites, &self.authorities(), &self.crl_pem).unwrap()
    }

    pub(super) fn server_config(&self) -> ServerConfig {
        server_config(&credentials(&self.server), self.verifier()).unwrap()
    }

    pub(super) fn client_config(&self) -> ClientConfig {
        client_config(&credentials(&self.client), &self.authorities()).unwrap()
    }

    /// The client's configuration with a provider that is not ours.
    pub(super) fn client_with(&self, change: impl FnOnce(&mut CryptoProvider)) -> ClientConfig {
        self.client_signing(change, credentials(&self.client).certified())
    }

    /// The same with a certificate and key that are not ours.
    pub(super) fn client_signing(
        &self,
        change: impl FnOnce(&mut CryptoProvider),
        certified: Arc<CertifiedKey>,
    ) -> ClientConfig {
        let mut provider = (*provider(self.suites)).clone();
        change(&mut provider);
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(self.authorities().roots())
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
    }

    pub(super) fn pair(&self) -> Pair {
        Pair::new(self.client_config(), self.server_config())
    }
}

pub(super) fn issue(authority: &Authority, kind: Kind, starts_in_days: i64, days: u32) -> Issued {
    let valid_from_unix_ms = now_ms() - 60_000 + starts_in_days * DAY_MS;
    let (common_name, organisation) = ("lin.wei".into(), "hospital-a".into());
    let roles = vec!["supplier".into()];
    authority.issue(&Request { common_name, organisation, roles, kind, valid_from_unix_ms, days }).unwrap()
}

pub(super) fn credentials(issued: &Issued) -> Credentials {
    Credentials::from_pem(&issued.cert_pem, issued.key_pem.expose(), None).unwrap()
}

pub(super) fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Who found fault.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    Client(Error),
    Server(Error),
}

/// Two ends of a connection.
pub(super) struct Pair {
    pub(super) client: ClientConnection,
    pub(super) server: ServerConnection,
}

impl Pair {
    pub(super) fn new(client: impl Into<Arc<ClientConfig>>, server: impl Into<Arc<ServerConfig>>) -> Self {
        let name = ServerName::try_from("enclave.test").unwrap();
        Self {
            client: ClientConnection::new(client.into(), name).unwrap(),
            server: ServerConnection::new(server.into()).unwrap(),
        }
    }

    /// Carries bytes to and fro until both are silent; whoever finds fault first.
    pub(super) fn shake(&mut self) -> Result<(), Fault> {
        loop {
            let to_server = written(&mut self.client);
            self.give_server(&to_server)?;
            let to_client = written(&mut self.server);
            self.give_client(&to_client)?;
            if to_server.is_empty() && to_client.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn give_server(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        give(&mut self.server, bytes).map_err(Fault::Server)
    }

    pub(super) fn give_client(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        give(&mut self.client, bytes).map_err(Fault::Client)
    }
}

/// Everything that an end wants to send.
pub(super) fn written<D>(end: &mut rustls::ConnectionCommon<D>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while end.wants_write() {
        end.write_tls(&mut bytes).unwrap();
    }
    bytes
}

pub(super) fn give<D>(end: &mut rustls::ConnectionCommon<D>, bytes: &[u8]) -> Result<(), Error> {
    let mut unread = bytes;
    while !unread.is_empty() {
        end.read_tls(&mut unread).unwrap();
        end.process_new_packets()?;
    }
    Ok(())
}

/// Sends `data` from one end to the other and returns what arrived.
pub(super) fn carried<A, B>(
    from: &mut rustls::ConnectionCommon<A>,
    to: &mut rustls::ConnectionCommon<B>,
    data: &[u8],
) -> Result<Vec<u8>, Error> {
    use std::io::{Read, Write};
    let mut arrived = Vec::new();
    let mut rest = data;
    loop {
        let taken = from.writer().write(rest).unwrap();
        rest = &rest[taken..];
        let wire = written(from);
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            to.read_tls(&mut unread).unwrap();
            let pending = to.process_new_packets()?.plaintext_bytes_to_read();
            let start = arrived.len();
            arrived.resize(start + pending, 0);
            to.reader().read_exact(&mut arrived[start..]).unwrap();
        }
        if rest.is_empty() {
            return Ok(arrived);
        }
    }
}
