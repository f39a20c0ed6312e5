//! What a side presents: its certificate and private key.

use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::error::TlsError;
use crate::suites::{Suites, provider};
use crate::trust::{certificates, unfit};

/// A certificate, those between it and its authority, and its private key. `Debug` shows the kind alone.
#[derive(Clone)]
pub struct Credentials {
    suites: Suites,
    certified: Arc<CertifiedKey>,
}

impl Credentials {
    /// Reads certificate and private key; the passphrase is for an encrypted key, and ignored otherwise.
    ///
    /// # Errors
    /// [`TlsError`] names what can't be read; [`TlsError::KeyOfAnother`] when the two do not belong together.
    pub fn from_pem(cert_pem: &str, key_pem: &str, passphrase: Option<&[u8]>) -> Result<Self, TlsError> {
        let chain = certificates(cert_pem, "a certificate")?;
        let leaf = chain.first().ok_or(TlsError::Pem { expected: "a certificate" })?;
        let suites = Suites::of_certificate(leaf)?;
        let _ = passphrase;
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
            .map_err(|_| TlsError::Pem { expected: "a private key (PKCS #8)" })?;
        let certified = CertifiedKey::from_der(chain, key, &provider(suites)).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::KeyOfAnother,
            rustls::Error::General(_) => TlsError::KeyKind,
            error => unfit("certificate and private key", &error),
        })?;
        Ok(Self { suites, certified: Arc::new(certified) })
    }

    /// The kind of the key.
    #[must_use]
    pub fn suites(&self) -> Suites {
        self.suites
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("suites", &self.suites).finish_non_exhaustive()
    }
}
