//! A peer that speaks TLS well and means ill: rustls with the product's own cryptography, whose messages are changed
//! after they were written and before they are sealed, and which believes whatever it is told.

use std::sync::Arc;

use glovebox_tls::{Suites, provider};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::cipher::{
    AeadKey, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundOpaqueMessage, OutboundPlainMessage,
    Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ConnectionTrafficSecrets, ContentType, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme, SupportedCipherSuite, Tls13CipherSuite, version,
};

use super::hello::handshake;

/// What is about to be sealed.
pub(crate) struct Inner {
    pub(crate) kind: ContentType,
    pub(crate) body: Vec<u8>,
    /// 0 under the keys of the handshake, 1 under those of application data, one more for each update.
    pub(crate) epoch: usize,
}

impl Inner {
    /// Changes the handshake messages of this kind; what `edit` gives back stands in the place of the message.
    pub(crate) fn edit_message(&mut self, kind: u8, edit: impl Fn(&[u8]) -> Vec<Vec<u8>>) {
        if self.kind != ContentType::Handshake {
            return;
        }
        let messages = messages(&self.body).into_iter();
        self.body = messages
            .flat_map(|(found, body)| if found == kind { edit(&body) } else { vec![handshake(found, &body)] })
            .flatten()
            .collect();
    }
}

/// Splits handshake messages.
pub(crate) fn messages(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [kind, l1, l2, l3, rest @ ..] = bytes {
        let (body, rest) = rest.split_at(u32::from_be_bytes([0, *l1, *l2, *l3]) as usize);
        found.push((*kind, body.to_vec()));
        bytes = rest;
    }
    found
}

pub(crate) type Edit = Arc<dyn Fn(&mut Inner) + Send + Sync>;

/// Says everything as it is.
pub(crate) fn honest() -> Edit {
    Arc::new(|_| {})
}

/// A client of these suites that presents `certified` and believes any server.
pub(crate) fn client(suites: Suites, certified: Arc<CertifiedKey>, edit: Edit) -> ClientConfig {
    client_of(Arc::new(tampering(&provider(suites), edit)), certified)
}

/// The same with cryptography of the test's choice.
pub(crate) fn client_of(provider: Arc<CryptoProvider>, certified: Arc<CertifiedKey>) -> ClientConfig {
    ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible(provider)))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

/// A server of these suites that presents `certified` and lets anyone in.
pub(crate) fn server(suites: Suites, certified: Arc<CertifiedKey>, edit: Edit) -> ServerConfig {
    let provider = Arc::new(tampering(&provider(suites), edit));
    ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(Gullible(provider)))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

/// A chain in DER with a key in PKCS #8, PEM.
pub(crate) fn certified(suites: Suites, chain: Vec<Vec<u8>>, key_pem: &str) -> Arc<CertifiedKey> {
    use rustls::pki_types::pem::PemObject;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
    with_key(chain, provider(suites).key_provider.load_private_key(key).unwrap())
}

pub(crate) fn with_key(chain: Vec<Vec<u8>>, key: Arc<dyn SigningKey>) -> Arc<CertifiedKey> {
    Arc::new(CertifiedKey::new(chain.into_iter().map(CertificateDer::from).collect(), key))
}

fn tampering(provider: &CryptoProvider, edit: Edit) -> CryptoProvider {
    let suites = provider.cipher_suites.iter().filter_map(SupportedCipherSuite::tls13);
    let suites = suites.map(|suite| {
        // A connection refers to its suite for as long as the process lives.
        let aead_alg = Box::leak(Box::new(Tampering { inner: suite.aead_alg, edit: edit.clone() }));
        let CipherSuiteCommon { suite: number, hash_provider, confidentiality_limit } = suite.common;
        let common = CipherSuiteCommon { suite: number, hash_provider, confidentiality_limit };
        let suite = Tls13CipherSuite { common, hkdf_provider: suite.hkdf_provider, aead_alg, quic: None };
        SupportedCipherSuite::Tls13(Box::leak(Box::new(suite)))
    });
    CryptoProvider { cipher_suites: suites.collect(), ..provider.clone() }
}

struct Tampering {
    inner: &'static dyn Tls13AeadAlgorithm,
    edit: Edit,
}

impl Tls13AeadAlgorithm for Tampering {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Sealer { inner: self.inner.encrypter(key, iv), edit: self.edit.clone(), epoch: next_epoch() })
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.inner.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.inner.key_len()
    }

    fn extract_keys(&self, _: AeadKey, _: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

std::thread_local! {
    /// Sealers made by this thread: a test is a thread, and drives one hostile connection at a time.
    static EPOCH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn next_epoch() -> usize {
    EPOCH.replace(EPOCH.get() + 1)
}

/// Counts the keys anew: a connection begins.
pub(crate) fn begin() {
    EPOCH.set(0);
}

struct Sealer {
    inner: Box<dyn MessageEncrypter>,
    edit: Edit,
    epoch: usize,
}

impl MessageEncrypter for Sealer {
    fn encrypt(&mut self, message: OutboundPlainMessage<'_>, sequence: u64) -> Result<OutboundOpaqueMessage, Error> {
        let mut inner = Inner { kind: message.typ, body: message.payload.to_vec(), epoch: self.epoch };
        (self.edit)(&mut inner);
        let payload = OutboundChunks::Single(&inner.body);
        self.inner.encrypt(OutboundPlainMessage { typ: inner.kind, version: message.version, payload }, sequence)
    }

    fn encrypted_payload_len(&self, payload_length: usize) -> usize {
        self.inner.encrypted_payload_len(payload_length)
    }
}

#[derive(Debug)]
struct Gullible(Arc<CryptoProvider>);

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Gullible {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
