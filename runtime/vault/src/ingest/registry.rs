//! Ids that mean the same person in every snapshot, so that cohorts of different snapshots can be compared.
//!
//! The registry of a dataset knows every person who ever was in it, by the keyed digest of the person key, and every version of a
//! person's rows. Both get numbers that are never used again; the first version has the person's own. It is sorted as
//! persons come, so one pass merges the registry of the snapshot before with the new persons.

use std::io::{BufReader, Read, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use glovebox_catalog::Schema;
use glovebox_gm::hkdf_sm3_256;

use super::Desk;
use super::block::{Person, person_at, persons};
use super::rows::{RowsDigest, RowsDigester};
use crate::segment::{Fault, Kind, Sealed, SegmentCursor, SegmentReader, SegmentWriter};
use crate::vault::{PERSONS, REGISTRY};
use crate::{VaultError, folder};

/// Digest of the person key (16), digest of the rows (16), person's id (4), version's id (4).
const ENTRY_BYTES: usize = 40;
/// Next free id (4), version of the format (4), number of entries (8).
const FOOTER_BYTES: usize = 16;
const FORMAT: u32 = 1;

/// One person in one version.
#[derive(Clone, Copy)]
struct Entry {
    person: Person,
    rows: [u8; 16],
    person_id: u32,
    version_id: u32,
}

/// The registry of a published snapshot, read from front to back.
struct Known {
    segment: Arc<SegmentReader>,
    entries: BufReader<SegmentCursor>,
    left: u64,
    next: Option<Entry>,
}

/// Gives every person of a new snapshot ids, and writes both segments.
pub(super) struct Registrar {
    digester: RowsDigester,
    known: Option<Known>,
    next_id: u32,
    current: Option<(Person, RowsDigest)>,
    persons: SegmentWriter,
    registry: SegmentWriter,
    entries: u64,
    /// Place of the person before.
    place: Option<u32>,
}

impl Registrar {
    /// `base` is the registry of the snapshot before.
    pub(super) fn new(desk: &Desk, base: Option<SegmentReader>) -> Result<Self, VaultError> {
        let key = hkdf_sm3_256(&desk.key.key, desk.dataset.id.as_str().as_bytes(), b"glovebox vault rows");
        let digester = RowsDigester::new(&key, schema(desk));
        let (known, next_id) = match base {
            Some(segment) => Known::open(segment).map(|(known, next)| (Some(known), next))?,
            None => (None, 0),
        };
        let segment = |kind, name: &str, file| {
            let header = desk.header(kind, name)?;
            SegmentWriter::new(folder::create_file(&desk.dir, file)?, &desk.key, &header)
        };
        let persons = segment(Kind::Persons, "persons", PERSONS)?;
        let registry = segment(Kind::Registry, "registry", REGISTRY)?;
        Ok(Self { digester, known, next_id, current: None, persons, registry, entries: 0, place: None })
    }

    /// Takes rows, persons together and in the order of their digests.
    pub(super) fn take(&mut self, batch: &RecordBatch) -> Result<(), VaultError> {
        let digests = persons(batch)?;
        let rows = self.digester.digests(batch)?;
        let mut ended = Vec::new();
        for (row, digest) in rows.iter().enumerate() {
            let person = person_at(digests, row);
            match &mut self.current {
                Some((current, sum)) if *current == person => sum.add(digest),
                _ => ended.extend(self.current.replace((person, RowsDigest::of(digest)))),
            }
        }
        self.register_all(&ended)
    }

    /// The finished segments: ids by ordinal, and the registry.
    pub(super) fn finish(mut self) -> Result<(Sealed, Sealed), VaultError> {
        let last = self.current.take();
        self.register_all(last.as_slice())?;
        while let Some(entry) = self.known_before(None)? {
            self.write(&entry)?;
        }
        let footer = [self.next_id.to_le_bytes(), FORMAT.to_le_bytes()].concat();
        self.registry.write_all(&footer)?;
        self.registry.write_all(&self.entries.to_le_bytes())?;
        Ok((self.persons.finish(true)?, self.registry.finish(true)?))
    }

    /// Registers persons whose rows have all been seen.
    fn register_all(&mut self, ended: &[(Person, RowsDigest)]) -> Result<(), VaultError> {
        let versions = self.digester.close(ended.iter().map(|(_, rows)| rows));
        ended.iter().zip(versions).try_for_each(|((person, _), rows)| self.register(*person, rows))
    }

    fn register(&mut self, person: Person, rows: [u8; 16]) -> Result<(), VaultError> {
        while let Some(entry) = self.known_before(Some(&person))? {
            self.write(&entry)?;
        }
        let (mut known_as, mut found) = (None, None);
        while let Some(entry) = self.known_of(&person)? {
            known_as = Some(entry.person_id);
            if entry.rows == rows {
                found = Some(entry);
            }
            self.write(&entry)?;
        }
        let entry = match found {
            Some(entry) => entry,
            None => {
                let id = self.next_id;
                self.next_id = id.checked_add(1).ok_or(VaultError::TooManyPersons)?;
                let entry = Entry { person, rows, person_id: known_as.unwrap_or(id), version_id: id };
                self.write(&entry)?;
                entry
            }
        };
        let place = place_after(self.place, &person);
        self.place = Some(place);
        for number in [entry.person_id, entry.version_id, place] {
            self.persons.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    fn write(&mut self, entry: &Entry) -> Result<(), VaultError> {
        self.entries += 1;
        self.registry.write_all(&entry.encode())?;
        Ok(())
    }

    /// The next known entry of a person before `person`; of any, when none is given.
    fn known_before(&mut self, person: Option<&Person>) -> Result<Option<Entry>, VaultError> {
        let Some(known) = &mut self.known else { return Ok(None) };
        if known.next.is_some_and(|next| person.is_none_or(|person| next.person < *person)) {
            return known.advance();
        }
        Ok(None)
    }

    /// The next known entry of `person`.
    fn known_of(&mut self, person: &Person) -> Result<Option<Entry>, VaultError> {
        let Some(known) = &mut self.known else { return Ok(None) };
        if known.next.is_some_and(|next| next.person == *person) { known.advance() } else { Ok(None) }
    }
}

fn schema(desk: &Desk) -> &Schema {
    &desk.dataset.schema
}

/// Where a person stands between 0 and 2^32: the head of the keyed digest, so that it does not depend on who else is
/// there. Of two persons with the same head, one in 2^32, the second moves on by one.
fn place_after(before: Option<u32>, person: &Person) -> u32 {
    let head = person.iter().take(4).fold(0, |head, byte| (head << 8) | u32::from(*byte));
    before.map_or(head, |before| head.max(before.saturating_add(1)))
}

impl Known {
    fn open(segment: SegmentReader) -> Result<(Self, u32), VaultError> {
        let segment = Arc::new(segment);
        let damaged = || VaultError::damaged(&segment.header().segment, Fault::Contents);
        let length = segment.length();
        let entries_end = length.checked_sub(FOOTER_BYTES as u64).ok_or_else(damaged)?;
        let footer = segment.read_range(entries_end..length)?;
        let (next_id, rest) = footer.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (format, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let entries = u64::from_le_bytes(rest.try_into().map_err(|_| damaged())?);
        if u32::from_le_bytes(*format) != FORMAT || entries.checked_mul(ENTRY_BYTES as u64) != Some(entries_end) {
            return Err(damaged());
        }
        let cursor = BufReader::new(SegmentCursor::new(Arc::clone(&segment), 0));
        let mut known = Self { segment, entries: cursor, left: entries, next: None };
        known.advance()?;
        Ok((known, u32::from_le_bytes(*next_id)))
    }

    /// Hands out the entry at hand and reads the next one.
    fn advance(&mut self) -> Result<Option<Entry>, VaultError> {
        let current = self.next.take();
        if self.left > 0 {
            self.left -= 1;
            let mut bytes = [0; ENTRY_BYTES];
            self.entries.read_exact(&mut bytes)?;
            let next = Entry::decode(&bytes).filter(|next| current.is_none_or(|before| before.person <= next.person));
            let disordered = || VaultError::damaged(&self.segment.header().segment, Fault::Contents);
            self.next = Some(next.ok_or_else(disordered)?);
        }
        Ok(current)
    }
}

impl Entry {
    fn encode(&self) -> Vec<u8> {
        [&self.person[..], &self.rows, &self.person_id.to_le_bytes(), &self.version_id.to_le_bytes()].concat()
    }

    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let (person, rest) = bytes.split_first_chunk()?;
        let (rows, rest) = rest.split_first_chunk()?;
        let (person_id, rest) = rest.split_first_chunk()?;
        let version_id = rest.try_into().ok()?;
        let (person_id, version_id) = (u32::from_le_bytes(*person_id), u32::from_le_bytes(version_id));
        Some(Self { person: *person, rows: *rows, person_id, version_id })
    }
}
