//! SM4 and GHASH on the vector units of x86-64.

mod aes;
mod aes_single;
mod avx2;
mod avx512;
mod field;
mod gfni;
mod ghash;
mod keys;
mod single;
mod sliced;
mod vector;

use aead::inout::InOutBuf;

use self::aes::Aes;
use self::avx2::Avx2;
use self::avx512::Avx512;
pub(super) use self::ghash::key as hash_key;
pub(super) use self::keys::{GcmKeys, Powers, RoundKeys};
use super::work::{Direction, Simd};
use crate::Kernel;

/// A kernel that this CPU runs.
#[derive(Clone, Copy)]
pub(super) enum Engine {
    Avx512Gfni(Avx512),
    Avx2Gfni(Avx2),
    AesNi(Aes),
}

impl Engine {
    /// Nothing for the portable kernel, and for those that the CPU does not run.
    pub(super) fn detect(kernel: Kernel) -> Option<Self> {
        match kernel {
            Kernel::Avx512Gfni => Avx512::detect().map(Self::Avx512Gfni),
            Kernel::Avx2Gfni => Avx2::detect().map(Self::Avx2Gfni),
            Kernel::AesNi => Aes::detect().map(Self::AesNi),
            Kernel::Portable => None,
        }
    }

    pub(super) fn kernel(self) -> Kernel {
        match self {
            Self::Avx512Gfni(_) => Kernel::Avx512Gfni,
            Self::Avx2Gfni(_) => Kernel::Avx2Gfni,
            Self::AesNi(_) => Kernel::AesNi,
        }
    }
}

/// The features that `kernel` needs and this CPU lacks.
pub(super) fn missing_features(kernel: Kernel) -> Vec<&'static str> {
    let features: &[(&'static str, bool)] = match kernel {
        Kernel::Avx512Gfni => &avx512::features(),
        Kernel::Avx2Gfni => &avx2::features(),
        Kernel::AesNi => &aes::features(),
        Kernel::Portable => &[],
    };
    features.iter().filter(|(_, has)| !has).map(|(name, _)| *name).collect()
}

impl Simd for Engine {
    fn expand(self, key: &[u8; 16], keys: &mut RoundKeys) {
        match self {
            Self::Avx512Gfni(kernel) => kernel.expand(key, keys),
            Self::Avx2Gfni(kernel) => kernel.expand(key, keys),
            Self::AesNi(kernel) => kernel.expand(key, keys),
        }
    }

    fn cbc_mac(self, keys: &RoundKeys, mac: &mut [u8; 16], data: &[u8]) {
        match self {
            Self::Avx512Gfni(kernel) => kernel.cbc_mac(keys, mac, data),
            Self::Avx2Gfni(kernel) => kernel.cbc_mac(keys, mac, data),
            Self::AesNi(kernel) => kernel.cbc_mac(keys, mac, data),
        }
    }

    fn apply_key_stream(self, keys: &RoundKeys, counter: u128, data: InOutBuf<'_, '_, u8>) {
        match self {
            Self::Avx512Gfni(kernel) => kernel.apply_key_stream(keys, counter, data),
            Self::Avx2Gfni(kernel) => kernel.apply_key_stream(keys, counter, data),
            Self::AesNi(kernel) => kernel.apply_key_stream(keys, counter, data),
        }
    }

    fn fill_powers(self, hash_key: u128, powers: &mut Powers) {
        match self {
            Self::Avx512Gfni(kernel) => kernel.fill_powers(hash_key, powers),
            Self::Avx2Gfni(kernel) => kernel.fill_powers(hash_key, powers),
            Self::AesNi(kernel) => kernel.fill_powers(hash_key, powers),
        }
    }

    fn gcm(
        self,
        direction: Direction,
        keys: &GcmKeys,
        first: u128,
        associated: &[u8],
        data: InOutBuf<'_, '_, u8>,
    ) -> u128 {
        match self {
            Self::Avx512Gfni(kernel) => kernel.gcm(direction, keys, first, associated, data),
            Self::Avx2Gfni(kernel) => kernel.gcm(direction, keys, first, associated, data),
            Self::AesNi(kernel) => kernel.gcm(direction, keys, first, associated, data),
        }
    }
}
