//! SM2, GB/T 32918-2016: signatures with SM3 and ephemeral key agreement.
//!
//! Curve arithmetic is the `sm2` crate's. The two short algorithms over it are written here: the crate's signing key
//! does not wipe itself and computes its public half anew for every signature, and its check of signatures takes the
//! time of secrets for what is public. Both are compared with the crate's in the tests.

mod agreement;
mod dsa;
mod key;
mod nonce;
mod signature;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use ::sm2::{PublicKey, SecretKey};
use zeroize::Zeroizing;

pub use agreement::AgreementKey;
pub use key::{SigningKey, VerifyingKey};
pub use signature::Signature;

use crate::GmError;

/// The distinguishing identifier that enters every signature when parties agreed on no other (GB/T 35276-2017,
/// section 10): what certificates and receipts are signed with.
pub const SM2_DEFAULT_ID: &str = "1234567812345678";

/// Length of an uncompressed point, in bytes.
pub const POINT_LENGTH_BYTES: usize = 65;

/// How often a random number may fall outside the group before the generator is taken for broken. Once has a chance
/// of 2⁻³².
const KEY_ATTEMPTS_MAX: usize = 8;

/// A random number in 1 to n − 1, uniform, from the operating system's generator.
fn random_scalar() -> Result<SecretKey, GmError> {
    for _ in 0..KEY_ATTEMPTS_MAX {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| GmError::Randomness)?;
        if let Ok(secret) = SecretKey::from_slice(bytes.as_slice()) {
            return Ok(secret);
        }
    }
    Err(GmError::Randomness)
}

/// Reads an uncompressed point of the curve that is not the one at infinity.
fn read_point(point: &[u8]) -> Result<PublicKey, GmError> {
    // The library reads compressed and hybrid forms and a lone zero byte too; TLS 1.3 knows the one form.
    if point.len() != POINT_LENGTH_BYTES || point.first() != Some(&0x04) {
        return Err(GmError::PublicKey);
    }
    PublicKey::from_sec1_bytes(point).map_err(|_| GmError::PublicKey)
}
