//! Attacks on a segment's bytes. Whatever is done to the file, a reader answers what was written there, or refuses.

use std::io::{Read, Write};
use std::sync::Arc;

use cap_std::fs::Dir;
use glovebox_catalog::{DatasetId, SegmentId};

use super::*;
use crate::folder::create_file;
use crate::testing::dir;

const SIZES: [usize; 7] = [0, 1, 100, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5];

fn key(byte: u8) -> DataKey {
    DataKey { id: KeyId { epoch: 1, id: [byte; 16] }, key: Key256::from_slice(&[byte; 32]).unwrap() }
}

fn plain(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + at % 251) as u8).collect()
}

fn write(dir: &Dir, name: &str, salt: u8, plain: &[u8]) -> Sealed {
    let header = Header {
        kind: Kind::Table,
        dataset: DatasetId::new("ward").unwrap(),
        segment: SegmentId::new("table").unwrap(),
        snapshot: 1,
        key: key(1).id,
        salt: [salt; 32],
    };
    let mut writer = SegmentWriter::new(create_file(dir, name).unwrap(), &key(1), &header).unwrap();
    // Pieces of odd length, so that chunks are cut within one.
    for piece in plain.chunks(10_007) {
        writer.write_all(piece).unwrap();
    }
    let sealed = writer.finish(true).unwrap();
    same_in_any_pieces(dir, &header, plain, sealed);
    sealed
}

/// Whatever pieces it comes in, buffered or whole, a segment has the same bytes.
fn same_in_any_pieces(dir: &Dir, header: &Header, plain: &[u8], expected: Sealed) {
    for first in [0, 1, CHUNK_BYTES] {
        let _ = dir.remove_file("again");
        let mut writer = SegmentWriter::new(create_file(dir, "again").unwrap(), &key(1), header).unwrap();
        let (first, rest) = plain.split_at(first.min(plain.len()));
        writer.write_all(first).unwrap();
        writer.write_all(rest).unwrap();
        assert_eq!(writer.finish(false).unwrap(), expected);
    }
}

fn open(dir: &Dir, name: &str) -> Result<SegmentReader, VaultError> {
    SegmentReader::open(dir.open(name).unwrap(), |_| Ok(key(1)))
}

/// Reads it all; the fault met, if any.
fn read_all(dir: &Dir, name: &str) -> Result<Vec<u8>, Fault> {
    let fault = |error| match error {
        VaultError::Damaged { fault, .. } => fault,
        other => panic!("{other}"),
    };
    let reader = open(dir, name).map_err(fault)?;
    let bytes = reader.read_range(0..reader.length()).map_err(fault)?;
    assert_eq!(reader.scrub().map_err(fault), Ok(()));
    Ok(bytes.to_vec())
}

struct Place {
    folder: tempfile::TempDir,
    dir: Dir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir(folder.path());
        Self { folder, dir }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap()
    }

    /// What a reader makes of `bytes`.
    fn read(&self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        std::fs::write(self.folder.path().join("attacked"), bytes).unwrap();
        read_all(&self.dir, "attacked")
    }
}

/// Offset and length in the file of chunk `index`.
fn chunk(file: &[u8], index: usize) -> std::ops::Range<usize> {
    let header = usize::from(u16::from_le_bytes([file[6], file[7]]));
    let start = header + index * (CHUNK_BYTES + TAG_BYTES);
    start..(start + CHUNK_BYTES + TAG_BYTES).min(file.len() - TRAILER_BYTES)
}

#[test]
fn every_length_round_trips() {
    let place = Place::new();
    for length in SIZES {
        let name = format!("s{length}");
        let sealed = write(&place.dir, &name, 1, &plain(length));
        assert_eq!(read_all(&place.dir, &name), Ok(plain(length)), "{length}");
        let reader = open(&place.dir, &name).unwrap();
        assert_eq!((reader.digest(), reader.file_bytes()), (sealed.digest, sealed.file_bytes));
        assert_eq!(sealed.file_bytes, place.bytes(&name).len() as u64);
        let mut cursor = SegmentCursor::new(Arc::new(reader), 0);
        let mut read = Vec::new();
        cursor.read_to_end(&mut read).unwrap();
        assert_eq!(read, plain(length));
    }
}

