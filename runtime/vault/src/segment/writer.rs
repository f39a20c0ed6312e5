//! Writes a segment from front to back; the length need not be known before.

use std::io::{self, Write};

use cap_std::fs::File;
use glovebox_gm::Sm3Hasher;
use zeroize::Zeroize;

use super::{CHUNK_BYTES, DataKey, Header, Sealer, TAG_BYTES, Trailer, digest};
use crate::VaultError;

/// A segment being written. Dropped before [`SegmentWriter::finish`], it leaves a file that no reader accepts.
pub(crate) struct SegmentWriter {
    file: File,
    sealer: Sealer,
    header: Vec<u8>,
    /// The chunk being filled: plaintext until it is full, its sealed form then.
    buffer: Vec<u8>,
    index: u32,
    plain_bytes: u64,
    tags: Sm3Hasher,
}

/// A finished segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// See [`super::digest`].
    pub(crate) digest: [u8; 32],
    /// Length of the file.
    pub(crate) file_bytes: u64,
}

impl SegmentWriter {
    /// Begins a segment in the empty `file`.
    pub(crate) fn new(mut file: File, key: &DataKey, header: &Header) -> Result<Self, VaultError> {
        let header_bytes = header.encode();
        file.write_all(&header_bytes)?;
        let sealer = Sealer::new(key, header, &header_bytes);
        let buffer = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
        Ok(Self { file, sealer, header: header_bytes, buffer, index: 0, plain_bytes: 0, tags: Sm3Hasher::new() })
    }

    /// Seals what is left and the trailer. With `durable`, answers only once the bytes are on the disk.
    pub(crate) fn finish(mut self, durable: bool) -> Result<Sealed, VaultError> {
        if !self.buffer.is_empty() {
            self.seal_buffered()?;
        }
        let chunks = u64::from(self.index);
        let tags_sm3 = *std::mem::replace(&mut self.tags, Sm3Hasher::new()).finish().as_bytes();
        let mut trailer = Trailer { plain_bytes: self.plain_bytes, chunks, tags_sm3 }.encode();
        self.sealer.seal(self.index, true, &mut trailer)?;
        self.file.write_all(&trailer)?;
        if durable {
            self.file.sync_all()?;
        }
        let file_bytes = self.header.len() as u64 + self.plain_bytes + chunks * TAG_BYTES as u64 + trailer.len() as u64;
        Ok(Sealed { digest: digest(&self.header, &trailer), file_bytes })
    }

    /// Seals what was buffered, where it is, and writes it.
    fn seal_buffered(&mut self) -> Result<(), VaultError> {
        let next = self.next_index()?;
        self.plain_bytes += self.buffer.len() as u64;
        self.sealer.seal(self.index, false, &mut self.buffer)?;
        self.write_sealed(next)
    }

    /// Seals a chunk from where the caller has it; nothing is buffered yet.
    fn seal_given(&mut self, chunk: &[u8]) -> Result<(), VaultError> {
        let next = self.next_index()?;
        self.plain_bytes += chunk.len() as u64;
        self.buffer.resize(chunk.len() + TAG_BYTES, 0);
        self.sealer.seal_into(self.index, chunk, &mut self.buffer)?;
        self.write_sealed(next)
    }

    /// The trailer needs an index too, so the last number stays free.
    fn next_index(&self) -> Result<u32, VaultError> {
        self.index.checked_add(1).ok_or(VaultError::SegmentTooLong)
    }

    fn write_sealed(&mut self, next: u32) -> Result<(), VaultError> {
        self.tags.update(self.buffer.last_chunk::<TAG_BYTES>().ok_or(VaultError::Cryptography)?);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        self.index = next;
        Ok(())
    }
}

impl Write for SegmentWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(chunk) = bytes.get(..CHUNK_BYTES).filter(|_| self.buffer.is_empty()) {
            self.seal_given(chunk).map_err(VaultError::into_io)?;
            return Ok(CHUNK_BYTES);
        }
        let room = CHUNK_BYTES.saturating_sub(self.buffer.len());
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() == CHUNK_BYTES {
            self.seal_buffered().map_err(VaultError::into_io)?;
        }
        Ok(taken.len())
    }

    /// A chunk is sealed when it is full or the segment ends: there is nothing to do before.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}
