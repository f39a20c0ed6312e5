//! What a side presents: its certificate and private key.

use std::sync::Arc;

use glovebox_gm::key_file;
use rustls::Error;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::TlsError;
use crate::gm;
use crate::suites::Suites;
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
        let key = read_key(suites, key_pem, passphrase)?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|error| match error {
            Error::InconsistentKeys(_) => TlsError::KeyOfAnother,
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

fn read_key(suites: Suites, pem: &str, passphrase: Option<&[u8]>) -> Result<Arc<dyn SigningKey>, TlsError> {
    let pkcs8 = key_file::read(pem, passphrase)?;
    if suites == Suites::Gm {
        return gm::signing_key(&pkcs8).map_err(|_| TlsError::KeyOfAnother);
    }
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.as_slice()));
    any_supported_type(&key).map_err(|_| match gm::signing_key(&pkcs8) {
        Ok(_) => TlsError::KeyOfAnother,
        Err(_) => TlsError::KeyKind,
    })
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("suites", &self.suites).finish_non_exhaustive()
    }
}
