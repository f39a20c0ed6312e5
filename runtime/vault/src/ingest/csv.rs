//! Reads CSV: RFC 4180 with a header line. Every record ends as a row or, as it came, in quarantine.

use bytes::Bytes;
use csv_core::{ReadRecordResult, Reader};

use super::intake::Intake;
use super::rule::{Cell, RowFault, Rules};
use super::source::Source;
use crate::VaultError;

/// Longest record, in bytes: what an unbalanced quote can swallow before it is noticed.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// Reads `source` to its end. Answers its length.
pub(super) fn read(source: Source, intake: &mut Intake) -> Result<u64, VaultError> {
    let mut records = Records::new(source, intake.rules.fields.len());
    let Some(shape) = records.next(|_| Ok(()))? else {
        return Err(columns(&intake.rules, &[]));
    };
    if shape != Shape::Sound {
        return Err(VaultError::Source { format: "CSV" });
    }
    let names: Vec<&str> = (0..records.fields).map(|at| records.field(at).unwrap_or_default()).collect();
    let place = places(&intake.rules, &names)?;
    let mut cells = Vec::with_capacity(place.len());
    while let Some(shape) = records.next(|piece| intake.keep_piece(piece))? {
        let bytes_read = records.source.bytes_read();
        match row(&records, shape, &place, &intake.rules, cells) {
            Ok(row) => {
                intake.accept(&row, bytes_read)?;
                cells = reuse(row);
            }
            Err(fault) => {
                intake.set_aside(fault, records.line(), bytes_read)?;
                cells = Vec::with_capacity(place.len());
            }
        }
    }
    Ok(records.source.bytes_read())
}

/// Where in the source's records each field of the schema stands.
pub(super) fn places(rules: &Rules, names: &[&str]) -> Result<Vec<usize>, VaultError> {
    let place: Option<Vec<usize>> =
        rules.fields.iter().map(|rule| names.iter().position(|name| *name == rule.name)).collect();
    place.filter(|place| place.len() == names.len()).ok_or_else(|| columns(rules, names))
}

/// Which columns do not match. Names from the source stay out of it: without a header line they are values.
fn columns(rules: &Rules, names: &[&str]) -> VaultError {
    let missing = rules.fields.iter().filter(|rule| !names.contains(&rule.name.as_str())).map(|rule| rule.name.clone());
    let is_unexpected = |at: usize, name: &str| {
        let is_declared = rules.fields.iter().any(|rule| rule.name == name);
        !is_declared || names.iter().take(at).any(|earlier| *earlier == name)
    };
    let unexpected = names.iter().enumerate().filter(|(at, name)| is_unexpected(*at, name)).map(|(at, _)| at + 1);
    VaultError::Columns { missing: missing.collect(), unexpected: unexpected.collect() }
}

fn row<'a>(
    records: &'a Records,
    shape: Shape,
    place: &[usize],
    rules: &Rules,
    mut cells: Vec<Cell<'a>>,
) -> Result<Vec<Cell<'a>>, RowFault> {
    match shape {
        Shape::TooLong => return Err(RowFault::ROW_TOO_LONG),
        Shape::BadUtf8 => return Err(RowFault::BAD_UTF8),
        Shape::Sound if records.fields == place.len() => {}
        Shape::TooManyFields | Shape::Sound => return Err(RowFault::RAGGED),
    }
    for (field, (at, rule)) in place.iter().zip(&rules.fields).enumerate() {
        let text = records.field(*at).ok_or(RowFault::BAD_UTF8)?;
        cells.push(rule.read(text).map_err(|code| RowFault { field: Some(field), code })?);
    }
    Ok(cells)
}

/// An empty vector with the memory of `cells`, free of what they borrowed.
fn reuse<'b>(mut cells: Vec<Cell<'_>>) -> Vec<Cell<'b>> {
    cells.clear();
    cells.into_iter().map(|_| Cell::Missing).collect()
}

/// What is wrong with a record before its fields are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Sound,
    BadUtf8,
    TooLong,
    TooManyFields,
}

/// Splits the source into records and holds one at a time.
struct Records {
    source: Source,
    core: Reader,
    input: Bytes,
    is_at_end: bool,
    /// Fields of the record, one after the other, unquoted.
    output: Vec<u8>,
    ends: Vec<usize>,
    fields: usize,
    /// The record as it came, up to the limit.
    raw: Vec<u8>,
}

impl Records {
    fn new(source: Source, fields: usize) -> Self {
        Self {
            source,
            core: Reader::new(),
            input: Bytes::new(),
            is_at_end: false,
            output: vec![0; RECORD_BYTES_MAX],
            // Room to see that there are more fields than declared.
            ends: vec![0; fields + 4096],
            fields: 0,
            raw: Vec::new(),
        }
    }

    /// Goes on to the next record; none at the end. Pieces of a record too long to hold go to `keep_piece`.
    fn next(
        &mut self,
        mut keep_piece: impl FnMut(&[u8]) -> Result<(), VaultError>,
    ) -> Result<Option<Shape>, VaultError> {
        self.raw.clear();
        let (mut written, mut shape) = (0, Shape::Sound);
        self.fields = 0;
        loop {
            if self.input.is_empty() && !self.is_at_end {
                match self.source.next()? {
                    Some(bytes) => self.input = bytes,
                    None => self.is_at_end = true,
                }
            }
            let output = self.output.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(self.fields..).unwrap_or_default();
            let (result, taken, put, ended) = self.core.read_record(&self.input, output, ends);
            let bytes = self.input.split_to(taken);
            if self.raw.len() + bytes.len() > RECORD_BYTES_MAX {
                shape = Shape::TooLong;
                keep_piece(&self.raw)?;
                self.raw.clear();
            }
            self.raw.extend_from_slice(&bytes);
            written += put;
            self.fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    shape = Shape::TooLong;
                    written = 0;
                }
                ReadRecordResult::OutputEndsFull => {
                    shape = if shape == Shape::TooLong { shape } else { Shape::TooManyFields };
                    self.fields = 0;
                }
                ReadRecordResult::Record => {
                    // The whole record at once: a sequence cut by a comma must not look sound.
                    let is_utf8 = std::str::from_utf8(&self.raw).is_ok();
                    let bad = shape == Shape::Sound && !is_utf8;
                    return Ok(Some(if bad { Shape::BadUtf8 } else { shape }));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    /// Field number `at`, none when it is not there or not UTF-8.
    fn field(&self, at: usize) -> Option<&str> {
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        let bytes = self.output.get(start..*self.ends.get(at)?)?;
        std::str::from_utf8(bytes).ok()
    }

    /// The record as it came, without line breaks around it.
    fn line(&self) -> &[u8] {
        let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let start = self.raw.iter().position(|byte| !is_break(byte)).unwrap_or(self.raw.len());
        let end = self.raw.iter().rposition(|byte| !is_break(byte)).map_or(start, |last| last + 1);
        self.raw.get(start..end).unwrap_or_default()
    }
}
