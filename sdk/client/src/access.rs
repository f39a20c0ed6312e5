//! How a client proves itself, and whom it trusts: certificates of the zone's own authority, and no others.

use std::sync::Arc;

use glovebox_tls::{Authorities, Credentials, Suites, client_config};
use rustls::ClientConfig;
use zeroize::Zeroizing;

use crate::ClientError;

/// Where the server is and how to prove oneself to it.
#[derive(Clone)]
pub struct Access {
    /// `https://name:port`. The name or address is one that the server's certificate lists.
    pub server: String,
    /// Certificate of the zone's authority, PEM. No other authority is trusted.
    pub authority_pem: String,
    /// The caller's certificate, PEM. An SM2 one speaks RFC 8998, a P-256 one the standard suites.
    pub certificate_pem: String,
    /// Its private key, PKCS#8 PEM.
    pub key_pem: String,
    /// Passphrase of the private key, if that is encrypted.
    pub key_passphrase: Option<Zeroizing<Vec<u8>>>,
    /// Suites that the caller insists on; unless given, whatever the certificate speaks. There is no falling back from
    /// one to the other: whoever can break a connection could then choose.
    pub tls: Option<Suites>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("server", &self.server).finish_non_exhaustive()
    }
}

/// A TLS configuration and what it speaks.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) suites: Suites,
    pub(crate) config: Arc<ClientConfig>,
}

impl Access {
    /// TLS 1.3 with the caller's certificate.
    pub(crate) fn tls(&self) -> Result<Tls, ClientError> {
        let passphrase = self.key_passphrase.as_deref().map(Vec::as_slice);
        let credentials = Credentials::from_pem(&self.certificate_pem, &self.key_pem, passphrase)
            .map_err(|error| unusable("certificate and private key", error))?;
        let suites = credentials.suites();
        match (self.tls, suites) {
            (Some(Suites::Gm), Suites::Standard) => {
                let detail = "it is no SM2 certificate, and only such speak RFC 8998; give an SM2 one, or choose \
                              standard TLS";
                return Err(unusable("the certificate", detail));
            }
            (Some(Suites::Standard), Suites::Gm) => {
                let detail = "it is an SM2 certificate, which standard TLS does not know; give a P-256 one, or choose \
                              RFC 8998";
                return Err(unusable("the certificate", detail));
            }
            _ => {}
        }
        let authorities = Authorities::from_pem(&self.authority_pem, suites)
            .map_err(|error| unusable("the authority's certificate", error))?;
        let config = client_config(&credentials, &authorities)
            .map_err(|error| unusable("certificate and authority together", error))?;
        Ok(Tls { suites, config: Arc::new(config) })
    }
}

fn unusable(what: &'static str, detail: impl std::fmt::Display) -> ClientError {
    ClientError::Access { what, detail: detail.to_string() }
}