#[test]
fn any_range_opens_only_the_chunks_it_touches() {
    let place = Place::new();
    let length = 5 * CHUNK_BYTES + 77;
    write(&place.dir, "s", 1, &plain(length));
    let chunk = CHUNK_BYTES as u64;
    for (range, chunks) in [
        (0..0, 0),
        (0..1, 1),
        (chunk - 1..chunk + 1, 2),
        (chunk..2 * chunk, 1),
        (chunk + 5..4 * chunk - 5, 3),
        (2 * chunk + 10..2 * chunk + 20, 1),
    ] {
        let reader = open(&place.dir, "s").unwrap();
        let read = reader.read_range(range.clone()).unwrap();
        assert_eq!(read, plain(length)[range.start as usize..range.end as usize]);
        assert_eq!(reader.bytes_decrypted(), chunks * chunk, "{range:?}");
    }
    let reader = open(&place.dir, "s").unwrap();
    let end = reader.length();
    assert_eq!(reader.read_range(end - 3..end).unwrap(), plain(length)[length - 3..]);
    assert_eq!(reader.bytes_decrypted(), 77);
    // The chunk just opened is not opened again.
    reader.read_range(end - 10..end - 3).unwrap();
    assert_eq!(reader.bytes_decrypted(), 77);
    assert!(matches!(reader.read_range(0..end + 1), Err(VaultError::OutsideSegment)));
}

/// Whole chunks go from their sealed form to where they are wanted; only chunks that a range cuts are copied from.
#[test]
fn whole_chunks_are_never_copied() {
    let place = Place::new();
    let length = 11 * CHUNK_BYTES + 77;
    write(&place.dir, "s", 1, &plain(length));
    let chunk = CHUNK_BYTES as u64;
    let end = length as u64;
    for (range, copied) in [
        (0..end, 0),
        (0..11 * chunk, 0),
        (3 * chunk..9 * chunk, 0),
        (11 * chunk..end, 0),
        (chunk - 5..9 * chunk + 6, 11),
        (10 * chunk + 1..end, chunk - 1),
        (end - 1..end, 1),
    ] {
        let reader = open(&place.dir, "s").unwrap();
        for _ in 0..2 {
            let read = reader.read_range(range.clone()).unwrap();
            assert!(read == plain(length)[range.start as usize..range.end as usize], "{range:?}");
        }
        assert_eq!(reader.bytes_copied(), 2 * copied, "{range:?}");
    }
    // A cursor with room for whole chunks takes them without a copy as well, whatever it read before.
    let reader = Arc::new(open(&place.dir, "s").unwrap());
    let mut cursor = SegmentCursor::new(Arc::clone(&reader), 10);
    let mut read = vec![0; length - 10];
    cursor.read_exact(&mut read).unwrap();
    assert!(read == plain(length)[10..]);
    assert_eq!((reader.bytes_copied(), reader.bytes_decrypted()), (0, end));
}

#[test]
fn a_cursor_reads_the_same_in_pieces_of_any_length() {
    let place = Place::new();
    let length = 3 * CHUNK_BYTES + 5;
    write(&place.dir, "s", 1, &plain(length));
    for piece in [7, 40, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 4 * CHUNK_BYTES] {
        for start in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, length] {
            let reader = Arc::new(open(&place.dir, "s").unwrap());
            let mut cursor = SegmentCursor::new(Arc::clone(&reader), start as u64);
            let (mut read, mut room) = (Vec::new(), vec![0; piece]);
            loop {
                let taken = cursor.read(&mut room).unwrap();
                read.extend_from_slice(&room[..taken]);
                if taken == 0 {
                    break;
                }
            }
            assert!(read == plain(length)[start..], "{piece} from {start}");
            // No chunk is opened twice.
            let touched = if start == length { 0 } else { length - start / CHUNK_BYTES * CHUNK_BYTES };
            assert_eq!(reader.bytes_decrypted(), touched as u64);
        }
    }
}

