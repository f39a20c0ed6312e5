//! What a SIMD kernel does, on CPUs that have one.

use aead::inout::InOutBuf;

use super::simd::{GcmKeys, Powers, RoundKeys};

/// Whether GCM hashes what it writes or what it reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Seal,
    Open,
}

/// A kernel, by a proof that the CPU runs it.
pub(super) trait Simd: Copy {
    /// Expands `key` into `keys`.
    fn expand(self, key: &[u8; 16], keys: &mut RoundKeys);

    /// Takes `mac` through the cipher once for each block of `data`, the last one filled up with zeros.
    fn cbc_mac(self, keys: &RoundKeys, mac: &mut [u8; 16], data: &[u8]);

    /// XORs the key stream of the counters from `counter` on, of which none that is used carries beyond 32 bits.
    fn apply_key_stream(self, keys: &RoundKeys, counter: u128, data: InOutBuf<'_, '_, u8>);

    /// Fills `powers` with those of `hash_key`, a number as [`super::simd`] holds them.
    fn fill_powers(self, hash_key: u128, powers: &mut Powers);

    /// Encrypts or decrypts `data` by the counters after `first`, whose own encryption masks the tag. Gives the tag of
    /// the ciphertext as a big-endian number.
    fn gcm(
        self,
        direction: Direction,
        keys: &GcmKeys,
        first: u128,
        associated: &[u8],
        data: InOutBuf<'_, '_, u8>,
    ) -> u128;
}
