//! The digest of a person's rows: the same whenever the rows are the same, in whatever order they and the columns come.
//!
//! A row's missing values and the order of the schema do not count, and a code counts by its text, so that a new column nobody
//! has a value in, or a code list that grew, makes no new version of everybody. Rows are added up (the multiset hash MSet-Add-Hash of
//! Clarke et al., ASIACRYPT 2003, with SM3 under a secret key), so a person with a million rows takes no memory.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int32Type, Int64Type};
use glovebox_catalog::{FieldType, Schema};
use glovebox_gm::{Key256, Sm3Hasher, sm3};

use crate::VaultError;

/// Digests rows under a secret key.
pub(super) struct RowsDigester {
    /// Have taken the key, filled up to one block of SM3: for a row, and for all rows of a person. Rows and persons go
    /// on from there, many beside each other.
    row: Sm3Hasher,
    person: Sm3Hasher,
    columns: Vec<Column>,
}

/// A column of the sorted batches.
struct Column {
    /// Place in the batch.
    place: usize,
    /// Stands for name and type.
    tag: [u8; 4],
    /// Texts of a code column.
    codes: Vec<String>,
}

/// What some rows of one person add up to.
pub(super) struct RowsDigest {
    rows: u64,
    sum: [u128; 2],
}

impl RowsDigest {
    /// Of one row.
    pub(super) fn of(row: &[u8; 32]) -> Self {
        let mut digest = Self { rows: 0, sum: [0; 2] };
        digest.add(row);
        digest
    }

    /// With one more row.
    pub(super) fn add(&mut self, row: &[u8; 32]) {
        self.rows += 1;
        for (sum, half) in self.sum.iter_mut().zip(row.as_chunks::<16>().0) {
            *sum = sum.wrapping_add(u128::from_le_bytes(*half));
        }
    }

    /// The number of rows, then both halves of the sum.
    fn to_bytes(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let sum = self.sum.iter().flat_map(|half| half.to_le_bytes());
        bytes.iter_mut().zip(self.rows.to_le_bytes().into_iter().chain(sum)).for_each(|(to, from)| *to = from);
        bytes
    }
}

impl RowsDigester {
    /// A digester for sorted batches of `schema`: the person's digest first, then the fields.
    pub(super) fn new(key: &Key256, schema: &Schema) -> Self {
        let keyed = |fill: u8| {
            let mut keyed = Sm3Hasher::new();
            keyed.update(key.expose());
            keyed.update(&[fill; 32]);
            keyed
        };
        let mut fields: Vec<_> = (1..).zip(&schema.fields).collect();
        fields.sort_by_key(|(_, field)| &field.name);
        let column = |(place, field): (usize, &glovebox_catalog::Field)| {
            let digest = sm3(format!("{}:{}", letter(&field.field_type), field.name).as_bytes());
            let mut tag = [0; 4];
            tag.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
            let codes = match &field.field_type {
                FieldType::Code { codes } => codes.iter().map(|code| code.value.clone()).collect(),
                _ => Vec::new(),
            };
            Column { place, tag, codes }
        };
        Self { row: keyed(0), person: keyed(1), columns: fields.into_iter().map(column).collect() }
    }

    /// One digest a row.
    pub(super) fn digests(&self, batch: &RecordBatch) -> Result<Vec<[u8; 32]>, VaultError> {
        let mut rows: Vec<Vec<u8>> = vec![Vec::with_capacity(16 * self.columns.len()); batch.num_rows()];
        for column in &self.columns {
            let values = batch.columns().get(column.place).ok_or(VaultError::Worker)?;
            column.append(values, &mut rows)?;
        }
        let digests = self.row.finish_each(&rows);
        Ok(digests.iter().map(|digest| *digest.as_bytes()).collect())
    }

    /// For each of `persons` the digest of all rows.
    pub(super) fn close<'a>(&self, persons: impl IntoIterator<Item = &'a RowsDigest>) -> Vec<[u8; 16]> {
        let sums: Vec<[u8; 40]> = persons.into_iter().map(RowsDigest::to_bytes).collect();
        let digests = self.person.finish_each(&sums);
        digests.iter().map(|digest| digest.as_bytes().first_chunk().copied().unwrap_or_default()).collect()
    }
}

