//! Writes a segment from front to back; the length need not be known before.

use std::io::{self, Write};

use cap_std::fs::File;
use glovebox_gm::Sm3Hasher;

use super::{CHUNK_BYTES, DataKey, Header, Plaintext, Sealer, TAG_BYTES, Trailer, digest};
use crate::VaultError;

/// A segment being written. Dropped before [`SegmentWriter::finish`], it leaves a file that no reader accepts.
pub(crate) struct SegmentWriter {
    file: File,
    sealer: Sealer,
    header: Vec<u8>,
    /// The chunk being filled, `filled` bytes of plaintext so far; then its sealed form, on its way to the file.
    buffer: Plaintext,
    filled: usize,
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
        Ok(Self {
            file,
            sealer,
            header: header_bytes,
            buffer: Plaintext::zeroed(CHUNK_BYTES + TAG_BYTES),
            filled: 0,
            index: 0,
            plain_bytes: 0,
            tags: Sm3Hasher::new(),
        })
    }

    /// Seals what is left and the trailer. With `durable`, answers only once the bytes are on the disk.
    pub(crate) fn finish(mut self, durable: bool) -> Result<Sealed, VaultError> {
        if self.filled > 0 {
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

    /// Seals what was buffered, where it is.
    fn seal_buffered(&mut self) -> Result<(), VaultError> {
        let (index, length) = (self.spend_index()?, std::mem::take(&mut self.filled));
        let sealed = self.buffer.get_mut(..length + TAG_BYTES).ok_or(VaultError::Cryptography)?;
        self.sealer.seal(index, false, sealed)?;
        self.write_chunk(length)
    }

    /// Seals a chunk from where the caller has it; nothing is buffered.
    fn seal_given(&mut self, chunk: &[u8]) -> Result<(), VaultError> {
        let index = self.spend_index()?;
        let sealed = self.buffer.get_mut(..chunk.len() + TAG_BYTES).ok_or(VaultError::Cryptography)?;
        self.sealer.seal_into(index, chunk, sealed)?;
        self.write_chunk(chunk.len())
    }

    /// The next index. It is spent whatever becomes of the chunk: after a write that failed, nothing else is sealed under
    /// the same nonce.
    fn spend_index(&mut self) -> Result<u32, VaultError> {
        // The trailer needs an index too, so the last number stays free.
        let next = self.index.checked_add(1).ok_or(VaultError::SegmentTooLong)?;
        Ok(std::mem::replace(&mut self.index, next))
    }

    /// Writes the sealed chunk in the buffer.
    fn write_chunk(&mut self, plain_bytes: usize) -> Result<(), VaultError> {
        let sealed = self.buffer.get(..plain_bytes + TAG_BYTES).ok_or(VaultError::Cryptography)?;
        self.tags.update(sealed.last_chunk::<TAG_BYTES>().ok_or(VaultError::Cryptography)?);
        self.file.write_all(sealed)?;
        self.plain_bytes += plain_bytes as u64;
        Ok(())
    }
}

impl Write for SegmentWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(chunk) = bytes.get(..CHUNK_BYTES).filter(|_| self.filled == 0) {
            self.seal_given(chunk).map_err(VaultError::into_io)?;
            return Ok(CHUNK_BYTES);
        }
        let room = self.buffer.get_mut(self.filled..CHUNK_BYTES).unwrap_or_default();
        let taken = room.len().min(bytes.len());
        if let (Some(room), Some(bytes)) = (room.get_mut(..taken), bytes.get(..taken)) {
            room.copy_from_slice(bytes);
        }
        self.filled += taken;
        if self.filled == CHUNK_BYTES {
            self.seal_buffered().map_err(VaultError::into_io)?;
        }
        Ok(taken)
    }

    /// A chunk is sealed when it is full or the segment ends: there is nothing to do before.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
