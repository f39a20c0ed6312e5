//! Rows being gathered into one Arrow batch: the person's digest, then every field in the order of the schema.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Date32Builder, FixedSizeBinaryArray, FixedSizeBinaryBuilder, Float64Builder,
    Int32Builder, Int64Builder, RecordBatch, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use glovebox_catalog::{FieldType, Schema};
use glovebox_gm::{Key256, hmac_sm3_many};

use super::rule::Cell;
use crate::VaultError;

/// Length of a person's digest: the first half of HMAC-SM3. Two of 2³² persons share one with probability 2⁻⁶⁵.
pub(super) const PERSON_BYTES: usize = 16;

/// The same, as Arrow counts.
const PERSON_WIDTH: i32 = PERSON_BYTES as i32;

/// A person's digest.
pub(super) type Person = [u8; PERSON_BYTES];

/// The type in which a field is stored: codes as their index in the declared list.
pub(crate) fn stored_type(field_type: &FieldType) -> DataType {
    match field_type {
        FieldType::Boolean => DataType::Boolean,
        FieldType::Int64 { .. } => DataType::Int64,
        FieldType::Float64 { .. } => DataType::Float64,
        FieldType::Date => DataType::Date32,
        FieldType::Code { .. } => DataType::Int32,
        FieldType::Text => DataType::Utf8,
    }
}

/// Columns of a table: the one given, then the fields.
pub(super) fn arrow_schema(first: Field, schema: &Schema) -> SchemaRef {
    let fields =
        schema.fields.iter().map(|field| Field::new(&field.name, stored_type(&field.field_type), field.nullable));
    Arc::new(ArrowSchema::new(std::iter::once(first).chain(fields).collect::<Vec<_>>()))
}

/// The person column of a batch.
pub(super) fn persons(batch: &RecordBatch) -> Result<&FixedSizeBinaryArray, VaultError> {
    batch.columns().first().and_then(|column| column.as_any().downcast_ref()).ok_or(VaultError::Worker)
}

/// The digest in row `row` of a person column.
pub(super) fn person_at(persons: &FixedSizeBinaryArray, row: usize) -> Person {
    let mut person = Person::default();
    person.iter_mut().zip(persons.value(row)).for_each(|(to, from)| *to = *from);
    person
}

/// A batch under construction.
pub(super) struct Block {
    schema: SchemaRef,
    person_key: Key256,
    persons: Persons,
    columns: Vec<Column>,
    rows: usize,
    text_bytes: usize,
}

/// Whose the rows are. The keys are kept until the block is taken, and then digested beside each other.
#[derive(Default)]
struct Persons {
    /// Person keys in their canonical form, and where each of them ends. Sources often hold a person's rows together:
    /// a key stands here once for all rows in a row that have it.
    keys: Vec<u8>,
    ends: Vec<usize>,
    /// For every row the place of its key.
    rows: Vec<usize>,
}

impl Persons {
    fn push(&mut self, key: &[u8]) {
        if self.ends.is_empty() || self.last() != key {
            self.keys.extend_from_slice(key);
            self.ends.push(self.keys.len());
        }
        self.rows.push(self.ends.len() - 1);
    }

    fn last(&self) -> &[u8] {
        let start = self.ends.len().checked_sub(2).and_then(|before| self.ends.get(before));
        self.keys.get(start.copied().unwrap_or(0)..).unwrap_or_default()
    }

    fn take(&mut self, person_key: &Key256) -> Result<FixedSizeBinaryArray, VaultError> {
        let taken = std::mem::take(self);
        let starts = std::iter::once(&0).chain(&taken.ends);
        let key = |(start, end): (&usize, &usize)| taken.keys.get(*start..*end).unwrap_or_default();
        let keys: Vec<&[u8]> = starts.zip(&taken.ends).map(key).collect();
        let digests = hmac_sm3_many(person_key, &keys);
        let mut persons = FixedSizeBinaryBuilder::with_capacity(taken.rows.len(), PERSON_WIDTH);
        for row in taken.rows {
            let person = digests.get(row).and_then(|digest| digest.first_chunk::<PERSON_BYTES>());
            persons.append_value(person.ok_or(VaultError::Worker)?).map_err(|_| VaultError::Worker)?;
        }
        Ok(persons.finish())
    }
}

