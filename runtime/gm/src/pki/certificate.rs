//! The parts of a certificate: names, validity, extensions (RFC 5280, section 4).

use std::net::IpAddr;
use std::time::Duration;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc4519, rfc5280};
use rustls_pki_types::DnsName;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::der::asn1::{Any, Ia5String, OctetString};
use x509_cert::der::flagset::FlagSet;
use x509_cert::der::{DateTime, Decode as _, Encode as _, Tag};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};
use x509_cert::{TbsCertificate, builder};

use super::{Kind, ROLE_SEPARATOR, Request};
use crate::{GmError, hex, sm3};

/// Longest CN, O and OU (X.520, upper bounds).
const NAME_LENGTH_MAX: usize = 64;
/// Length of a serial number, in bytes: 126 random bits.
pub(super) const SERIAL_LENGTH_BYTES: usize = 16;
/// Length of a key identifier, in bytes: as long as the SHA-1 of RFC 5280, section 4.2.1.2.
const KEY_ID_LENGTH_BYTES: usize = 20;
const DAY_MS: i64 = 86_400_000;
/// 9999-12-31T23:59:59Z, the last moment that X.509 can write.
const TIME_MAX_UNIX_MS: i64 = 253_402_300_799_000;

/// A certificate's names and extensions, as the builder asks for them.
pub(super) struct Profile {
    pub(super) issuer: Name,
    pub(super) subject: Name,
    pub(super) extensions: Vec<Extension>,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        Ok(self.extensions.clone())
    }
}

/// The extensions of a root that certifies no further authorities.
pub(super) fn root_extensions(subject: &Name, key_id: &OctetString) -> Result<Vec<Extension>, GmError> {
    Ok(vec![
        extension(subject, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?,
        extension(subject, &SubjectKeyIdentifier(key_id.clone()))?,
        extension(subject, &BasicConstraints { ca: true, path_len_constraint: Some(0) })?,
    ])
}

/// The extensions of a client's or server's certificate.
pub(super) fn leaf_extensions(
    subject: &Name,
    kind: &Kind,
    issuer_key_id: &OctetString,
    key_id: &OctetString,
) -> Result<Vec<Extension>, GmError> {
    let mut extensions = vec![extension(subject, &authority_key_id(issuer_key_id))?];
    let purpose = match kind {
        Kind::Client => rfc5280::ID_KP_CLIENT_AUTH,
        Kind::Server { names } => {
            if names.is_empty() {
                return Err(fault("expected at least one DNS name or IP address of the server"));
            }
            let names = names.iter().map(|name| general_name(name)).collect::<Result<Vec<_>, _>>()?;
            extensions.push(extension(subject, &SubjectAltName(names))?);
            rfc5280::ID_KP_SERVER_AUTH
        }
    };
    extensions.extend([
        extension(subject, &KeyUsage(FlagSet::from(KeyUsages::DigitalSignature)))?,
        extension(subject, &ExtendedKeyUsage(vec![purpose]))?,
        extension(subject, &SubjectKeyIdentifier(key_id.clone()))?,
        extension(subject, &BasicConstraints { ca: false, path_len_constraint: None })?,
    ]);
    Ok(extensions)
}

pub(super) fn authority_key_id(key_id: &OctetString) -> AuthorityKeyIdentifier {
    AuthorityKeyIdentifier { key_identifier: Some(key_id.clone()), ..Default::default() }
}

/// An extension under its own id, critical where RFC 5280 says so.
pub(super) fn extension<T>(subject: &Name, content: &T) -> Result<Extension, GmError>
where
    for<'a> &'a T: ToExtension,
{
    content.to_extension(subject, &[]).map_err(|_| GmError::Issuing)
}

/// The first 160 bits of the SM3 of the key: any method that gives unique values will do (RFC 5280, section 4.2.1.2).
pub(super) fn key_id(public_key: &SubjectPublicKeyInfoOwned) -> Result<OctetString, GmError> {
    let digest = sm3(public_key.subject_public_key.raw_bytes());
    let id = digest.as_bytes().get(..KEY_ID_LENGTH_BYTES).unwrap_or_default();
    OctetString::new(id).map_err(|_| GmError::Issuing)
}

/// The subject of a root.
pub(super) fn root_name(common_name: &str) -> Result<Name, GmError> {
    name(&[(rfc4519::COMMON_NAME, common_name)])
}

/// The subject of a client or server.
pub(super) fn subject(request: &Request) -> Result<Name, GmError> {
    let role_holds = |role: &String| !role.is_empty() && role.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if !request.roles.iter().all(role_holds) {
        return Err(fault("expected roles of lower-case letters and `-`"));
    }
    let roles = request.roles.join(&ROLE_SEPARATOR.to_string());
    let mut attributes =
        vec![(rfc4519::COMMON_NAME, request.common_name.as_str()), (rfc4519::ORGANIZATION_NAME, &request.organisation)];
    if !roles.is_empty() {
        attributes.push((rfc4519::ORGANIZATIONAL_UNIT_NAME, &roles));
    }
    name(&attributes)
}

/// A name of one attribute an RDN, each in UTF-8.
fn name(attributes: &[(ObjectIdentifier, &str)]) -> Result<Name, GmError> {
    let mut sequence = RdnSequence::default();
    for (oid, value) in attributes {
        let value = Any::new(Tag::Utf8String, checked_name(value)?.as_bytes()).map_err(|_| GmError::Issuing)?;
        let attribute = AttributeTypeAndValue { oid: *oid, value };
        sequence.push(RelativeDistinguishedName::try_from(vec![attribute]).map_err(|_| GmError::Issuing)?);
    }
    // The library makes a name of its own choice of string types from text, and any other only from DER.
    sequence.to_der().and_then(|der| Name::from_der(&der)).map_err(|_| GmError::Issuing)
}

fn checked_name(name: &str) -> Result<&str, GmError> {
    if name.is_empty() || name.chars().count() > NAME_LENGTH_MAX || name.chars().any(char::is_control) {
        return Err(fault("expected names of 1 to 64 printable characters"));
    }
    Ok(name)
}

fn general_name(name: &str) -> Result<GeneralName, GmError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        return OctetString::new(bytes).map(GeneralName::IpAddress).map_err(|_| GmError::Issuing);
    }
    DnsName::try_from(name.strip_prefix("*.").unwrap_or(name))
        .map_err(|_| fault("expected DNS names or IP addresses of the server, without scheme and port"))?;
    Ia5String::new(name).map(GeneralName::DnsName).map_err(|_| GmError::Issuing)
}

