//! The header of a GBX1 segment: what it is, where it belongs and which key opens it. Plain, but bound into every chunk.

use glovebox_catalog::{DatasetId, SegmentId};

use super::{CHUNK_BYTES, Fault, KeyId};

const MAGIC: [u8; 4] = *b"GBX1";
/// SM4-GCM with keys by HKDF-SM3.
const SUITE_SM4_GCM: u8 = 1;
/// Bytes before the two ids.
const FIXED_BYTES: usize = 72;
/// Longest header: both ids are at most 80 bytes.
pub(crate) const HEADER_BYTES_MAX: usize = FIXED_BYTES + 2 * (1 + 80);

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A published table, Parquet.
    Table,
    /// Rows set aside at ingestion, as they came.
    Quarantine,
    /// Rows on their way to their persons during ingestion, Arrow stream.
    Spill,
    /// An upload that needs random access before it can be read.
    Upload,
    /// Persistent ids of the snapshot's persons, by ordinal.
    Persons,
    /// Every person and version of a person's rows that the dataset ever had.
    Registry,
}

/// The header's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) dataset: DatasetId,
    pub(crate) segment: SegmentId,
    /// Number of the snapshot that the segment belongs to.
    pub(crate) snapshot: u32,
    pub(crate) key: KeyId,
    /// Random; makes the segment's key its own.
    pub(crate) salt: [u8; 32],
}

impl Header {
    /// The header as it stands in the file; docs/vault-format.md has the table of offsets.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (dataset, segment) = (self.dataset.as_str().as_bytes(), self.segment.as_str().as_bytes());
        let length = FIXED_BYTES + 2 + dataset.len() + segment.len();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(SUITE_SM4_GCM);
        bytes.push(self.kind.number());
        // Ids are at most 80 bytes, so neither length is ever cut.
        bytes.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(CHUNK_BYTES).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&self.snapshot.to_le_bytes());
        bytes.extend_from_slice(&self.key.epoch.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.key.id);
        bytes.extend_from_slice(&self.salt);
        for id in [dataset, segment] {
            bytes.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(id);
        }
        bytes
    }

    /// Reads a header from the first bytes of a file; answers it with its length.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, usize), Fault> {
        let mut at = Cursor { bytes, at: 0 };
        if at.take::<4>()? != MAGIC {
            return Err(Fault::Header);
        }
        let [suite, kind] = at.take::<2>()?;
        let length = usize::from(u16::from_le_bytes(at.take()?));
        let chunk_bytes = u32::from_le_bytes(at.take()?);
        let kind = Kind::from_number(kind).ok_or(Fault::Header)?;
        if suite != SUITE_SM4_GCM || usize::try_from(chunk_bytes) != Ok(CHUNK_BYTES) {
            return Err(Fault::Header);
        }
        let snapshot = u32::from_le_bytes(at.take()?);
        let epoch = u32::from_le_bytes(at.take()?);
        if at.take::<4>()? != [0; 4] {
            return Err(Fault::Header);
        }
        let key = KeyId { epoch, id: at.take()? };
        let salt = at.take()?;
        let dataset = DatasetId::new(at.text()?).map_err(|_| Fault::Header)?;
        let segment = SegmentId::new(at.text()?).map_err(|_| Fault::Header)?;
        if at.at != length {
            return Err(Fault::Header);
        }
        Ok((Self { kind, dataset, segment, snapshot, key, salt }, length))
    }
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::Table => 1,
            Self::Quarantine => 2,
            Self::Spill => 3,
            Self::Upload => 4,
            Self::Persons => 5,
            Self::Registry => 6,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        let kinds = [Self::Table, Self::Quarantine, Self::Spill, Self::Upload, Self::Persons, Self::Registry];
        kinds.into_iter().find(|kind| kind.number() == number)
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let end = self.at + N;
        let taken = self.bytes.get(self.at..end).and_then(|slice| slice.try_into().ok()).ok_or(Fault::Header)?;
        self.at = end;
        Ok(taken)
    }

    fn text(&mut self) -> Result<String, Fault> {
        let [length] = self.take::<1>()?;
        let end = self.at + usize::from(length);
        let slice = self.bytes.get(self.at..end).ok_or(Fault::Header)?;
        self.at = end;
        String::from_utf8(slice.to_vec()).map_err(|_| Fault::Header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: Kind::Table,
            dataset: DatasetId::new("nhanes-2017").unwrap(),
            segment: SegmentId::new("table").unwrap(),
            snapshot: 3,
            key: KeyId { epoch: 2, id: [7; 16] },
            salt: [9; 32],
        }
    }

    #[test]
    fn round_trips_with_bytes_after_it() {
        let mut bytes = header().encode();
        let length = bytes.len();
        bytes.extend_from_slice(b"chunks");
        assert_eq!(Header::decode(&bytes), Ok((header(), length)));
        assert!(length <= HEADER_BYTES_MAX);
    }

    #[test]
    fn layout_is_the_documented_one() {
        let bytes = header().encode();
        assert_eq!(&bytes[..8], b"GBX1\x01\x01\x5a\x00");
        assert_eq!(bytes.len(), 0x5a);
        assert_eq!(&bytes[8..24], &[0, 0, 1, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[24..40], &[7; 16]);
        assert_eq!(&bytes[40..72], &[9; 32]);
        assert_eq!(&bytes[72..], b"\x0bnhanes-2017\x05table");
    }

    #[test]
    fn every_cut_and_unknown_number_is_refused() {
        let bytes = header().encode();
        for length in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..length]), Err(Fault::Header), "{length}");
        }
        for (at, value) in [(0, b'g'), (4, 2), (5, 0), (5, 7), (6, 0x59), (8, 1), (20, 1), (72, 0), (73, b'/')] {
            let mut changed = bytes.clone();
            changed[at] = value;
            assert_eq!(Header::decode(&changed), Err(Fault::Header), "byte {at}");
        }
    }
}
