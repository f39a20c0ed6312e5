//! The authority of a zone: issues certificates for clients and servers, and revokes them.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::identity::parse;
use super::{Algorithm, ROLE_SEPARATOR};
use crate::{GmError, hex};

/// Longest CN, O and OU (X.520, upper bounds).
const NAME_LENGTH_MAX: usize = 64;
/// Length of a serial number, in bytes: 126 random bits.
const SERIAL_LENGTH_BYTES: usize = 16;
const DAY_MS: i64 = 86_400_000;
/// 9999-12-31T23:59:59Z, the last moment that X.509 can write.
const TIME_MAX_UNIX_MS: i64 = 253_402_300_799_000;

/// For whom a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A principal who calls.
    Client,
    /// A server under these DNS names and IP addresses.
    Server {
        /// DNS names and IP addresses, at least one.
        names: Vec<String>,
    },
}

/// What to certify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// CN: the principal's id, or the server's name.
    pub common_name: String,
    /// O: the organisation's id.
    pub organisation: String,
    /// OU: the roles, each `[a-z-]+`; none for a server.
    pub roles: Vec<String>,
    /// For whom.
    pub kind: Kind,
    /// Start of validity, milliseconds since the Unix epoch.
    pub valid_from_unix_ms: i64,
    /// Length of validity, in days.
    pub days: u32,
}

/// A certificate with its private key.
#[derive(Debug)]
pub struct Issued {
    /// The certificate, PEM.
    pub cert_pem: String,
    /// The private key, PKCS #8 in PEM, unencrypted.
    pub key_pem: SecretPem,
    /// Serial number, lower-case hexadecimal; what [`Authority::crl`] revokes.
    pub serial_hex: String,
    /// End of validity, milliseconds since the Unix epoch.
    pub not_after_unix_ms: i64,
}

/// A private key in PEM: wiped when dropped, hidden from `Debug`.
pub struct SecretPem(Zeroizing<String>);

impl SecretPem {
    /// The PEM text. Named so that every use stands out.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretPem(secret)")
    }
}

/// A certificate that no longer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number, lower-case hexadecimal.
    pub serial_hex: String,
    /// When it was revoked, milliseconds since the Unix epoch.
    pub at_unix_ms: i64,
}

/// The root of trust of a zone, with its private key.
pub struct Authority {
    cert_pem: String,
    key_pem: SecretPem,
    issuer: Issuer<'static, KeyPair>,
    not_after_unix_ms: i64,
}

impl Authority {
    /// A new root called `name`, valid for `days` from `valid_from_unix_ms`. It can't certify further authorities.
    ///
    /// # Errors
    /// [`GmError::Certificate`] for a name or time that X.509 can't write, [`GmError::Issuing`] from the library.
    pub fn create(algorithm: Algorithm, name: &str, valid_from_unix_ms: i64, days: u32) -> Result<Self, GmError> {
        if algorithm == Algorithm::Sm2 {
            return Err(GmError::Certificate { what: "SM2 authorities are not to be had yet" });
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, checked_name(name)?);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(random_serial()?.1);
        let not_after_unix_ms = set_validity(&mut params, valid_from_unix_ms, days)?;
        let cert_pem = params.self_signed(&key)?.pem();
        let key_pem = secret_pem(&key);
        Ok(Self { cert_pem, key_pem, issuer: Issuer::new(params, key), not_after_unix_ms })
    }

