//! Every kernel that this CPU runs, against the standards' vectors and against RustCrypto's modes over the crate `sm4`.

mod oracle;
mod refusals;
mod stream;
mod vectors;

use super::Kernel;
use crate::Key128;
use crate::hex::vector;

const KEY: &str = "0123456789ABCDEFFEDCBA9876543210";
const NONCE: [u8; 12] = [0x3D, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xFF];

/// Every kernel that runs here: on a CPU without the features of one, that one is not tested.
fn kernels() -> Vec<Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()).collect()
}

fn key() -> Key128 {
    Key128::from_slice(&vector(KEY)).unwrap()
}

/// Bytes without a pattern: a linear congruential generator will do, as nothing secret comes of them.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}