#[test]
fn a_read_that_meets_a_changed_chunk_hands_out_nothing() {
    let place = Place::new();
    let length = 6 * CHUNK_BYTES + 100;
    write(&place.dir, "s", 1, &plain(length));
    let file = place.bytes("s");
    for index in 0..7 {
        let mut attacked = file.clone();
        let at = chunk(&file, index).end - 1;
        attacked[at] ^= 1;
        std::fs::write(place.folder.path().join("attacked"), &attacked).unwrap();
        for start in [0, 9, CHUNK_BYTES * index, CHUNK_BYTES * index + 3] {
            let reader = open(&place.dir, "attacked").unwrap();
            let mut into = vec![0xa5; length - start];
            assert!(reader.read_into(start as u64, &mut into).is_err());
            assert!(into.iter().all(|byte| *byte == 0), "chunk {index}, from {start}");
            let kept = reader.fault().map(|error| error.to_string());
            assert!(kept.is_some_and(|text| text.contains(&format!("chunk {index} "))), "the fault is kept");
        }
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let place = Place::new();
    write(&place.dir, "s", 1, &plain(300));
    let file = place.bytes("s");
    for at in 0..file.len() {
        for bit in [1, 0x80] {
            let mut attacked = file.clone();
            attacked[at] ^= bit;
            assert!(place.read(&attacked).is_err(), "byte {at}");
        }
    }
}

#[test]
fn every_cut_and_every_extension_is_found() {
    let place = Place::new();
    write(&place.dir, "s", 1, &plain(300));
    let file = place.bytes("s");
    for length in 0..file.len() {
        assert!(place.read(&file[..length]).is_err(), "{length}");
    }
    for more in [1, 15, 16, 17, TRAILER_BYTES] {
        assert_eq!(place.read(&[&file[..], &vec![0; more]].concat()), Err(Fault::Trailer), "{more}");
    }
}

#[test]
fn a_cut_at_a_chunk_is_found_even_with_the_trailer_put_back() {
    let place = Place::new();
    write(&place.dir, "s", 1, &plain(3 * CHUNK_BYTES));
    let file = place.bytes("s");
    let trailer = &file[file.len() - TRAILER_BYTES..];
    for chunks in 0..3 {
        let kept = &file[..chunk(&file, chunks).start];
        assert_eq!(place.read(kept), Err(Fault::Trailer));
        assert_eq!(place.read(&[kept, trailer].concat()), Err(Fault::Trailer));
    }
    let longer = [&file[..file.len() - TRAILER_BYTES], &file[chunk(&file, 2)], trailer].concat();
    assert_eq!(place.read(&longer), Err(Fault::Trailer));
}

#[test]
fn swapped_and_repeated_chunks_are_found() {
    let place = Place::new();
    write(&place.dir, "s", 1, &plain(3 * CHUNK_BYTES));
    let file = place.bytes("s");
    for (from, to) in [(0, 1), (1, 0), (2, 1), (0, 2)] {
        let mut attacked = file.clone();
        attacked[chunk(&file, to)].copy_from_slice(&file[chunk(&file, from)]);
        assert_eq!(place.read(&attacked), Err(Fault::Chunk { index: to as u32 }));
    }
    let mut swapped = file.clone();
    swapped[chunk(&file, 0)].copy_from_slice(&file[chunk(&file, 1)]);
    swapped[chunk(&file, 1)].copy_from_slice(&file[chunk(&file, 0)]);
    assert_eq!(place.read(&swapped), Err(Fault::Chunk { index: 0 }));
}

#[test]
fn chunks_trailers_and_headers_of_another_segment_are_found() {
    let place = Place::new();
    // The same plaintext, dataset, name and data key: only the salt differs.
    write(&place.dir, "s", 1, &plain(2 * CHUNK_BYTES));
    write(&place.dir, "other", 2, &plain(2 * CHUNK_BYTES));
    let (file, other) = (place.bytes("s"), place.bytes("other"));
    let mut attacked = file.clone();
    attacked[chunk(&file, 1)].copy_from_slice(&other[chunk(&other, 1)]);
    assert_eq!(place.read(&attacked), Err(Fault::Chunk { index: 1 }));
    let at = file.len() - TRAILER_BYTES;
    assert_eq!(place.read(&[&file[..at], &other[at..]].concat()), Err(Fault::Trailer));
    let header = chunk(&file, 0).start;
    assert_eq!(place.read(&[&other[..header], &file[header..]].concat()), Err(Fault::Trailer));
}

#[test]
fn another_data_key_opens_nothing() {
    let place = Place::new();
    write(&place.dir, "s", 1, &plain(300));
    let opened = SegmentReader::open(place.dir.open("s").unwrap(), |_| Ok(key(2)));
    assert!(matches!(opened, Err(VaultError::Damaged { fault: Fault::Trailer, .. })));
}

#[test]
fn a_segment_that_was_never_finished_is_refused() {
    let place = Place::new();
    for length in SIZES {
        let name = format!("torn{length}");
        let header = Header {
            kind: Kind::Table,
            dataset: DatasetId::new("ward").unwrap(),
            segment: SegmentId::new("table").unwrap(),
            snapshot: 1,
            key: key(1).id,
            salt: [3; 32],
        };
        let mut writer = SegmentWriter::new(create_file(&place.dir, &name).unwrap(), &key(1), &header).unwrap();
        writer.write_all(&plain(length)).unwrap();
        drop(writer);
        assert_eq!(read_all(&place.dir, &name), Err(Fault::Trailer), "{length}");
    }
}

#[test]
fn ciphertext_shows_no_plaintext() {
    let place = Place::new();
    write(&place.dir, "s", 1, &b"Lin Wei, 13800138000".repeat(10_000));
    let file = place.bytes("s");
    assert!(!file.windows(7).any(|window| window == b"Lin Wei"));
    // Equal plaintext under two salts, and equal chunks within one segment, have nothing in common.
    write(&place.dir, "zeros", 4, &vec![0; 2 * CHUNK_BYTES]);
    let zeros = place.bytes("zeros");
    assert_ne!(zeros[chunk(&zeros, 0)], zeros[chunk(&zeros, 1)]);
}
