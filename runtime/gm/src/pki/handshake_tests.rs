//! Certificates of ours in real TLS handshakes, in memory: both sides check the other, and revocation counts.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertRevocationListError, CertificateError, ClientConfig, ClientConnection, ConfigBuilder, Error, RootCertStore,
    ServerConfig, ServerConnection,
};

use super::*;

const DAY_MS: i64 = 86_400_000;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A zone: its authority, a server's certificate, a client's, and a revocation list that names neither.
struct Zone {
    authority: Authority,
    server: Issued,
    client: Issued,
    crl_pem: String,
}

impl Zone {
    fn new() -> Self {
        let authority = Authority::create(Algorithm::P256, "Zone", now_ms() - DAY_MS, 365).unwrap();
        let server = issue(&authority, Kind::Server { names: vec!["enclave.test".into(), "127.0.0.1".into()] }, 0, 30);
        let client = issue(&authority, Kind::Client, 0, 30);
        let other = Revoked { serial_hex: issue(&authority, Kind::Client, 0, 1).serial_hex, at_unix_ms: now_ms() };
        let crl_pem = authority.crl(&[other], 1, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
        Self { authority, server, client, crl_pem }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.cert_pem().as_bytes()).unwrap()).unwrap();
        Arc::new(roots)
    }

    fn server_config(&self) -> ServerConfig {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider())
            .with_crls([CertificateRevocationListDer::from_pem_slice(self.crl_pem.as_bytes()).unwrap()])
            .enforce_revocation_expiration()
            .build()
            .unwrap();
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let (chain, key) = credentials(&self.server);
        builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap()
    }

    fn client_builder(&self, version: &'static rustls::SupportedProtocolVersion) -> ClientBuilder {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
        let verifier = WebPkiServerVerifier::builder_with_provider(self.roots(), provider()).build().unwrap();
        builder.with_webpki_verifier(verifier)
    }

    fn connect(&self) -> Result<Identity, Error> {
        let (chain, key) = credentials(&self.client);
        let config = self.client_builder(&rustls::version::TLS13).with_client_auth_cert(chain, key).unwrap();
        shake(config, self.server_config(), "enclave.test")
    }
}

type ClientBuilder = ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn issue(authority: &Authority, kind: Kind, starts_in_days: i64, days: u32) -> Issued {
    let valid_from_unix_ms = now_ms() - 60_000 + starts_in_days * DAY_MS;
    let (common_name, organisation) = ("lin.wei".into(), "hospital-a".into());
    let roles = vec!["supplier".into()];
    authority.issue(&Request { common_name, organisation, roles, kind, valid_from_unix_ms, days }).unwrap()
}

fn credentials(issued: &Issued) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = vec![CertificateDer::from_pem_slice(issued.cert_pem.as_bytes()).unwrap()];
    (chain, PrivateKeyDer::from_pem_slice(issued.key_pem.expose().as_bytes()).unwrap())
}

/// Carries the bytes of a handshake to and fro; the server's view of who called, or the error of whoever refused.
fn shake(client: ClientConfig, server: ServerConfig, name: &'static str) -> Result<Identity, Error> {
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from(name).unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    for _ in 0..8 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    let chain = server.peer_certificates().unwrap();
    Ok(Identity::from_der(&chain[0]).unwrap())
}

fn certificate_error(outcome: Result<Identity, Error>) -> CertificateError {
    match outcome {
        Err(Error::InvalidCertificate(error)) => error,
        other => panic!("expected a refused certificate, got {other:?}"),
    }
}

#[test]
fn both_sides_accept_each_other() {
    let zone = Zone::new();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for name in ["enclave.test", "127.0.0.1"] {
            let (chain, key) = credentials(&zone.client);
            let config = zone.client_builder(version).with_client_auth_cert(chain, key).unwrap();
            let identity = shake(config, zone.server_config(), name).unwrap();
            assert_eq!((identity.common_name.as_str(), identity.organisation.as_str()), ("lin.wei", "hospital-a"));
            assert_eq!(identity.serial_hex, zone.client.serial_hex);
        }
    }
}