enum Column {
    Boolean(BooleanBuilder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Date(Date32Builder),
    Code(Int32Builder),
    Text(StringBuilder),
}

impl Block {
    /// Persons are digested under `person_key`.
    pub(super) fn new(schema: &Schema, person_key: Key256) -> Self {
        Self {
            schema: arrow_schema(Field::new("person", DataType::FixedSizeBinary(PERSON_WIDTH), false), schema),
            person_key,
            persons: Persons::default(),
            columns: schema.fields.iter().map(|field| Column::new(&field.field_type)).collect(),
            rows: 0,
            text_bytes: 0,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of free text and of person keys gathered; the other columns are small and of fixed width.
    pub(super) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Adds a row of the person whose key has the canonical form `person`. `cells` are in the order of the schema and
    /// of its types.
    pub(super) fn push(&mut self, person: &[u8], cells: &[Cell<'_>]) -> Result<(), VaultError> {
        self.persons.push(person);
        self.text_bytes += person.len();
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            if let Cell::Text(text) = cell {
                self.text_bytes += text.len();
            }
            column.push(cell)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// The batch so far; the block is empty afterwards.
    pub(super) fn take(&mut self) -> Result<RecordBatch, VaultError> {
        let persons: ArrayRef = Arc::new(self.persons.take(&self.person_key)?);
        let columns = std::iter::once(persons).chain(self.columns.iter_mut().map(Column::finish)).collect();
        (self.rows, self.text_bytes) = (0, 0);
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| VaultError::arrow(error, "gathering rows"))
    }
}

impl Column {
    fn new(field_type: &FieldType) -> Self {
        match field_type {
            FieldType::Boolean => Self::Boolean(BooleanBuilder::new()),
            FieldType::Int64 { .. } => Self::Int64(Int64Builder::new()),
            FieldType::Float64 { .. } => Self::Float64(Float64Builder::new()),
            FieldType::Date => Self::Date(Date32Builder::new()),
            FieldType::Code { .. } => Self::Code(Int32Builder::new()),
            FieldType::Text => Self::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, cell: &Cell<'_>) -> Result<(), VaultError> {
        match (self, cell) {
            (Self::Boolean(builder), Cell::Boolean(value)) => builder.append_value(*value),
            (Self::Boolean(builder), Cell::Missing) => builder.append_null(),
            (Self::Int64(builder), Cell::Int64(value)) => builder.append_value(*value),
            (Self::Int64(builder), Cell::Missing) => builder.append_null(),
            (Self::Float64(builder), Cell::Float64(value)) => builder.append_value(*value),
            (Self::Float64(builder), Cell::Missing) => builder.append_null(),
            (Self::Date(builder), Cell::Date(value)) => builder.append_value(*value),
            (Self::Date(builder), Cell::Missing) => builder.append_null(),
            (Self::Code(builder), Cell::Code(value)) => builder.append_value(*value),
            (Self::Code(builder), Cell::Missing) => builder.append_null(),
            (Self::Text(builder), Cell::Text(value)) => builder.append_value(value),
            (Self::Text(builder), Cell::Missing) => builder.append_null(),
            // The rules read every field in its own type.
            _ => return Err(VaultError::Worker),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Code(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use glovebox_gm::hmac_sm3;

    use super::*;

    #[test]
    fn a_person_is_the_first_half_of_the_keys_hmac() {
        let person_key = || Key256::from_slice(&[7; 32]).unwrap();
        let mut block = Block::new(&Schema { person_key: "id".into(), fields: Vec::new() }, person_key());
        let long = "k".repeat(200);
        // Together, apart, empty, and one that begins with the one before.
        let keys = ["", "", "p1", "p1", "p2", "p1", "p12", "p1", &long, &long, "", "p1"];
        for round in 0..2 {
            keys.iter().for_each(|key| block.push(key.as_bytes(), &[]).unwrap());
            assert_eq!(block.rows(), keys.len());
            let batch = block.take().unwrap();
            assert_eq!(batch.num_rows(), keys.len());
            for (row, key) in keys.iter().enumerate() {
                let expected = hmac_sm3(&person_key(), key.as_bytes());
                assert_eq!(person_at(persons(&batch).unwrap(), row), expected[..16], "{round}, {row}: {key}");
            }
        }
    }
}