/// Start and end, and the end as it stands in the certificate: in whole seconds, milliseconds since the Unix epoch.
pub(super) fn validity(from_unix_ms: i64, days: u32) -> Result<(Validity, i64), GmError> {
    let until_unix_ms = from_unix_ms.saturating_add(i64::from(days).saturating_mul(DAY_MS));
    let validity = Validity::new(time(from_unix_ms)?, time(until_unix_ms)?);
    if days == 0 {
        return Err(fault("expected a validity of at least one day"));
    }
    Ok((validity, until_unix_ms / 1000 * 1000))
}

/// A time as certificates and lists write it, in whole seconds.
pub(super) fn time(unix_ms: i64) -> Result<Time, GmError> {
    match u64::try_from(unix_ms) {
        Ok(since_epoch_ms) if unix_ms <= TIME_MAX_UNIX_MS => {
            let since_epoch = Duration::from_secs(since_epoch_ms / 1000);
            DateTime::from_unix_duration(since_epoch).map(Time::from).map_err(|_| GmError::Issuing)
        }
        _ => Err(fault("expected times from 1970 to 9999")),
    }
}

pub(super) fn random_serial() -> Result<(String, SerialNumber), GmError> {
    let mut bytes = [0; SERIAL_LENGTH_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| GmError::Randomness)?;
    // Positive and of full length (RFC 5280, section 4.1.2.2), so that number and text are the same everywhere.
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    Ok((hex::encode(&bytes), SerialNumber::new(&bytes).map_err(|_| GmError::Issuing)?))
}

fn fault(what: &'static str) -> GmError {
    GmError::Certificate { what }
}
