//! What an authority is asked for, and what it hands out.

use zeroize::Zeroizing;

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
    /// Serial number, lower-case hexadecimal; what [`Authority::crl`](super::Authority::crl) revokes.
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

    pub(crate) fn new(pem: Zeroizing<String>) -> Self {
        Self(pem)
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
