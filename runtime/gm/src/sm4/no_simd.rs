//! CPUs for which there is no SIMD kernel: the portable one is all.

use aead::inout::InOutBuf;

use super::work::{Direction, Simd};
use crate::Kernel;

/// No kernel.
#[derive(Clone, Copy)]
pub(super) enum Engine {}

/// No keys of a kernel.
pub(super) struct RoundKeys;
pub(super) struct Powers;
pub(super) struct GcmKeys {
    pub(super) round: RoundKeys,
    pub(super) powers: Powers,
}

impl RoundKeys {
    pub(super) const ZERO: Self = Self;
}

impl Powers {
    pub(super) const ZERO: Self = Self;
}

pub(super) fn missing_features(kernel: Kernel) -> Vec<&'static str> {
    if kernel == Kernel::Portable { Vec::new() } else { vec!["x86_64"] }
}

pub(super) fn hash_key(hash_key: u128) -> u128 {
    hash_key
}

impl Engine {
    pub(super) fn detect(_: Kernel) -> Option<Self> {
        None
    }

    pub(super) fn kernel(self) -> Kernel {
        match self {}
    }
}

impl Simd for Engine {
    fn expand(self, _: &[u8; 16], _: &mut RoundKeys) {
        match self {}
    }

    fn cbc_mac(self, _: &RoundKeys, _: &mut [u8; 16], _: &[u8]) {
        match self {}
    }

    fn apply_key_stream(self, _: &RoundKeys, _: u128, _: InOutBuf<'_, '_, u8>) {
        match self {}
    }

    fn fill_powers(self, _: u128, _: &mut Powers) {
        match self {}
    }

    fn gcm(self, _: Direction, _: &GcmKeys, _: u128, _: &[u8], _: InOutBuf<'_, '_, u8>) -> u128 {
        match self {}
    }
}
