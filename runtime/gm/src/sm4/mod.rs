//! SM4 (GB/T 32907-2016) in Galois/counter mode (GB/T 36624-2018; NIST SP 800-38D; RFC 8998 for its use in TLS), in
//! counter mode with CBC-MAC, and in counter mode.

mod aead;
mod ccm;
mod cipher;
mod ctr;
mod gcm;
mod kernel;
mod simd;

pub use aead::{NONCE_LENGTH_BYTES, TAG_LENGTH_BYTES};
pub use ccm::Sm4Ccm;
pub use ctr::Sm4Ctr;
pub use gcm::Sm4Gcm;
pub use kernel::Kernel;

#[cfg(test)]
mod tests;
