//! SM4 under one key by one kernel: what the modes are built from.

use aead::inout::InOutBuf;
use sm4::Sm4;
use sm4::cipher::{BlockCipherEncrypt, KeyInit};

use crate::Kernel;

/// An expanded key and the kernel that works with it.
pub(super) struct Cipher(Sm4);

impl Cipher {
    /// Expands `key` for `kernel`, which this CPU runs.
    pub(super) fn new(key: &[u8; 16], kernel: Kernel) -> Self {
        debug_assert!(kernel.is_available());
        Self(Sm4::new(key.into()))
    }

    pub(super) fn kernel(&self) -> Kernel {
        Kernel::Portable
    }

    /// CBC-MAC: `mac` goes through the cipher once for each block of `data`, the last one filled up with zeros.
    pub(super) fn cbc_mac(&self, mac: &mut [u8; 16], data: &[u8]) {
        for block in data.chunks(16) {
            mac.iter_mut().zip(block).for_each(|(mac, byte)| *mac ^= byte);
            self.0.encrypt_block(mac.into());
        }
    }

    /// Encrypts one block.
    pub(super) fn encrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut mac = [0; 16];
        self.cbc_mac(&mut mac, &block);
        mac
    }

    /// XORs the key stream of the counters from `counter` on.
    pub(super) fn apply_key_stream(&self, counter: u128, mut data: InOutBuf<'_, '_, u8>) {
        let mut counter = counter;
        while !data.is_empty() {
            let length = data.len().min(16);
            let (mut block, rest) = data.split_at(length);
            let stream = self.encrypt(counter.to_be_bytes());
            block.xor_in2out(stream.get(..length).unwrap_or_default());
            counter = counter.wrapping_add(1);
            data = rest;
        }
    }
}
