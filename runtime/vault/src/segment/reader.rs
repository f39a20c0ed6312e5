//! Reads any byte range of a segment, opening only the chunks that it touches.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use glovebox_gm::Sm3Hasher;
use zeroize::Zeroize as _;

use super::{
    CHUNK_BYTES, DataKey, Fault, HEADER_BYTES_MAX, Header, Plaintext, Sealer, TAG_BYTES, TRAILER_BYTES,
    TRAILER_PLAIN_BYTES, Trailer, digest,
};
use crate::VaultError;

const CHUNK: u64 = CHUNK_BYTES as u64;
const SEALED_CHUNK: u64 = CHUNK + TAG_BYTES as u64;
const RECENT_CHUNKS: usize = 4;
/// Chunks read by one call to the operating system. So many, sealed and opened, stay in a core's own cache.
const CHUNKS_PER_READ: u64 = 4;

/// A chunk's plaintext, wiped when the last reader lets go of it.
type Plain = Arc<Plaintext>;

/// An open segment. Cheap to share; reads need no lock.
pub(crate) struct SegmentReader {
    file: std::fs::File,
    sealer: Sealer,
    header: Header,
    header_bytes: u64,
    trailer: Trailer,
    digest: [u8; 32],
    bytes_decrypted: AtomicU64,
    bytes_copied: AtomicU64,
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
        let (mut sealed, mut plain) = ([0; TRAILER_BYTES], [0; TRAILER_PLAIN_BYTES]);
        file.read_exact_at(&mut sealed, file_bytes - TRAILER_BYTES as u64)?;
        let digest = digest(&start, &sealed);
        sealer.open_into(chunks, true, &sealed, &mut plain).map_err(damaged)?;
        let trailer = Trailer::decode(&plain).map_err(damaged)?;
        if (trailer.plain_bytes, trailer.chunks) != (plain_bytes, u64::from(chunks)) {
            return Err(damaged(Fault::Trailer));
        }
        Ok(Self {
            file,
            sealer,
            header,
            header_bytes,
            trailer,
            digest,
            bytes_decrypted: AtomicU64::new(0),
            bytes_copied: AtomicU64::new(0),
            fault: OnceLock::new(),
            recent: Mutex::default(),
        })
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

    /// Bytes of plaintext that were opened into one buffer and copied into another.
    #[cfg(test)]
    pub(super) fn bytes_copied(&self) -> u64 {
        self.bytes_copied.load(Ordering::Relaxed)
    }

    /// The plaintext at `range`, which must lie within the segment. Opens the chunks that it touches and no other.
    pub(crate) fn read_range(&self, range: Range<u64>) -> Result<Bytes, VaultError> {
        if range.start > range.end || range.end > self.length() {
            return Err(VaultError::OutsideSegment);
        }
        let length = usize::try_from(range.end - range.start).map_err(|_| VaultError::OutsideSegment)?;
        let mut plain = Plaintext::zeroed(length);
        self.read_into(range.start, &mut plain)?;
        // Wiped when the last reader of any part of it lets go.
        Ok(Bytes::from_owner(plain))
    }

    /// Fills `into` with the plaintext from `start` on. Whole chunks are opened straight into it; of the first and the last
    /// one, when the range cuts them, a part is copied. After an error `into` is zero.
    pub(crate) fn read_into(&self, start: u64, into: &mut [u8]) -> Result<(), VaultError> {
        let read = self.try_read_into(start, into);
        if read.is_err() {
            into.zeroize();
        }
        read
    }

    fn try_read_into(&self, start: u64, into: &mut [u8]) -> Result<(), VaultError> {
        let end = start.checked_add(into.len() as u64).filter(|end| *end <= self.length());
        let end = end.ok_or(VaultError::OutsideSegment)?;
        let mut unread = start / CHUNK..end.div_ceil(CHUNK);
        if start == end {
            return Ok(());
        }
        if self.copy_known(unread.start, start, into) {
            unread.start += 1;
        }
        if unread.start < unread.end && self.copy_known(unread.end - 1, start, into) {
            unread.end -= 1;
        }
        self.read_sealed(unread, |index, sealed| {
            let Part { of_chunk, of_range } = self.part(index, start, into.len());
            let is_whole = of_chunk == (0..self.plain_bytes(index));
            let part = into.get_mut(of_range).ok_or(VaultError::OutsideSegment)?;
            if is_whole {
                return self.open_chunk(index, sealed, part);
            }
            let chunk = Arc::new(self.opened(index, sealed)?);
            self.copy(&chunk, of_chunk, part);
            self.remember(index, chunk);
            Ok(())
        })
    }

