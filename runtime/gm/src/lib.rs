//! Chinese commercial cryptography (SM2, SM3, SM4), key types, and the certificates of mutual TLS.
//!
//! One file an algorithm. Nothing here does I/O or reads a clock; randomness is drawn only to make keys and serial
//! numbers. Secrets are wiped when dropped and have neither `Serialize` nor a `Debug` that shows them:
//!
//! ```
//! fn written<T: serde::Serialize>() {}
//! written::<glovebox_gm::Digest>();
//! ```
//! ```compile_fail,E0277
//! fn written<T: serde::Serialize>() {}
//! written::<glovebox_gm::Key256>();
//! ```
//! ```compile_fail,E0277
//! fn written<T: serde::Serialize>() {}
//! written::<glovebox_gm::SigningKey>();
//! ```

mod digest;
mod error;
mod hex;
mod kdf;
mod key;
pub mod key_file;
pub mod pki;
mod sm2;
mod sm3;
mod sm4;

pub use digest::Digest;
pub use error::GmError;
pub use kdf::{hkdf_sm3_128, hkdf_sm3_256, hmac_sm3, hmac_sm3_many, passphrase_key};
pub use key::{Key128, Key256};
pub use sm2::{AgreementKey, POINT_LENGTH_BYTES, SM2_DEFAULT_ID, Signature, SigningKey, VerifyingKey};
pub use sm3::{Sm3Hasher, Sm3Lanes, sm3, sm3_many};
pub use sm4::{Kernel, NONCE_LENGTH_BYTES, Sm4Ccm, Sm4Ctr, Sm4Gcm, TAG_LENGTH_BYTES};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