impl Column {
    /// Appends this column's part to every row that has a value: the tag, then the value in a form that shows where it ends.
    /// Short, because SM3 is what a row costs.
    fn append(&self, values: &ArrayRef, rows: &mut [Vec<u8>]) -> Result<(), VaultError> {
        let present = rows.iter_mut().enumerate().filter(|(row, _)| values.is_valid(*row)).map(|(at, row)| {
            row.extend_from_slice(&self.tag);
            (at, row)
        });
        let text = |row: &mut Vec<u8>, value: &str| {
            append_number(row, value.len() as u64);
            row.extend_from_slice(value.as_bytes());
        };
        if let Some(values) = values.as_primitive_opt::<Int64Type>() {
            present.for_each(|(at, row)| append_signed(row, values.value(at)));
        } else if let Some(values) = values.as_primitive_opt::<Float64Type>() {
            present.for_each(|(at, row)| row.extend_from_slice(&values.value(at).to_bits().to_le_bytes()));
        } else if let Some(values) = values.as_primitive_opt::<Date32Type>() {
            present.for_each(|(at, row)| append_signed(row, i64::from(values.value(at))));
        } else if let Some(values) = values.as_boolean_opt() {
            present.for_each(|(at, row)| row.push(u8::from(values.value(at))));
        } else if let Some(values) = values.as_string_opt::<i32>() {
            present.for_each(|(at, row)| text(row, values.value(at)));
        } else if let Some(values) = values.as_primitive_opt::<Int32Type>() {
            for (at, row) in present {
                let code = usize::try_from(values.value(at)).ok().and_then(|index| self.codes.get(index));
                text(row, code.ok_or(VaultError::Worker)?);
            }
        } else {
            return Err(VaultError::Worker);
        }
        Ok(())
    }
}

fn letter(field_type: &FieldType) -> char {
    match field_type {
        FieldType::Boolean => 'b',
        FieldType::Int64 { .. } => 'i',
        FieldType::Float64 { .. } => 'f',
        FieldType::Date => 'd',
        FieldType::Code { .. } => 'c',
        FieldType::Text => 't',
    }
}

/// Seven bits a byte, least first; the last byte is below 128.
fn append_number(row: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        row.push(0x80 | u8::try_from(number & 0x7f).unwrap_or(0));
        number >>= 7;
    }
    row.push(u8::try_from(number).unwrap_or(0));
}

/// Small numbers of either sign take one byte.
fn append_signed(row: &mut Vec<u8>, number: i64) {
    append_number(row, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{FixedSizeBinaryArray, Int64Array, StringArray};

    use super::*;
    use crate::testing::{dataset_of, nullable};

    const KEY: [u8; 32] = [7; 32];

    /// SM3 of the key, filled up to a block, and of what follows.
    fn keyed(fill: u8, data: &[u8]) -> [u8; 32] {
        *sm3(&[&KEY[..], &[fill; 32], data].concat()).as_bytes()
    }

    fn tag(column: &str) -> Vec<u8> {
        sm3(column.as_bytes()).as_bytes()[..4].to_vec()
    }

    #[test]
    fn digests_follow_their_definition() {
        let fields =
            vec![nullable("note", FieldType::Text), nullable("age", FieldType::Int64 { min: None, max: None })];
        let digester = RowsDigester::new(&Key256::from_slice(&KEY).unwrap(), &dataset_of(fields).schema);
        let notes: Vec<Option<String>> = (0..50).map(|row| (row % 7 > 0).then(|| "n".repeat(row * 5 % 127))).collect();
        let ages: Vec<Option<i64>> = (0..50).map(|row| (row % 5 > 0).then_some(row - 25)).collect();
        let persons = FixedSizeBinaryArray::try_from_iter(std::iter::repeat_n([0; 16], 50)).unwrap();
        let batch = RecordBatch::try_from_iter([
            ("person", Arc::new(persons) as ArrayRef),
            ("note", Arc::new(StringArray::from(notes.clone()))),
            ("age", Arc::new(Int64Array::from(ages.clone()))),
        ])
        .unwrap();
        // Columns in the order of their names; what is missing is left out; an age takes one byte here.
        let row = |row: usize| {
            let age = ages[row].map(|age| [tag("i:age"), vec![((age << 1) ^ (age >> 63)) as u8]].concat());
            let note =
                notes[row].as_ref().map(|note| [tag("t:note"), vec![note.len() as u8], note.clone().into()].concat());
            [age.unwrap_or_default(), note.unwrap_or_default()].concat()
        };
        let expected: Vec<[u8; 32]> = (0..50).map(|at| keyed(0, &row(at))).collect();
        let digests = digester.digests(&batch).unwrap();
        assert_eq!(digests, expected);

        // Persons with one row, with two, and so on, of the same rows.
        let mut persons = vec![RowsDigest::of(&digests[0])];
        for count in 1..20 {
            let mut rows = RowsDigest::of(&digests[0]);
            digests[1..=count].iter().for_each(|row| rows.add(row));
            persons.push(rows);
        }
        let version = |count: usize| {
            let half = |at: usize| {
                let halves =
                    expected[..=count].iter().map(|row| u128::from_le_bytes(row[at..at + 16].try_into().unwrap()));
                halves.fold(0_u128, u128::wrapping_add).to_le_bytes()
            };
            keyed(1, &[&(count as u64 + 1).to_le_bytes()[..], &half(0), &half(16)].concat())[..16].to_vec()
        };
        let closed = digester.close(&persons);
        assert_eq!(closed.len(), 20);
        (0..20).for_each(|count| assert_eq!(closed[count].to_vec(), version(count), "{count}"));
    }
}