    /// Copies what the range wants of chunk `index`, if it wants a part and the chunk was opened a moment ago.
    fn copy_known(&self, index: u64, start: u64, into: &mut [u8]) -> bool {
        let Part { of_chunk, of_range } = self.part(index, start, into.len());
        let is_whole = of_chunk == (0..self.plain_bytes(index));
        let known = if is_whole { None } else { self.known(index) };
        match (known, into.get_mut(of_range)) {
            (Some(chunk), Some(part)) => {
                self.copy(&chunk, of_chunk, part);
                true
            }
            _ => false,
        }
    }

    fn copy(&self, chunk: &[u8], of_chunk: Range<usize>, part: &mut [u8]) {
        self.bytes_copied.fetch_add(part.len() as u64, Ordering::Relaxed);
        part.copy_from_slice(chunk.get(of_chunk).unwrap_or_default());
    }

    /// Where chunk `index` and the range of `length` bytes from `start` on meet.
    fn part(&self, index: u64, start: u64, length: usize) -> Part {
        let chunk = index * CHUNK..index * CHUNK + self.plain_bytes(index) as u64;
        let (from, to) = (chunk.start.max(start), chunk.end.min(start + length as u64));
        let place = |from: u64, to: u64| usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
        Part {
            of_chunk: place(from - chunk.start, to.saturating_sub(chunk.start)),
            of_range: place(from - start, to.saturating_sub(start)),
        }
    }

    /// Chunk `index`, opened now or a moment ago, and kept for a moment.
    fn recent(&self, index: u64) -> Result<Plain, VaultError> {
        if let Some(chunk) = self.known(index) {
            return Ok(chunk);
        }
        let chunk = self.alone(index)?;
        self.remember(index, Arc::clone(&chunk));
        Ok(chunk)
    }

    /// Chunk `index`, for one reader.
    fn alone(&self, index: u64) -> Result<Plain, VaultError> {
        let mut plain = Plaintext::zeroed(0);
        self.read_sealed(index..index + 1, |index, sealed| {
            plain = self.opened(index, sealed)?;
            Ok(())
        })?;
        Ok(Arc::new(plain))
    }

