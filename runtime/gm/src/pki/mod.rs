//! Certificates for mutual TLS: ECDSA P-256 with SHA-256, from an authority of the zone's own.
//!
//! Subject: CN is the principal's id, O the organisation's id, OU the roles. SM2 certificates follow with RFC 8998.

mod algorithm;
mod authority;
mod identity;

pub use algorithm::Algorithm;
pub use authority::{Authority, Issued, Kind, Request, Revoked, SecretPem};
pub use identity::Identity;

/// What stands between roles where one OU names several. The certificate library writes one value an attribute type,
/// so an authority of ours writes them together; another authority may write an OU a role. Both are read.
const ROLE_SEPARATOR: char = ',';

#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod tests;
