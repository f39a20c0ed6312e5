//! Whom a side believes: authorities of one kind, and their revocation lists.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;

use crate::error::TlsError;
use crate::gm;
use crate::suites::{Suites, provider};

/// The authorities that a side believes, all of one kind.
#[derive(Clone, Debug)]
pub struct Authorities {
    suites: Suites,
    roots: Arc<RootCertStore>,
}

impl Authorities {
    /// Reads one or more certificates of authorities.
    ///
    /// # Errors
    /// [`TlsError::Pem`] without any, [`TlsError::AuthorityKind`] for one whose key is not of the suites,
    /// [`TlsError::Unfit`] when one can't be read.
    pub fn from_pem(pem: &str, suites: Suites) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(pem, "the authority's certificate")? {
            if Suites::of_certificate(&authority)? != suites {
                return Err(TlsError::AuthorityKind { name: subject(&authority)?, suites });
            }
            roots.add(authority).map_err(|error| unfit("the authority's certificate", &error))?;
        }
        Ok(Self { suites, roots: Arc::new(roots) })
    }

    /// Their kind.
    #[must_use]
    pub fn suites(&self) -> Suites {
        self.suites
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        self.roots.clone()
    }
}

/// Checks client certificates: by `authorities`, in term, and not on one of their revocation lists.
///
/// A list past its next update says nothing about today, and whoever withholds a newer one must not win by it: with
/// such a list nobody gets in. A certificate that no list covers is refused too.
///
/// # Errors
/// [`TlsError::Pem`] without a list, [`TlsError::Mixed`] for authorities and [`TlsError::ListKind`] for a list of the
/// other kind, [`TlsError::Unfit`] when a list can't be read.
pub fn client_verifier(
    suites: Suites,
    authorities: &Authorities,
    revocations_pem: &str,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    if authorities.suites != suites {
        return Err(TlsError::Mixed { expected: suites });
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(revocations_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|lists| !lists.is_empty())
        .ok_or(TlsError::Pem { expected: "a certificate revocation list" })?;
    for list in &lists {
        let list = <CertificateList>::from_der(list).map_err(|error| unfit("the revocation list", &error))?;
        if (list.signature_algorithm.oid == gm::SM2_WITH_SM3_OID) != (suites == Suites::Gm) {
            return Err(TlsError::ListKind { name: list.tbs_cert_list.issuer.to_string(), suites });
        }
    }
    WebPkiClientVerifier::builder_with_provider(authorities.roots(), provider(suites))
        .with_crls(lists)
        .enforce_revocation_expiration()
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|error| unfit("the revocation list", &error))
}

impl Suites {
    /// The kind of a certificate: that of its own key.
    pub(crate) fn of_certificate(der: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let algorithm = &parse(der)?.tbs_certificate().subject_public_key_info().algorithm.clone();
        let curve = algorithm.parameters.as_ref().and_then(|parameters| parameters.decode_as().ok());
        Ok(if curve == Some(gm::CURVE_SM2_OID) { Self::Gm } else { Self::Standard })
    }
}

/// All certificates of a PEM text, at least one.
pub(crate) fn certificates(pem: &str, expected: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or(TlsError::Pem { expected })
}

fn subject(der: &CertificateDer<'_>) -> Result<String, TlsError> {
    Ok(parse(der)?.tbs_certificate().subject().to_string())
}

fn parse(der: &CertificateDer<'_>) -> Result<Certificate, TlsError> {
    Certificate::from_der(der).map_err(|error| unfit("the certificate", &error))
}

pub(crate) fn unfit(what: &'static str, error: &impl std::fmt::Display) -> TlsError {
    TlsError::Unfit { what, detail: error.to_string() }
}