#[test]
fn an_authority_read_from_pem_issues_what_is_accepted() {
    let mut zone = Zone::new();
    let again = Authority::from_pem(zone.authority.cert_pem(), zone.authority.key_pem().expose()).unwrap();
    zone.client = issue(&again, Kind::Client, 0, 30);
    zone.crl_pem = again.crl(&[], 2, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
    assert_eq!(zone.connect().unwrap().serial_hex, zone.client.serial_hex);
}

#[test]
fn expired_and_early_clients_are_refused() {
    let mut zone = Zone::new();
    zone.authority = Authority::create(Algorithm::P256, "Zone", now_ms() - 100 * DAY_MS, 365).unwrap();
    zone.server = issue(&zone.authority, Kind::Server { names: vec!["enclave.test".into()] }, 0, 30);
    zone.crl_pem = zone.authority.crl(&[], 1, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
    zone.client = issue(&zone.authority, Kind::Client, -10, 5);
    assert!(matches!(
        certificate_error(zone.connect()),
        CertificateError::Expired | CertificateError::ExpiredContext { .. }
    ));
    zone.client = issue(&zone.authority, Kind::Client, 5, 5);
    assert!(matches!(
        certificate_error(zone.connect()),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
    ));
}

#[test]
fn revoked_clients_are_refused() {
    let mut zone = Zone::new();
    let revoked = Revoked { serial_hex: zone.client.serial_hex.clone(), at_unix_ms: now_ms() };
    zone.crl_pem = zone.authority.crl(&[revoked], 2, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
    assert_eq!(certificate_error(zone.connect()), CertificateError::Revoked);
}

#[test]
fn a_stale_revocation_list_lets_nobody_in() {
    let mut zone = Zone::new();
    zone.crl_pem = zone.authority.crl(&[], 2, now_ms() - 3 * DAY_MS, now_ms() - DAY_MS).unwrap();
    assert!(matches!(
        certificate_error(zone.connect()),
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. }
    ));
}

#[test]
fn the_revocation_list_of_another_authority_lets_nobody_in() {
    let mut zone = Zone::new();
    // Same name, other key: the list is looked up by name and its signature must then fail.
    let forger = Authority::create(Algorithm::P256, "Zone", now_ms() - DAY_MS, 365).unwrap();
    zone.crl_pem = forger.crl(&[], 9, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
    let fault = zone.connect();
    assert_eq!(fault, Err(Error::InvalidCertRevocationList(CertRevocationListError::BadSignature)));
}

#[test]
fn clients_of_another_authority_are_refused() {
    let mut zone = Zone::new();
    let same_name = Authority::create(Algorithm::P256, "Zone", now_ms() - DAY_MS, 365).unwrap();
    zone.client = issue(&same_name, Kind::Client, 0, 30);
    assert!(matches!(
        certificate_error(zone.connect()),
        CertificateError::BadSignature | CertificateError::UnknownIssuer
    ));
    let stranger = Authority::create(Algorithm::P256, "Elsewhere", now_ms() - DAY_MS, 365).unwrap();
    zone.client = issue(&stranger, Kind::Client, 0, 30);
    assert_eq!(certificate_error(zone.connect()), CertificateError::UnknownIssuer);
}

#[test]
fn callers_without_a_certificate_are_refused() {
    let zone = Zone::new();
    let config = zone.client_builder(&rustls::version::TLS13).with_no_client_auth();
    assert_eq!(shake(config, zone.server_config(), "enclave.test"), Err(Error::NoCertificatesPresented));
}

#[test]
fn a_client_does_not_pass_for_a_server_nor_the_other_way_round() {
    let purpose =
        |error| matches!(error, CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. });
    let mut zone = Zone::new();
    std::mem::swap(&mut zone.client, &mut zone.server);
    // The client checks the server first, and "lin.wei" is a client: no name and the wrong purpose.
    assert!(purpose(certificate_error(zone.connect())));
    let mut zone = Zone::new();
    zone.client = issue(&zone.authority, Kind::Server { names: vec!["lin.wei.test".into()] }, 0, 30);
    assert!(purpose(certificate_error(zone.connect())));
}

#[test]
fn a_server_under_another_name_is_refused() {
    let zone = Zone::new();
    for name in ["other.test", "127.0.0.2"] {
        let (chain, key) = credentials(&zone.client);
        let config = zone.client_builder(&rustls::version::TLS13).with_client_auth_cert(chain, key).unwrap();
        assert!(matches!(
            certificate_error(shake(config, zone.server_config(), name)),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ));
    }
}
