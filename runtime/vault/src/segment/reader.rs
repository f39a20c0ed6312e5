//! Reads any byte range of a segment, opening only the chunks that it touches.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use glovebox_gm::Sm3Hasher;
use zeroize::Zeroizing;

use super::{CHUNK_BYTES, DataKey, Fault, HEADER_BYTES_MAX, Header, Sealer, TAG_BYTES, TRAILER_BYTES, Trailer, digest};
use crate::VaultError;

const CHUNK: u64 = CHUNK_BYTES as u64;
const SEALED_CHUNK: u64 = CHUNK + TAG_BYTES as u64;
const RECENT_CHUNKS: usize = 4;

/// A chunk's plaintext, wiped when the last reader lets go of it.
type Plain = Arc<Zeroizing<Vec<u8>>>;

/// An open segment. Cheap to share; reads need no lock.
pub(crate) struct SegmentReader {
    file: std::fs::File,
    sealer: Sealer,
    header: Header,
    header_bytes: u64,
    trailer: Trailer,
    digest: [u8; 32],
    bytes_decrypted: AtomicU64,
    /// Faults met below an interface that can't carry them.
    fault: OnceLock<Fault>,
    /// Chunks opened last and read in part: the next read often wants the rest of one.
    recent: Mutex<VecDeque<(u64, Plain)>>,
}

impl SegmentReader {
    /// Opens `file`, asking `find_key` for the data key that its header names. Checks header, trailer and length.
    pub(crate) fn open(
        file: cap_std::fs::File,
        find_key: impl FnOnce(&Header) -> Result<DataKey, VaultError>,
    ) -> Result<Self, VaultError> {
        let file = file.into_std();
        let file_bytes = file.metadata()?.len();
        let mut start = vec![0; HEADER_BYTES_MAX.min(usize::try_from(file_bytes).unwrap_or(usize::MAX))];
        file.read_exact_at(&mut start, 0)?;
        let (header, header_length) = Header::decode(&start).map_err(VaultError::unplaced)?;
        let damaged = |fault| VaultError::damaged(&header.segment, fault);
        start.truncate(header_length);
        let header_bytes = header_length as u64;
        let (plain_bytes, chunks) = layout(file_bytes, header_bytes).ok_or_else(|| damaged(Fault::Trailer))?;
        let sealer = Sealer::new(&find_key(&header)?, &header, &start);
        let mut sealed = vec![0; TRAILER_BYTES];
        file.read_exact_at(&mut sealed, file_bytes - TRAILER_BYTES as u64)?;
        let digest = digest(&start, &sealed);
        sealer.open(chunks, true, &mut sealed).map_err(damaged)?;
        let trailer = Trailer::decode(&sealed).map_err(damaged)?;
        if (trailer.plain_bytes, trailer.chunks) != (plain_bytes, u64::from(chunks)) {
            return Err(damaged(Fault::Trailer));
        }
        let (bytes_decrypted, fault, recent) = (AtomicU64::new(0), OnceLock::new(), Mutex::default());
        Ok(Self { file, sealer, header, header_bytes, trailer, digest, bytes_decrypted, fault, recent })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Length of the plaintext, in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.trailer.plain_bytes
    }

