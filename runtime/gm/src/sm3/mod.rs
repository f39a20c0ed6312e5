//! SM3, the hash function of GB/T 32905-2016: of one message, and of many at once.
//!
//! One message is bound by the latency of its rounds, which no wider register shortens. Many messages are not: they are
//! laid beside each other, one in each lane of a vector register ([`Sm3Lanes`]). Nothing here looks at the data to decide
//! what to do next, so time depends on lengths alone.
//!
//! The `sm3` crate is as fast for one message, and what all of this is compared with. It is not used here because lanes
//! start from and end in a state between two blocks, and because a hasher that saw a key must wipe itself.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod batch;
mod kernel;
mod round;
mod scalar;
#[cfg(test)]
mod tests;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Digest;

pub use kernel::Sm3Lanes;

const BLOCK_LENGTH_BYTES: usize = 64;

/// SM3 of `data`.
#[must_use]
pub fn sm3(data: &[u8]) -> Digest {
    Sm3Hasher::new().finish_with(data)
}

/// SM3 of each of `messages`, in their order; where the CPU allows, many at once.
///
/// Equal to [`sm3`] of each. Messages may differ in length.
#[must_use]
pub fn sm3_many<T: AsRef<[u8]>>(messages: &[T]) -> Vec<Digest> {
    Sm3Hasher::new().finish_each(messages)
}

/// SM3 of data that comes in pieces. Wiped when dropped, as it may have seen a key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Sm3Hasher {
    /// After the whole blocks seen.
    state: [u32; 8],
    /// Begins with what came after them: `length_bytes % 64` bytes.
    pending: [u8; BLOCK_LENGTH_BYTES],
    length_bytes: u64,
}

impl Sm3Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { state: round::INITIAL, pending: [0; BLOCK_LENGTH_BYTES], length_bytes: 0 }
    }

    /// Goes on with `data`.
    pub fn update(&mut self, mut data: &[u8]) {
        let filled = self.pending().len();
        self.length_bytes += data.len() as u64;
        if filled > 0 {
            let free = self.pending.get_mut(filled..).unwrap_or_default();
            let (now, later) = data.split_at(free.len().min(data.len()));
            copy(free, now);
            if now.len() < free.len() {
                return;
            }
            scalar::update(&mut self.state, std::slice::from_ref(&self.pending));
            data = later;
        }
        let (blocks, rest) = data.as_chunks();
        scalar::update(&mut self.state, blocks);
        copy(&mut self.pending, rest);
    }

    /// The digest of everything seen.
    #[must_use]
    pub fn finish(mut self) -> Digest {
        let filled = self.pending().len();
        let length_bits = (self.length_bytes * 8).to_be_bytes();
        // The padding of section 5.2: the bit 1, zeros, the length at the end of a block.
        let free = self.pending.get_mut(filled..).unwrap_or_default();
        free.fill(0);
        copy(free, &[0x80]);
        if free.len() <= length_bits.len() {
            scalar::update(&mut self.state, std::slice::from_ref(&self.pending));
            self.pending.fill(0);
        }
        if let Some(end) = self.pending.last_chunk_mut() {
            *end = length_bits;
        }
        scalar::update(&mut self.state, std::slice::from_ref(&self.pending));
        digest(self.state)
    }

    /// For each of `messages`, in their order: the digest of everything seen followed by the message. Where the CPU
    /// allows, many at once.
    ///
    /// Equal to a clone that is given the message and finished, for each. What begins all messages (a key that fills a
    /// block, the prefix of a Merkle leaf) is so hashed once.
    #[must_use]
    pub fn finish_each<T: AsRef<[u8]>>(&self, messages: &[T]) -> Vec<Digest> {
        self.finish_each_with(Sm3Lanes::best(), messages)
    }

    /// [`Self::finish_each`] with the lanes that are asked for, to compare them.
    #[must_use]
    pub fn finish_each_with<T: AsRef<[u8]>>(&self, lanes: Sm3Lanes, messages: &[T]) -> Vec<Digest> {
        let messages: Vec<&[u8]> = messages.iter().map(AsRef::as_ref).collect();
        lanes.finish_each(self, &messages)
    }

    fn finish_with(mut self, data: &[u8]) -> Digest {
        self.update(data);
        self.finish()
    }

    fn pending(&self) -> &[u8] {
        let filled = (self.length_bytes % BLOCK_LENGTH_BYTES as u64) as usize;
        self.pending.get(..filled).unwrap_or_default()
    }
}

impl Default for Sm3Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Copies `from` to the beginning of `to`, as far as there is room.
fn copy(to: &mut [u8], from: &[u8]) {
    let length = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
        to.copy_from_slice(from);
    }
}

fn digest(state: [u32; 8]) -> Digest {
    let mut bytes = [0; 32];
    for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    Digest::from_bytes(bytes)
}
