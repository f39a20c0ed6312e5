//! SM4 in counter mode (NIST SP 800-38A, section 6.5): the whole block is one big-endian counter of 128 bits.

use cipher::consts::U16;
use cipher::inout::InOutBuf;
use cipher::{
    Iv, IvSizeUser, Key, KeyIvInit, KeySizeUser, OverflowError, SeekNum, StreamCipher, StreamCipherError,
    StreamCipherSeek,
};
use zeroize::Zeroize;

use super::cipher::Cipher;
use crate::{GmError, Kernel, Key128};

const BLOCK_LENGTH_BYTES: usize = 16;

/// The key stream of SM4-CTR from one key and one first counter. It authenticates nothing; a counter is never used
/// twice with a key: whoever calls sees to both.
pub struct Sm4Ctr {
    cipher: Cipher,
    first_counter: u128,
    /// Blocks of the key stream that were made.
    blocks: u128,
    /// The last of them, when a part of it was not used yet.
    block: [u8; BLOCK_LENGTH_BYTES],
    /// How much of it is left, in bytes: 0 to 15.
    left_bytes: usize,
}

impl Sm4Ctr {
    /// Expands `key` for `kernel`; the key stream starts with the encryption of `first_counter`.
    ///
    /// # Errors
    /// [`GmError::Kernel`] when this CPU does not run the kernel.
    pub fn with_kernel(
        key: &Key128,
        first_counter: &[u8; BLOCK_LENGTH_BYTES],
        kernel: Kernel,
    ) -> Result<Self, GmError> {
        kernel.require()?;
        Ok(Self::expand(key.as_array(), first_counter, kernel))
    }

    /// The kernel at work.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.cipher.kernel()
    }

    fn expand(key: &[u8; 16], first_counter: &[u8; BLOCK_LENGTH_BYTES], kernel: Kernel) -> Self {
        Self {
            cipher: Cipher::new(key, kernel),
            first_counter: u128::from_be_bytes(*first_counter),
            blocks: 0,
            block: [0; BLOCK_LENGTH_BYTES],
            left_bytes: 0,
        }
    }

    fn counter(&self) -> u128 {
        self.first_counter.wrapping_add(self.blocks)
    }

    /// Uses up what is left of the last block; gives back what of `data` is still to do.
    fn apply_left<'inp, 'out>(&mut self, data: InOutBuf<'inp, 'out, u8>) -> InOutBuf<'inp, 'out, u8> {
        let length = data.len().min(self.left_bytes);
        let (mut head, rest) = data.split_at(length);
        let left = self.block.get(BLOCK_LENGTH_BYTES - self.left_bytes..).unwrap_or_default();
        head.xor_in2out(left.get(..length).unwrap_or_default());
        self.left_bytes -= length;
        rest
    }

    /// Makes the next block, of which `used_bytes` are spent.
    fn make_block(&mut self, used_bytes: usize) {
        self.block = self.cipher.encrypt(self.counter().to_be_bytes());
        self.blocks = self.blocks.wrapping_add(1);
        self.left_bytes = BLOCK_LENGTH_BYTES - used_bytes;
    }
}

impl StreamCipher for Sm4Ctr {
    fn check_remaining(&self, data_len: usize) -> Result<(), StreamCipherError> {
        let needed = data_len.saturating_sub(self.left_bytes).div_ceil(BLOCK_LENGTH_BYTES);
        if needed as u128 > u128::MAX - self.blocks { Err(StreamCipherError) } else { Ok(()) }
    }

    fn unchecked_apply_keystream_inout(&mut self, buf: InOutBuf<'_, '_, u8>) {
        let data = self.apply_left(buf);
        let tail_length = data.len() % BLOCK_LENGTH_BYTES;
        let whole_length = data.len() - tail_length;
        let (whole, tail) = data.split_at(whole_length);
        self.cipher.apply_key_stream(self.counter(), whole);
        self.blocks = self.blocks.wrapping_add((whole_length / BLOCK_LENGTH_BYTES) as u128);
        if tail_length > 0 {
            self.make_block(0);
            self.apply_left(tail);
        }
    }

    fn unchecked_write_keystream(&mut self, buf: &mut [u8]) {
        buf.fill(0);
        self.unchecked_apply_keystream_inout(buf.into());
    }
}

impl StreamCipherSeek for Sm4Ctr {
    fn try_current_pos<T: SeekNum>(&self) -> Result<T, OverflowError> {
        let used_bytes = u8::try_from(BLOCK_LENGTH_BYTES - self.left_bytes).map_err(|_| OverflowError)?;
        T::from_block_byte(self.blocks, used_bytes, 16)
    }

    fn try_seek<T: SeekNum>(&mut self, pos: T) -> Result<(), StreamCipherError> {
        let (blocks, used_bytes) = pos.into_block_byte::<u128>(16)?;
        self.blocks = blocks;
        self.left_bytes = 0;
        if used_bytes > 0 {
            self.make_block(usize::from(used_bytes));
        }
        Ok(())
    }
}

impl KeySizeUser for Sm4Ctr {
    type KeySize = U16;
}

impl IvSizeUser for Sm4Ctr {
    type IvSize = U16;
}

impl KeyIvInit for Sm4Ctr {
    fn new(key: &Key<Self>, iv: &Iv<Self>) -> Self {
        Self::expand(key.into(), iv.into(), Kernel::best())
    }
}

impl Drop for Sm4Ctr {
    fn drop(&mut self) {
        self.block.zeroize();
    }
}

impl std::fmt::Debug for Sm4Ctr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sm4Ctr(secret, {})", self.kernel())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After 2¹²⁸ - 1 blocks the key stream is over, as it is in the crate `ctr`.
    #[test]
    fn the_key_stream_ends() {
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
            let mut stream = Sm4Ctr::with_kernel(&Key128::from_slice(&[1; 16]).unwrap(), &[0; 16], kernel).unwrap();
            stream.blocks = u128::MAX - 2;
            let mut data = [7; 33];
            assert!(stream.try_apply_keystream(&mut data).is_err());
            assert_eq!(data, [7; 33], "a refusal changes nothing");
            assert!(stream.try_apply_keystream(&mut data[..20]).is_ok());
            assert!(stream.try_apply_keystream(&mut data[..13]).is_err());
            assert!(stream.try_apply_keystream(&mut data[..12]).is_ok());
            assert!(stream.try_apply_keystream(&mut data[..1]).is_err());
        }
    }
}
