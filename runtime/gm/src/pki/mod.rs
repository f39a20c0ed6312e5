//! Certificates for mutual TLS from an authority of the zone's own: SM2 with SM3 for RFC 8998, ECDSA P-256 with SHA-256
//! for standard TLS 1.3. One code path for both; a certificate and the list that revokes it are of one algorithm.
//!
//! Subject: CN is the principal's id, O the organisation's id, OU the roles.

mod algorithm;
mod authority;
mod certificate;
mod identity;
mod issued;
mod private_key;
mod public_key;

pub use algorithm::Algorithm;
pub use authority::Authority;
pub use identity::Identity;
pub use issued::{Issued, Kind, Request, Revoked, SecretPem};
pub use private_key::PrivateKey;

/// What stands between roles where one OU names several. Our authorities write them together, another may write an OU
/// a role. Both are read.
const ROLE_SEPARATOR: char = ',';

#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod tests;
