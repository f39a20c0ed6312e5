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
    writer.finish(true).unwrap()
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
