//! A write that fails midway, seen by someone who reads along: nothing else is ever sealed under the nonce of the chunk
//! that got out in part.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use glovebox_catalog::{DatasetId, SegmentId};

use super::*;
use crate::testing::dir;

const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
static LOST: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];
static NEXT: [u8; CHUNK_BYTES] = [0xff; CHUNK_BYTES];

/// A writer into a line that fills up, as a disk does, and where there is room again once somebody reads.
struct Line {
    writer: SegmentWriter,
    reader: UnixStream,
    sealer: Sealer,
    header_bytes: usize,
}

impl Line {
    fn new() -> Self {
        let key = DataKey { id: KeyId { epoch: 1, id: [1; 16] }, key: Key256::from_slice(&[1; 32]).unwrap() };
        let header = Header {
            kind: Kind::Table,
            dataset: DatasetId::new("ward").unwrap(),
            segment: SegmentId::new("table").unwrap(),
            snapshot: 1,
            key: key.id,
            salt: [5; 32],
        };
        let (reader, end) = UnixStream::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        end.set_nonblocking(true).unwrap();
        let file = cap_std::fs::File::from_std(std::fs::File::from(OwnedFd::from(end)));
        let writer = SegmentWriter::new(file, &key, &header).unwrap();
        let header_bytes = header.encode();
        Self { writer, reader, sealer: Sealer::new(&key, &header, &header_bytes), header_bytes: header_bytes.len() }
    }

    /// Writes chunks in pieces of so many bytes until one fails; how many did not.
    fn fill(&mut self, piece_bytes: usize) -> u32 {
        let mut chunks = (0..1000).take_while(|_| LOST.chunks(piece_bytes).all(|it| self.writer.write_all(it).is_ok()));
        let count = chunks.by_ref().count();
        assert!((1..1000).contains(&count), "the line should have filled up");
        u32::try_from(count).unwrap()
    }

    /// What got out since it was last asked.
    fn got_out(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let end = self.reader.read_to_end(&mut bytes).map_err(|error| error.kind());
        assert!(matches!(end, Ok(_) | Err(std::io::ErrorKind::WouldBlock)), "{end:?}");
        bytes
    }
}

#[test]
fn no_nonce_serves_twice_after_a_write_that_failed() {
    // Sealed from where the caller has it, and from the buffer.
    for piece_bytes in [CHUNK_BYTES, 10_007] {
        let mut line = Line::new();
        let failed = line.fill(piece_bytes);
        let before = line.got_out();
        let (_, part) = before.split_at(line.header_bytes + failed as usize * SEALED_CHUNK_BYTES);
        assert!(part.len() < SEALED_CHUNK_BYTES);

        // Whoever wrote the last piece of a chunk in vain has room for a whole one.
        line.writer.write_all(&NEXT).unwrap();
        let after = line.got_out();
        assert_eq!(after.len(), SEALED_CHUNK_BYTES);
        let mut plain = [0; CHUNK_BYTES];
        assert!(line.sealer.open_into(failed, false, &after, &mut plain).is_err(), "the nonce served twice");
        assert!(line.sealer.open_into(failed + 1, false, &after, &mut plain).is_ok());
        assert_eq!(plain, NEXT);

        // What somebody gains who has both: under one key stream, the sum of both texts.
        assert!(!part.is_empty(), "nothing of the chunk got out, so that the test shows nothing");
        let sum = LOST[0] ^ NEXT[0];
        assert!(!part.iter().zip(&after).all(|(one, other)| one ^ other == sum));
    }
}

#[test]
fn a_segment_with_a_failed_write_is_never_taken_for_whole() {
    let folder = tempfile::tempdir().unwrap();
    for chunks_after in [0, 1, 3] {
        let mut line = Line::new();
        line.fill(CHUNK_BYTES);
        let mut bytes = line.got_out();
        for _ in 0..chunks_after {
            line.writer.write_all(&NEXT).unwrap();
            bytes.extend(line.got_out());
        }
        let Line { writer, mut reader, .. } = line;
        let _ = writer.finish(false);
        reader.set_nonblocking(false).unwrap();
        reader.read_to_end(&mut bytes).unwrap();
        std::fs::write(folder.path().join("s"), bytes).unwrap();
        let file = dir(folder.path()).open("s").unwrap();
        let key = || DataKey { id: KeyId { epoch: 1, id: [1; 16] }, key: Key256::from_slice(&[1; 32]).unwrap() };
        let opened = SegmentReader::open(file, |_| Ok(key()));
        assert!(matches!(opened, Err(VaultError::Damaged { fault: Fault::Trailer, .. })), "{chunks_after}");
    }
}
