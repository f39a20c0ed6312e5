//! The TLS side: what the server presents, whom it trusts, and what changes when the files change.
//!
//! TLS 1.3 alone. No session tickets: every connection proves its certificate anew, so that a revoked one never
//! gets in by resumption; a full handshake costs about a millisecond.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::TlsFiles;
use crate::error::ServerError;
use crate::metrics::Metrics;

/// One state of the TLS files, in use until the next.
pub(crate) struct Trust {
    /// For the acceptor.
    pub(crate) acceptor: Arc<ServerConfig>,
    /// Counts the states, so that a connection knows when its certificate has to be checked again.
    pub(crate) generation: u64,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Trust {
    /// Reads the files and checks that they fit together.
    ///
    /// # Errors
    /// [`ServerError`] names the file at fault.
    pub(crate) fn load(files: &TlsFiles, generation: u64) -> Result<Self, ServerError> {
        let chain = certificates(&files.certificate)?;
        let key_pem = read(&files.key)?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem)
            .map_err(|_| ServerError::Pem { path: files.key.clone(), expected: "a private key (PKCS#8 PEM)" })?;
        let verifier = client_verifier(files)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unfit)?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain, key)
            .map_err(unfit)?;
        // HTTP/2 is not offered: the listener does not speak it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { acceptor: Arc::new(config), generation, verifier })
    }

    /// Whether a chain presented earlier would still be accepted: authority, term and revocation, as of now.
    ///
    /// # Errors
    /// What the verifier said.
    pub(crate) fn check(&self, chain: &[CertificateDer<'static>]) -> Result<(), rustls::Error> {
        let (end_entity, intermediates) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.verifier.verify_client_cert(end_entity, intermediates, UnixTime::now()).map(|_| ())
    }
}

/// Loads the files now, and again whenever one of them changes, until `stop`.
///
/// # Errors
/// [`ServerError`] when they can't be used at the start. Later faults are logged and the state before stays.
pub(crate) fn watch_files(
    files: TlsFiles,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<watch::Receiver<Arc<Trust>>, ServerError> {
    let mut seen = Stamps::of(&files);
    let (sender, receiver) = watch::channel(Arc::new(Trust::load(&files, 0)?));
    tokio::spawn(async move {
        let mut generation = 0;
        let mut ticks = tokio::time::interval(files.poll_interval);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let now = Stamps::of(&files);
            if now == seen {
                continue;
            }
            generation += 1;
            match Trust::load(&files, generation) {
                Ok(trust) => {
                    // Only what was used counts as seen: a half-written set is tried again at the next tick.
                    seen = now;
                    tracing::info!(generation, "TLS files changed and are in use");
                    metrics.tls_reload(true);
                    sender.send_replace(Arc::new(trust));
                }
                Err(error) => {
                    tracing::error!(%error, "TLS files changed but can't be used; those before stay in use");
                    metrics.tls_reload(false);
                }
            }
        }
    });
    Ok(receiver)
}

fn client_verifier(files: &TlsFiles) -> Result<Arc<dyn ClientCertVerifier>, ServerError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&files.client_authority)? {
        roots.add(authority).map_err(unfit)?;
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(&read(&files.client_revocations)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|lists| !lists.is_empty())
        .ok_or_else(|| ServerError::Pem {
            path: files.client_revocations.clone(),
            expected: "a certificate revocation list (PEM)",
        })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls(lists)
        // A list past its next update says nothing about today; whoever withholds a newer one must not win by it.
        .enforce_revocation_expiration()
        .build()
        .map_err(unfit)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServerError> {
    CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| ServerError::Pem { path: path.to_owned(), expected: "a certificate (PEM)" })
}

fn read(path: &Path) -> Result<Vec<u8>, ServerError> {
    std::fs::read(path).map_err(|source| ServerError::File { path: path.to_owned(), source })
}

fn unfit(error: impl std::fmt::Display) -> ServerError {
    ServerError::Tls { detail: error.to_string() }
}

/// What tells that a file changed: time and length of each.
#[derive(PartialEq)]
struct Stamps([Option<(SystemTime, u64)>; 4]);

impl Stamps {
    fn of(files: &TlsFiles) -> Self {
        let stamp = |path: &PathBuf| {
            let data = std::fs::metadata(path).ok()?;
            Some((data.modified().ok()?, data.len()))
        };
        Self([
            stamp(&files.certificate),
            stamp(&files.key),
            stamp(&files.client_authority),
            stamp(&files.client_revocations),
        ])
    }
}
