//! SM4 under one key by one kernel: what CCM and CTR are built from.

use aead::inout::InOutBuf;
use sm4::Sm4;
use sm4::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use super::simd::{Engine, RoundKeys};
use super::work::Simd;
use crate::Kernel;

/// An expanded key and the kernel that works with it.
pub(super) enum Cipher {
    Simd(Engine, Box<RoundKeys>),
    Portable(Box<Sm4>),
}

impl Cipher {
    /// Expands `key` for `kernel`, which this CPU runs.
    pub(super) fn new(key: &[u8; 16], kernel: Kernel) -> Self {
        match Engine::detect(kernel) {
            Some(engine) => {
                let mut keys = Box::new(RoundKeys::ZERO);
                engine.expand(key, &mut keys);
                Self::Simd(engine, keys)
            }
            None => Self::Portable(Box::new(Sm4::new(key.into()))),
        }
    }

    pub(super) fn kernel(&self) -> Kernel {
        match self {
            Self::Simd(engine, _) => engine.kernel(),
            Self::Portable(_) => Kernel::Portable,
        }
    }

    /// CBC-MAC: `mac` goes through the cipher once for each block of `data`, the last one filled up with zeros.
    pub(super) fn cbc_mac(&self, mac: &mut [u8; 16], data: &[u8]) {
        match self {
            Self::Simd(engine, keys) => engine.cbc_mac(keys, mac, data),
            Self::Portable(cipher) => {
                for block in data.chunks(16) {
                    mac.iter_mut().zip(block).for_each(|(mac, byte)| *mac ^= byte);
                    cipher.encrypt_block(mac.into());
                }
            }
        }
    }

    /// Encrypts one block.
    pub(super) fn encrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut mac = [0; 16];
        self.cbc_mac(&mut mac, &block);
        mac
    }

    /// XORs the key stream of the counters from `counter` on.
    pub(super) fn apply_key_stream(&self, mut counter: u128, mut data: InOutBuf<'_, '_, u8>) {
        while !data.is_empty() {
            // Kernels count in 32 bits: no further than these go at once.
            let left_blocks = (1 << 32) - u64::from(counter as u32);
            let length = usize::try_from(left_blocks * 16).map_or(data.len(), |left| left.min(data.len()));
            let (part, rest) = data.split_at(length);
            match self {
                Self::Simd(engine, keys) => engine.apply_key_stream(keys, counter, part),
                Self::Portable(cipher) => apply_block_by_block(cipher, counter, part),
            }
            counter = counter.wrapping_add(u128::from(left_blocks));
            data = rest;
        }
    }
}

fn apply_block_by_block(cipher: &Sm4, mut counter: u128, mut data: InOutBuf<'_, '_, u8>) {
    while !data.is_empty() {
        let length = data.len().min(16);
        let (mut part, rest) = data.split_at(length);
        let mut stream = Zeroizing::new(counter.to_be_bytes());
        cipher.encrypt_block((&mut *stream).into());
        part.xor_in2out(stream.get(..length).unwrap_or_default());
        counter = counter.wrapping_add(1);
        data = rest;
    }
}
