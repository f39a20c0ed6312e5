//! GBX1: the encrypted file format in which the vault keeps everything. docs/vault-format.md is normative.
//!
//! A segment is a plain header, chunks of 64 KiB sealed with SM4-GCM, and a sealed trailer with the length and the SM3
//! digest of every chunk's tag. A segment is written once, from front to back, under a key of its own, so a chunk
//! that opens at its index is the one that was written there.

mod chunks;
mod header;
mod plain;
mod reader;
mod writer;

use glovebox_gm::{Key256, Sm4Gcm, hkdf_sm3_128, sm3};
use plain::Plaintext;
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) use chunks::SegmentChunks;
pub(crate) use header::{HEADER_BYTES_MAX, Header, Kind};
pub(crate) use reader::{SegmentCursor, SegmentReader};
pub(crate) use writer::{Sealed, SegmentWriter};

use crate::VaultError;

/// Plaintext of a chunk, in bytes; only the last one may be shorter.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;
/// Length of a GCM tag, in bytes.
pub(crate) const TAG_BYTES: usize = 16;
/// Plaintext of the trailer: length of the plaintext (8, little endian), number of chunks (8), SM3 of all tags (32).
const TRAILER_PLAIN_BYTES: usize = 48;
/// The trailer as it stands in the file.
pub(crate) const TRAILER_BYTES: usize = TRAILER_PLAIN_BYTES + TAG_BYTES;

/// What is wrong with a segment on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// The header is not one, or of another version.
    #[error("its header is not a GBX1 header that this version reads")]
    Header,
    /// The file is cut, extended, or its trailer was changed.
    #[error("its trailer does not open: the file was cut, extended or changed")]
    Trailer,
    /// A chunk was changed, moved or comes from elsewhere.
    #[error("chunk {index} does not open: it was changed, moved or belongs to another segment")]
    Chunk {
        /// Number of the chunk, from 0.
        index: u32,
    },
    /// A sound segment whose contents are not of the form that this version writes.
    #[error("its contents are not of a form that this version reads")]
    Contents,
    /// A sound segment, but of another dataset, snapshot, name or kind than the place where it lies.
    #[error("it belongs to another place in the vault")]
    Place,
    /// The keyring has no such data key.
    #[error("it is sealed under a data key that the keyring does not hold")]
    Key,
}

/// Names a data key: the dataset's epoch and a random id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId {
    pub(crate) epoch: u32,
    pub(crate) id: [u8; 16],
}

/// A dataset's data key of one epoch.
pub(crate) struct DataKey {
    pub(crate) id: KeyId,
    pub(crate) key: Key256,
}

/// What seals and opens the chunks of one segment.
struct Sealer {
    cipher: Sm4Gcm,
    nonce_prefix: [u8; 7],
    header_sm3: [u8; 32],
}

impl Sealer {
    fn new(key: &DataKey, header: &Header, header_bytes: &[u8]) -> Self {
        // The salt is random per segment, so key and nonce prefix never serve two segments.
        let cipher = Sm4Gcm::new(&hkdf_sm3_128(&key.key, &header.salt, b"glovebox gbx1 segment key"));
        let derived = hkdf_sm3_128(&key.key, &header.salt, b"glovebox gbx1 nonce prefix");
        let mut nonce_prefix = [0; 7];
        nonce_prefix.iter_mut().zip(derived.expose()).for_each(|(to, from)| *to = *from);
        Self { cipher, nonce_prefix, header_sm3: *sm3(header_bytes).as_bytes() }
    }

    /// Nonce: prefix (7) ‖ index (4, big endian) ‖ 1 for the trailer, else 0. Associated data: SM3(header) ‖ index.
    fn frame(&self, index: u32, is_trailer: bool) -> ([u8; 12], [u8; 36]) {
        let mut nonce = [0; 12];
        let parts = self.nonce_prefix.into_iter().chain(index.to_be_bytes()).chain([u8::from(is_trailer)]);
        nonce.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        let mut associated = [0; 36];
        let parts = self.header_sm3.into_iter().chain(index.to_be_bytes());
        associated.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        (nonce, associated)
    }

    /// Seals what stands in `buffer` before room for the tag, where it is.
    fn seal(&self, index: u32, is_trailer: bool, buffer: &mut [u8]) -> Result<(), VaultError> {
        let (nonce, associated) = self.frame(index, is_trailer);
        let (plain, tag) = buffer.split_last_chunk_mut().ok_or(VaultError::Cryptography)?;
        *tag = self.cipher.seal_detached(&nonce, &associated, plain).map_err(|_| VaultError::Cryptography)?;
        Ok(())
    }

    /// Seals `plain` into `sealed`, which is longer by the tag.
    fn seal_into(&self, index: u32, plain: &[u8], sealed: &mut [u8]) -> Result<(), VaultError> {
        let (nonce, associated) = self.frame(index, false);
        self.cipher.seal_into(&nonce, &associated, plain, sealed).map_err(|_| VaultError::Cryptography)
    }

    /// Opens `sealed` into `plain`, which is shorter by the tag. After an error `plain` is zero.
    fn open_into(&self, index: u32, is_trailer: bool, sealed: &[u8], plain: &mut [u8]) -> Result<(), Fault> {
        let (nonce, associated) = self.frame(index, is_trailer);
        let fault = if is_trailer { Fault::Trailer } else { Fault::Chunk { index } };
        self.cipher.open_into(&nonce, &associated, sealed, plain).map_err(|_| fault)
    }
}

/// Contents of the trailer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trailer {
    plain_bytes: u64,
    chunks: u64,
    tags_sm3: [u8; 32],
}

impl Trailer {
    /// With room for the tag.
    fn encode(&self) -> Vec<u8> {
        [&self.plain_bytes.to_le_bytes()[..], &self.chunks.to_le_bytes(), &self.tags_sm3, &[0; TAG_BYTES]].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let word = |at: usize| bytes.get(at..at + 8).and_then(|slice| slice.try_into().ok()).map(u64::from_le_bytes);
        let tags_sm3 = bytes.get(16..TRAILER_PLAIN_BYTES).and_then(|slice| slice.try_into().ok());
        match (word(0), word(8), tags_sm3) {
            (Some(plain_bytes), Some(chunks), Some(tags_sm3)) => Ok(Self { plain_bytes, chunks, tags_sm3 }),
            _ => Err(Fault::Trailer),
        }
    }
}

/// Digest that names a segment's exact bytes: SM3 over the header and the sealed trailer, which holds the digest of
/// every chunk's tag.
fn digest(header: &[u8], sealed_trailer: &[u8]) -> [u8; 32] {
    *sm3(&Zeroizing::new([header, sealed_trailer].concat())).as_bytes()
}

#[cfg(test)]
mod failed_write_tests;
#[cfg(test)]
mod tests;