    /// Takes up an authority from its certificate and private key, both PEM.
    ///
    /// # Errors
    /// [`GmError::Certificate`] when the certificate is not an authority's, or the key is not the certificate's.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, GmError> {
        let fault = |what| GmError::Certificate { what };
        let der = CertificateDer::from_pem_slice(cert_pem.as_bytes())
            .map_err(|_| fault("expected the authority's certificate in PEM"))?;
        let key = KeyPair::from_pem(key_pem).map_err(|_| fault("expected the authority's private key in PEM"))?;
        let certificate = parse(&der)?;
        if !certificate.is_ca() {
            return Err(fault("expected the certificate of an authority, got one of a client or server"));
        }
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(fault("the private key is not the one of the authority's certificate"));
        }
        let not_after_unix_ms = certificate.validity().not_after.timestamp().saturating_mul(1000);
        let key_pem = secret_pem(&key);
        let issuer = Issuer::from_ca_cert_der(&der, key)?;
        Ok(Self { cert_pem: cert_pem.to_owned(), key_pem, issuer, not_after_unix_ms })
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        Algorithm::P256
    }

    /// The root certificate, PEM.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The root's private key, PKCS #8 in PEM.
    #[must_use]
    pub fn key_pem(&self) -> &SecretPem {
        &self.key_pem
    }

    /// Certifies a fresh key.
    ///
    /// # Errors
    /// [`GmError::Certificate`] for names or times that can't be certified, or an end after the authority's own;
    /// [`GmError::Issuing`] from the library.
    pub fn issue(&self, request: &Request) -> Result<Issued, GmError> {
        let names = match &request.kind {
            Kind::Client => Vec::new(),
            Kind::Server { names } if names.is_empty() => {
                return Err(GmError::Certificate {
                    what: "expected at least one DNS name or IP address of the server",
                });
            }
            Kind::Server { names } => names.clone(),
        };
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = subject(request)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match request.kind {
            Kind::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Kind::Server { .. } => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        let (serial_hex, serial) = random_serial()?;
        params.serial_number = Some(serial);
        let not_after_unix_ms = set_validity(&mut params, request.valid_from_unix_ms, request.days)?;
        if not_after_unix_ms > self.not_after_unix_ms {
            return Err(GmError::Certificate { what: "it would outlive the authority; ask for fewer days" });
        }
        let key = KeyPair::generate()?;
        let cert_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { cert_pem, key_pem: secret_pem(&key), serial_hex, not_after_unix_ms })
    }

    /// A revocation list, PEM. `number` rises with every list; whoever checks it refuses it after `next_update`.
    ///
    /// # Errors
    /// [`GmError::Certificate`] for a serial number or time that can't be written, [`GmError::Issuing`] when
    /// `next_update_unix_ms` is not after `this_update_unix_ms`.
    pub fn crl(
        &self,
        revoked: &[Revoked],
        number: u64,
        this_update_unix_ms: i64,
        next_update_unix_ms: i64,
    ) -> Result<String, GmError> {
        let revoked_certs = revoked.iter().map(revoked_params).collect::<Result<Vec<_>, _>>()?;
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + since_epoch(this_update_unix_ms)?,
            next_update: date_time_ymd(1970, 1, 1) + since_epoch(next_update_unix_ms)?,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("cert_pem", &self.cert_pem).finish_non_exhaustive()
    }
}

fn subject(request: &Request) -> Result<DistinguishedName, GmError> {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, checked_name(&request.common_name)?);
    subject.push(DnType::OrganizationName, checked_name(&request.organisation)?);
    let role_holds = |role: &String| !role.is_empty() && role.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if !request.roles.iter().all(role_holds) {
        return Err(GmError::Certificate { what: "expected roles of lower-case letters and `-`" });
    }
    if !request.roles.is_empty() {
        let roles = request.roles.join(&ROLE_SEPARATOR.to_string());
        subject.push(DnType::OrganizationalUnitName, checked_name(&roles)?);
    }
    Ok(subject)
}

fn checked_name(name: &str) -> Result<&str, GmError> {
    if name.is_empty() || name.chars().count() > NAME_LENGTH_MAX || name.chars().any(char::is_control) {
        return Err(GmError::Certificate { what: "expected names of 1 to 64 printable characters" });
    }
    Ok(name)
}

/// Sets start and end, and returns the end as it stands in the certificate: in whole seconds.
fn set_validity(params: &mut CertificateParams, from_unix_ms: i64, days: u32) -> Result<i64, GmError> {
    let until_unix_ms = from_unix_ms.saturating_add(i64::from(days).saturating_mul(DAY_MS));
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(from_unix_ms)?;
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(until_unix_ms)?;
    if days == 0 {
        return Err(GmError::Certificate { what: "expected a validity of at least one day" });
    }
    Ok(until_unix_ms / 1000 * 1000)
}

/// Whole seconds since the Unix epoch; added to `date_time_ymd(1970, 1, 1)` they are the library's time.
fn since_epoch(unix_ms: i64) -> Result<Duration, GmError> {
    match u64::try_from(unix_ms) {
        Ok(since_epoch_ms) if unix_ms <= TIME_MAX_UNIX_MS => Ok(Duration::from_secs(since_epoch_ms / 1000)),
        _ => Err(GmError::Certificate { what: "expected times from 1970 to 9999" }),
    }
}

fn random_serial() -> Result<(String, SerialNumber), GmError> {
    let mut bytes = [0; SERIAL_LENGTH_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| GmError::Randomness)?;
    // Positive and of full length (RFC 5280, section 4.1.2.2), so that number and text are the same everywhere.
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    Ok((hex::encode(&bytes), SerialNumber::from_slice(&bytes)))
}

fn revoked_params(revoked: &Revoked) -> Result<RevokedCertParams, GmError> {
    let serial = hex::decode::<SERIAL_LENGTH_BYTES>(&revoked.serial_hex)?;
    Ok(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&serial),
        revocation_time: date_time_ymd(1970, 1, 1) + since_epoch(revoked.at_unix_ms)?,
        reason_code: None,
        invalidity_date: None,
    })
}

fn secret_pem(key: &KeyPair) -> SecretPem {
    SecretPem(Zeroizing::new(key.serialize_pem()))
}
