//! How a client proves itself, and whom it trusts: certificates of the zone's own authority, and no others.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::ClientError;

/// Where the server is and how to prove oneself to it.
#[derive(Clone)]
pub struct Access {
    /// `https://name:port`. The name or address is one that the server's certificate lists.
    pub server: String,
    /// Certificate of the zone's authority, PEM. No other authority is trusted.
    pub authority_pem: String,
    /// The caller's certificate, PEM.
    pub certificate_pem: String,
    /// Its private key, PKCS#8 PEM.
    pub key_pem: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Access {
    /// TLS 1.3 with the caller's certificate.
    pub(crate) fn tls(&self) -> Result<ClientConfig, ClientError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates("the authority's certificate", &self.authority_pem)? {
            roots.add(authority).map_err(|error| unusable("the authority's certificate", error))?;
        }
        let chain = certificates("the certificate", &self.certificate_pem)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|error| unusable("the private key", error))?;
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| unusable("TLS 1.3", error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|error| unusable("certificate and private key together", error))
    }
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(what, error))?;
    if chain.is_empty() { Err(unusable(what, "the PEM text holds none")) } else { Ok(chain) }
}

fn unusable(what: &'static str, detail: impl std::fmt::Display) -> ClientError {
    ClientError::Access { what, detail: detail.to_string() }
}
