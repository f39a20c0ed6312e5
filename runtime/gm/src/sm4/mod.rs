//! SM4 (GB/T 32907-2016) in Galois/counter mode (GB/T 36624-2018; NIST SP 800-38D; RFC 8998 for its use in TLS), in
//! counter mode with CBC-MAC, and in counter mode.
//!
//! A [`Kernel`] is one implementation for a kind of CPU. The fastest that the CPU runs is taken; `with_kernel` takes
//! another one. Whether a CPU runs a kernel is asked before any instruction of it, and all of `unsafe` is in `simd`:
//! loads, stores, and the step from that question to the instructions.

mod aead;
mod ccm;
mod cipher;
mod ctr;
mod gcm;
mod kernel;
#[cfg(target_arch = "x86_64")]
mod simd;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_simd.rs"]
mod simd;
mod work;

pub use aead::{NONCE_LENGTH_BYTES, TAG_LENGTH_BYTES};
pub use ccm::Sm4Ccm;
pub use ctr::Sm4Ctr;
pub use gcm::Sm4Gcm;
pub use kernel::Kernel;

#[cfg(test)]
mod tests;
