//! What the SIMD kernels hold of a key: round keys, and the powers of the hash key of GCM. Wiped when dropped.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::field::{BEFORE_INVERSION, INTO};

/// How many powers of the hash key there are: as many blocks are multiplied before one reduction.
pub(super) const POWERS: usize = 64;

/// The round keys, in the form in which the kernels hold bytes (see [`super::field`]).
#[repr(align(64))]
pub(in crate::sm4) struct RoundKeys {
    /// For one block at a time: the four bytes of each, the most significant first in memory.
    pub(super) words: [u32; 32],
    /// For many blocks: each of the four bytes eight times over.
    pub(super) bytes: [[u64; 4]; 32],
}

impl RoundKeys {
    pub(in crate::sm4) const ZERO: Self = Self { words: [0; 32], bytes: [[0; 4]; 32] };

    /// Sets `bytes` as `words` say.
    pub(super) fn spread(&mut self) {
        for (bytes, word) in self.bytes.iter_mut().zip(self.words) {
            *bytes = word.to_le_bytes().map(|byte| u64::from(byte) * 0x0101_0101_0101_0101);
        }
    }
}

impl Drop for RoundKeys {
    fn drop(&mut self) {
        self.words.as_mut_slice().zeroize();
        self.bytes.as_flattened_mut().zeroize();
    }
}

impl ZeroizeOnDrop for RoundKeys {}

/// Powers of the hash key, each as a number of [`super::ghash`], the highest first: the 64th to the first, then zeros.
/// So `n` blocks go with the `n` powers that start at `64 - n`, whatever is filled up.
#[repr(align(64))]
pub(in crate::sm4) struct Powers(pub(super) [u128; POWERS + 4]);

impl Powers {
    pub(in crate::sm4) const ZERO: Self = Self([0; POWERS + 4]);
}

impl Drop for Powers {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl ZeroizeOnDrop for Powers {}

/// What GCM needs of a key.
pub(in crate::sm4) struct GcmKeys {
    pub(in crate::sm4) round: RoundKeys,
    pub(in crate::sm4) powers: Powers,
}

/// What the round keys have that the key schedule has not: what is to be added before inversion.
pub(super) const SPREAD_BEFORE_INVERSION: u32 = BEFORE_INVERSION as u32 * 0x0101_0101;

/// The system parameter FK (GB/T 32907-2016, section 7.3), added to the key.
pub(super) const FK: u128 = 0xA3B1_BAC6_56AA_3350_677D_9197_B270_22DC;

/// The fixed parameters CK of section 7.3, byte j of CKᵢ being 7·(4i + j) mod 256, in the kernels' form and with what
/// has to be added before inversion; the first byte is the lowest.
#[expect(clippy::indexing_slicing, reason = "runs at compile time, where an index out of bounds does not compile")]
pub(super) const CK: [u32; 32] = {
    let mut words = [0; 32];
    let mut index = 0;
    while index < 128 {
        let byte = INTO.apply((7 * index % 256) as u8) ^ BEFORE_INVERSION;
        words[index / 4] |= (byte as u32) << (8 * (index % 4));
        index += 1;
    }
    words
};
