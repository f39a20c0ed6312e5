//! Who a certificate names.

use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::AttributeTypeAndValue;

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
    /// Reads the subject of a certificate in DER.
    ///
    /// # Errors
    /// [`GmError::Certificate`] when the bytes are no certificate, or its subject has not exactly one CN and one O: a
    /// second one would leave open who acts.
    pub fn from_der(der: &[u8]) -> Result<Self, GmError> {
        let certificate = parse(der)?;
        let subject = certificate.subject();
        let common_name = only(subject.iter_common_name(), "expected exactly one CN in the subject")?;
        let organisation = only(subject.iter_organization(), "expected exactly one O in the subject")?;
        let units = subject.iter_organizational_unit().map(text).collect::<Result<Vec<_>, _>>()?;
        let roles = units
            .iter()
            .flat_map(|unit| unit.split(ROLE_SEPARATOR))
            .map(|role| role.trim().to_owned())
            .filter(|role| !role.is_empty())
            .collect();
        Ok(Self {
            common_name,
            organisation,
            roles,
            serial_hex: serial_hex(&certificate),
            fingerprint: sm3(der),
            not_after_unix_ms: certificate.validity().not_after.timestamp().saturating_mul(1000),
        })
    }
}

/// Parses one certificate and nothing after it.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, GmError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(GmError::Certificate { what: "expected one X.509 certificate in DER" }),
    }
}

fn serial_hex(certificate: &X509Certificate<'_>) -> String {
    let serial = certificate.raw_serial();
    let start = serial.iter().take_while(|byte| **byte == 0).count();
    hex::encode(serial.get(start..).unwrap_or_default())
}

fn only<'a>(
    mut values: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>,
    what: &'static str,
) -> Result<String, GmError> {
    match (values.next(), values.next()) {
        (Some(value), None) => text(value),
        _ => Err(GmError::Certificate { what }),
    }
}

fn text(value: &AttributeTypeAndValue<'_>) -> Result<String, GmError> {
    value
        .as_str()
        .map(str::to_owned)
        .map_err(|_| GmError::Certificate { what: "expected the subject's attributes as UTF-8 text" })
}