    fn known(&self, index: u64) -> Option<Plain> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|(known, _)| *known == index).map(|(_, chunk)| Arc::clone(chunk))
    }

    fn remember(&self, index: u64, chunk: Plain) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.truncate(RECENT_CHUNKS - 1);
        recent.push_front((index, chunk));
    }

    /// Opens every chunk and compares the tags with the trailer: finds any changed byte of the file.
    pub(crate) fn scrub(&self) -> Result<(), VaultError> {
        let mut tags = Sm3Hasher::new();
        let mut plain = Plaintext::zeroed(CHUNK_BYTES);
        self.read_sealed(0..self.trailer.chunks, |index, sealed| {
            tags.update(sealed.last_chunk::<TAG_BYTES>().ok_or(VaultError::OutsideSegment)?);
            let plain = plain.get_mut(..self.plain_bytes(index)).ok_or(VaultError::OutsideSegment)?;
            self.open_chunk(index, sealed, plain)
        })?;
        if *tags.finish().as_bytes() == self.trailer.tags_sm3 {
            Ok(())
        } else {
            Err(VaultError::damaged(&self.header.segment, Fault::Trailer))
        }
    }

    fn opened(&self, index: u64, sealed: &[u8]) -> Result<Plaintext, VaultError> {
        let mut plain = Plaintext::zeroed(self.plain_bytes(index));
        self.open_chunk(index, sealed, &mut plain)?;
        Ok(plain)
    }

    /// Opens a chunk from its sealed form into `plain`, which is exactly as long as its plaintext.
    fn open_chunk(&self, index: u64, sealed: &[u8], plain: &mut [u8]) -> Result<(), VaultError> {
        // The trailer's check at opening keeps every index within 32 bits.
        let index = u32::try_from(index).map_err(|_| VaultError::OutsideSegment)?;
        self.sealer.open_into(index, false, sealed, plain).map_err(|fault| {
            let first = *self.fault.get_or_init(|| fault);
            VaultError::damaged(&self.header.segment, first)
        })?;
        self.bytes_decrypted.fetch_add(plain.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Shows `visit` the sealed form of each chunk in turn: ciphertext and tag.
    fn read_sealed(
        &self,
        chunks: Range<u64>,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let at_once = chunks.end.saturating_sub(chunks.start).min(CHUNKS_PER_READ);
        let mut room = vec![0; usize::try_from(at_once * SEALED_CHUNK).map_err(|_| VaultError::OutsideSegment)?];
        let mut next = chunks.start;
        while next < chunks.end {
            let last = (next + CHUNKS_PER_READ).min(chunks.end) - 1;
            let bytes = (last - next) * SEALED_CHUNK + self.plain_bytes(last) as u64 + TAG_BYTES as u64;
            let bytes = usize::try_from(bytes).map_err(|_| VaultError::OutsideSegment)?;
            let buffer = room.get_mut(..bytes).ok_or(VaultError::OutsideSegment)?;
            self.file.read_exact_at(buffer, self.header_bytes + next * SEALED_CHUNK)?;
            for (index, sealed) in (next..).zip(buffer.chunks(CHUNK_BYTES + TAG_BYTES)) {
                visit(index, sealed)?;
            }
            next = last + 1;
        }
        Ok(())
    }

    /// Length of the plaintext of chunk `index`.
    fn plain_bytes(&self, index: u64) -> usize {
        let plain = CHUNK.min(self.length().saturating_sub(index.saturating_mul(CHUNK)));
        usize::try_from(plain).unwrap_or(CHUNK_BYTES)
    }
}

/// Where a chunk and a range meet: within the chunk, and within the range.
struct Part {
    of_chunk: Range<usize>,
    of_range: Range<usize>,
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
    /// The chunk at hand, when it is read piece by piece.
    chunk: Option<(u64, Plain)>,
}

impl SegmentCursor {
    /// A cursor over the plaintext from `start` to the end.
    pub(crate) fn new(reader: Arc<SegmentReader>, start: u64) -> Self {
        Self { reader, at: start, chunk: None }
    }

    /// The chunk at hand. One that is entered in its midst was likely entered by another cursor a moment ago.
    fn chunk(&mut self) -> Result<Plain, VaultError> {
        let index = self.at / CHUNK;
        if let Some((_, chunk)) = self.chunk.as_ref().filter(|(at_hand, _)| *at_hand == index) {
            return Ok(Arc::clone(chunk));
        }
        let is_entered = self.at.is_multiple_of(CHUNK);
        let chunk = if is_entered { self.reader.alone(index)? } else { self.reader.recent(index)? };
        self.chunk = Some((index, Arc::clone(&chunk)));
        Ok(chunk)
    }

    fn read_some(&mut self, into: &mut [u8]) -> Result<usize, VaultError> {
        let left = self.reader.length().saturating_sub(self.at);
        let wanted = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let is_to_the_end = wanted as u64 == left;
        let whole = if is_to_the_end { wanted } else { wanted - wanted % CHUNK_BYTES };
        if self.at.is_multiple_of(CHUNK) && whole > 0 {
            // As many chunks as there is room for, each straight to where it is wanted.
            self.reader.read_into(self.at, into.get_mut(..whole).unwrap_or_default())?;
            return Ok(whole);
        }
        if wanted == 0 {
            return Ok(0);
        }
        let chunk = self.chunk()?;
        let from = usize::try_from(self.at % CHUNK).unwrap_or(0);
        let taken = wanted.min(chunk.len().saturating_sub(from));
        if let (Some(room), Some(part)) = (into.get_mut(..taken), chunk.get(from..from + taken)) {
            room.copy_from_slice(part);
        }
        Ok(taken)
    }
}

impl Read for SegmentCursor {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let taken = self.read_some(into).map_err(VaultError::into_io)?;
        self.at += taken as u64;
        Ok(taken)
    }
}
