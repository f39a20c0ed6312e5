//! TLS 1.3 in two kinds that never mix: the suites of RFC 8998 (SM2, SM3, SM4) and the standard ones.
//!
//! rustls picks cipher suite, group and signature each by itself, so a configuration that spoke both kinds could pair
//! SM4 with X25519. Every configuration here speaks one kind alone; a server with both looks at the ClientHello
//! ([`Suites::of_hello`]) and takes the one that it asks for.
//!
//! What a configuration refuses: TLS 1.2, 0-RTT, a peer without certificate, a revoked one, a revocation list past its
//! end, an authority or certificate of the other kind. Sessions are resumed from a table in memory, of bounded size,
//! that dies with its configuration; there are no ticket keys.
//!
//! ```
//! use std::time::{SystemTime, UNIX_EPOCH};
//!
//! use glovebox_gm::pki::{Algorithm, Authority, Kind, Request};
//! use glovebox_tls::{Authorities, Credentials, Suites, client_config, client_verifier, server_config};
//!
//! let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
//! let authority = Authority::create(Algorithm::Sm2, "Zone", now, 30)?;
//! let credentials = |kind| -> Result<Credentials, Box<dyn std::error::Error>> {
//!     let request = Request {
//!         common_name: "lin.wei".into(),
//!         organisation: "hospital-a".into(),
//!         roles: vec![],
//!         kind,
//!         valid_from_unix_ms: now,
//!         days: 1,
//!     };
//!     let issued = authority.issue(&request)?;
//!     Ok(Credentials::from_pem(&issued.cert_pem, issued.key_pem.expose(), None)?)
//! };
//! let authorities = Authorities::from_pem(authority.cert_pem(), Suites::Gm)?;
//! let revoked = authority.crl(&[], 1, now, now + 86_400_000)?;
//!
//! let verifier = client_verifier(Suites::Gm, &authorities, &revoked)?;
//! let server = server_config(&credentials(Kind::Server { names: vec!["enclave.test".into()] })?, verifier)?;
//! let client = client_config(&credentials(Kind::Client)?, &authorities)?;
//! assert_eq!(server.crypto_provider().cipher_suites, client.crypto_provider().cipher_suites);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