    /// Length of the file, in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.header_bytes + self.trailer.plain_bytes + self.trailer.chunks * TAG_BYTES as u64 + TRAILER_BYTES as u64
    }

    /// See [`digest`].
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Bytes of plaintext opened so far.
    pub(crate) fn bytes_decrypted(&self) -> u64 {
        self.bytes_decrypted.load(Ordering::Relaxed)
    }

    /// The first fault met while reading, also when the reader above it lost it on the way.
    pub(crate) fn fault(&self) -> Option<VaultError> {
        self.fault.get().map(|fault| VaultError::damaged(&self.header.segment, *fault))
    }

    /// The plaintext at `range`, which must lie within the segment. Opens the chunks that it touches and no other.
    pub(crate) fn read_range(&self, range: Range<u64>) -> Result<Bytes, VaultError> {
        if range.start > range.end || range.end > self.length() {
            return Err(VaultError::OutsideSegment);
        }
        let mut plain = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
        let mut at = range.start;
        let mut buffer = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        while at < range.end {
            let index = at / CHUNK;
            let from = usize::try_from(at - index * CHUNK).unwrap_or(usize::MAX);
            let to = usize::try_from((range.end - index * CHUNK).min(CHUNK)).unwrap_or(usize::MAX);
            if (from, to) == (0, CHUNK_BYTES) {
                self.open_chunk(index, &mut buffer)?;
                plain.extend_from_slice(&buffer);
            } else {
                plain.extend_from_slice(self.recent(index)?.get(from..to).unwrap_or_default());
            }
            at = (index + 1) * CHUNK;
        }
        Ok(Bytes::from(plain))
    }

    /// Chunk `index`, opened now or a moment ago.
    fn recent(&self, index: u64) -> Result<Plain, VaultError> {
        let known = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, chunk)) = known().iter().find(|(recent, _)| *recent == index) {
            return Ok(Arc::clone(chunk));
        }
        let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        self.open_chunk(index, &mut chunk)?;
        let chunk = Arc::new(chunk);
        let mut recent = known();
        recent.truncate(RECENT_CHUNKS - 1);
        recent.push_front((index, Arc::clone(&chunk)));
        Ok(chunk)
    }

    /// Opens every chunk and compares the tags with the trailer: finds any changed byte of the file.
    pub(crate) fn scrub(&self) -> Result<(), VaultError> {
        let mut tags = Sm3Hasher::new();
        let mut buffer = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        for index in 0..self.trailer.chunks {
            self.read_sealed(index, &mut buffer)?;
            tags.update(buffer.get(buffer.len().saturating_sub(TAG_BYTES)..).unwrap_or_default());
            self.open_chunk(index, &mut buffer)?;
        }
        if *tags.finish().as_bytes() == self.trailer.tags_sm3 {
            Ok(())
        } else {
            Err(VaultError::damaged(&self.header.segment, Fault::Trailer))
        }
    }

    fn open_chunk(&self, index: u64, buffer: &mut Vec<u8>) -> Result<(), VaultError> {
        self.read_sealed(index, buffer)?;
        // The trailer's check at opening keeps every index within 32 bits.
        let index = u32::try_from(index).map_err(|_| VaultError::OutsideSegment)?;
        self.sealer.open(index, false, buffer).map_err(|fault| {
            let first = *self.fault.get_or_init(|| fault);
            VaultError::damaged(&self.header.segment, first)
        })?;
        self.bytes_decrypted.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn read_sealed(&self, index: u64, buffer: &mut Vec<u8>) -> Result<(), VaultError> {
        let plain = CHUNK.min(self.length().saturating_sub(index * CHUNK));
        buffer.resize(usize::try_from(plain).unwrap_or(CHUNK_BYTES) + TAG_BYTES, 0);
        self.file.read_exact_at(buffer, self.header_bytes + index * SEALED_CHUNK)?;
        Ok(())
    }
}

/// Length of the plaintext and number of chunks of a file of `file_bytes`; none when no segment has that length.
fn layout(file_bytes: u64, header_bytes: u64) -> Option<(u64, u32)> {
    let body = file_bytes.checked_sub(header_bytes)?.checked_sub(TRAILER_BYTES as u64)?;
    let chunks = body.div_ceil(SEALED_CHUNK);
    let plain = body.checked_sub(chunks * TAG_BYTES as u64)?;
    // A last chunk with a tag but no plaintext is never written.
    let consistent = chunks == plain.div_ceil(CHUNK);
    consistent.then_some((plain, u32::try_from(chunks).ok()?))
}

/// Reads a segment from front to back.
pub(crate) struct SegmentCursor {
    reader: Arc<SegmentReader>,
    at: u64,
    end: u64,
    chunk: Bytes,
}

impl SegmentCursor {
    /// A cursor over the plaintext from `start` to the end.
    pub(crate) fn new(reader: Arc<SegmentReader>, start: u64) -> Self {
        let end = reader.length();
        Self { reader, at: start, end, chunk: Bytes::new() }
    }
}

impl Read for SegmentCursor {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() && self.at < self.end {
            // Up to the end of the chunk, so that no chunk is opened twice.
            let end = ((self.at / CHUNK + 1) * CHUNK).min(self.end);
            self.chunk = self.reader.read_range(self.at..end).map_err(VaultError::into_io)?;
            self.at = end;
        }
        let taken = self.chunk.split_to(self.chunk.len().min(into.len()));
        if let Some(room) = into.get_mut(..taken.len()) {
            room.copy_from_slice(&taken);
        }
        Ok(taken.len())
    }
}
