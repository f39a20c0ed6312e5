//! Rows set aside: counted by reason for the report, and kept as they came, encrypted, for the supplier to mend.

use std::collections::BTreeMap;
use std::io::Write;

use glovebox_catalog::SegmentId;

use super::rule::{RowFault, Rules};
use super::{Desk, QuarantineReason};
use crate::segment::{Kind, Sealed, SegmentWriter};
use crate::vault::QUARANTINE;
use crate::{VaultError, folder};

/// Longest code, so that a frame's length of it fits a byte.
const CODE_BYTES_MAX: usize = 255;

/// The rows set aside so far.
pub(super) struct Quarantine {
    desk: Desk,
    /// Opened at the first row: most sources have none.
    segment: Option<SegmentWriter>,
    reasons: BTreeMap<RowFault, (u64, u64)>,
    rows: u64,
}

impl Quarantine {
    pub(super) fn new(desk: Desk) -> Self {
        Self { desk, segment: None, reasons: BTreeMap::new(), rows: 0 }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Counts row `number` of the source and keeps `line`, the row as it came.
    pub(super) fn set_aside(&mut self, number: u64, fault: RowFault, line: &[u8]) -> Result<(), VaultError> {
        let (rows, _) = self.reasons.entry(fault).or_insert((0, number));
        *rows += 1;
        self.rows += 1;
        self.frame(number, fault.code, line)
    }

    /// Keeps a piece of a row too long to be held whole; the row itself is counted once, by [`Self::set_aside`].
    pub(super) fn keep_piece(&mut self, number: u64, line: &[u8]) -> Result<(), VaultError> {
        self.frame(number, "", line)
    }

    /// Closes the segment, when there is one.
    pub(super) fn finish(self, rules: &Rules) -> Result<(Vec<QuarantineReason>, Option<Sealed>), VaultError> {
        let name = |field: Option<usize>| field.and_then(|at| rules.fields.get(at)).map(|rule| rule.name.clone());
        let reasons = self.reasons.iter().map(|(fault, (rows, first_row))| QuarantineReason {
            code: fault.code,
            field: name(fault.field),
            rows: *rows,
            first_row: *first_row,
        });
        Ok((reasons.collect(), self.segment.map(|segment| segment.finish(true)).transpose()?))
    }

    /// Frame: row number (8, little endian), length of the code (1), code, length of the bytes (4), bytes. An empty code
    /// says that the row goes on in the next frame.
    fn frame(&mut self, number: u64, code: &str, line: &[u8]) -> Result<(), VaultError> {
        let code = code.as_bytes().get(..code.len().min(CODE_BYTES_MAX)).unwrap_or_default();
        let length = u32::try_from(line.len()).map_err(|_| VaultError::Worker)?;
        let segment = self.segment()?;
        segment.write_all(&number.to_le_bytes())?;
        segment.write_all(&[u8::try_from(code.len()).unwrap_or(u8::MAX)])?;
        segment.write_all(code)?;
        segment.write_all(&length.to_le_bytes())?;
        segment.write_all(line)?;
        Ok(())
    }

    fn segment(&mut self) -> Result<&mut SegmentWriter, VaultError> {
        if self.segment.is_none() {
            let header = self.desk.header(Kind::Quarantine, "quarantine")?;
            let file = folder::create_file(&self.desk.dir, QUARANTINE)?;
            self.segment = Some(SegmentWriter::new(file, &self.desk.key, &header)?);
        }
        self.segment.as_mut().ok_or(VaultError::Worker)
    }
}

impl Desk {
    /// Header of a fresh segment of this ingestion.
    pub(super) fn header(&self, kind: Kind, name: &str) -> Result<crate::segment::Header, VaultError> {
        Ok(crate::segment::Header {
            kind,
            dataset: self.dataset.id.clone(),
            segment: SegmentId::new(name).map_err(|_| VaultError::Worker)?,
            snapshot: self.number,
            key: self.key.id,
            salt: crate::keyring::random()?,
        })
    }
}
