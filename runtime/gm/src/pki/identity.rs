//! Who a certificate names.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::name::DirectoryString;
use x509_cert::name::Name;

use super::ROLE_SEPARATOR;
use crate::{Digest, GmError, hex, sm3};

/// The subject of a certificate. Whether the certificate holds is for the TLS layer to say, before this is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// CN: the principal's id.
    pub common_name: String,
    /// O: the organisation's id.
    pub organisation: String,
    /// OU: the roles, in the order of the certificate.
    pub roles: Vec<String>,
    /// Serial number, lower-case hexadecimal without leading zero bytes.
    pub serial_hex: String,
    /// SM3 of the certificate in DER.
    pub fingerprint: Digest,
    /// End of validity, milliseconds since the Unix epoch.
    pub not_after_unix_ms: i64,
}

impl Identity {
    /// Reads the subject of a certificate in DER, of either algorithm.
    ///
    /// # Errors
    /// [`GmError::Certificate`] when the bytes are no certificate, or its subject has not exactly one CN and one O: a
    /// second one would leave open who acts.
    pub fn from_der(der: &[u8]) -> Result<Self, GmError> {
        let certificate = parse(der)?;
        let certificate = certificate.tbs_certificate();
        let subject = certificate.subject();
        let common_name = only(subject, rfc4519::COMMON_NAME, "expected exactly one CN in the subject")?;
        let organisation = only(subject, rfc4519::ORGANIZATION_NAME, "expected exactly one O in the subject")?;
        let units = values(subject, rfc4519::ORGANIZATIONAL_UNIT_NAME).map(text).collect::<Result<Vec<_>, _>>()?;
        let roles = units
            .iter()
            .flat_map(|unit| unit.split(ROLE_SEPARATOR))
            .map(|role| role.trim().to_owned())
            .filter(|role| !role.is_empty())
            .collect();
        let not_after_s = certificate.validity().not_after.to_unix_duration().as_secs();
        Ok(Self {
            common_name,
            organisation,
            roles,
            serial_hex: serial_hex(certificate.serial_number().as_bytes()),
            fingerprint: sm3(der),
            not_after_unix_ms: i64::try_from(not_after_s).unwrap_or(i64::MAX).saturating_mul(1000),
        })
    }
}

/// Parses one certificate and nothing after it.
pub(super) fn parse(der: &[u8]) -> Result<Certificate, GmError> {
    Certificate::from_der(der).map_err(|_| GmError::Certificate { what: "expected one X.509 certificate in DER" })
}

/// The same from PEM.
pub(super) fn parse_pem(pem: &str) -> Result<Certificate, GmError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| GmError::Certificate { what: "expected a certificate in PEM" })?;
    parse(&der)
}

fn serial_hex(serial: &[u8]) -> String {
    let start = serial.iter().take_while(|byte| **byte == 0).count();
    hex::encode(serial.get(start..).unwrap_or_default())
}

fn only(subject: &Name, oid: ObjectIdentifier, what: &'static str) -> Result<String, GmError> {
    let mut values = values(subject, oid);
    match (values.next(), values.next()) {
        (Some(value), None) => text(value),
        _ => Err(GmError::Certificate { what }),
    }
}

fn values(subject: &Name, oid: ObjectIdentifier) -> impl Iterator<Item = &AttributeTypeAndValue> {
    subject.iter().filter(move |attribute| attribute.oid == oid)
}

fn text(attribute: &AttributeTypeAndValue) -> Result<String, GmError> {
    DirectoryString::try_from(&attribute.value)
        .map(|text| text.value().into_owned())
        .map_err(|_| GmError::Certificate { what: "expected the subject's attributes as text" })
}
