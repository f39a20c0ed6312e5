//! TLS 1.3 in two kinds that never mix: the suites of RFC 8998 (SM2, SM3, SM4) and the standard ones.
//!
//! rustls picks cipher suite, group and signature each by itself, so a configuration that spoke both kinds could pair
//! SM4 with X25519. Every configuration here speaks one kind alone; a server with both looks at the ClientHello
//! ([`Suites::of_hello`]) and takes the one that it asks for.
//!
//! What a configuration refuses: TLS 1.2, 0-RTT, a peer without certificate, a revoked one, a revocation list past its
//! end, an authority or certificate of the other kind. Sessions are resumed from a table in memory, of bounded size,
//! that dies with its configuration; there are no ticket keys.

mod config;
mod credentials;
mod error;
mod explain;
mod gm;
mod sessions;
mod suites;
mod trust;

pub use config::{client_config, server_config};
pub use credentials::Credentials;
pub use error::TlsError;
pub use explain::{explain, negotiated};
pub use sessions::SESSIONS_MAX;
pub use suites::{Suites, provider};
pub use trust::{Authorities, client_verifier};

#[cfg(test)]
mod tests;
