//! Writes the published table: Parquet in an encrypted segment, persons numbered as they come.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::Desk;
use super::block::{Person, arrow_schema, person_at, persons};
use crate::segment::{Kind, Sealed, SegmentWriter};
use crate::vault::TABLE;
use crate::{VaultError, folder};

/// Name of the ordinal column. No field can have it: names of fields start with a letter.
pub(crate) const PERSON: &str = "__person";
/// Key under which the table carries the schema that it was ingested with.
pub(crate) const SCHEMA_KEY: &str = "glovebox.schema";
/// Most rows of one person. A view hands out a person's rows together, so this bounds the memory of every job.
pub(crate) const ROWS_PER_PERSON_MAX: u64 = 1 << 20;
const ROW_GROUP_ROWS: usize = 1 << 20;
const DICTIONARY_BYTES: usize = 256 * 1024;

pub(super) struct TableWriter {
    schema: SchemaRef,
    writer: ArrowWriter<SegmentWriter>,
    row_group_bytes: usize,
    last: Option<Person>,
    persons: u64,
    rows_of_person: u64,
    rows: u64,
    rows_per_person_max: u64,
}

impl TableWriter {
    pub(super) fn new(desk: &Desk) -> Result<Self, VaultError> {
        let schema = arrow_schema(Field::new(PERSON, DataType::UInt32, false), &desk.dataset.schema);
        let declared = serde_json::to_string(&desk.dataset.schema).map_err(|_| VaultError::Worker)?;
        let properties = WriterProperties::builder()
            // SM4 costs more than Zstandard at its lowest level, so every byte saved pays.
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]))
            .set_key_value_metadata(Some(vec![KeyValue::new(SCHEMA_KEY.to_owned(), declared)]))
            .set_created_by("glovebox".to_owned())
            .build();
        let header = desk.header(Kind::Table, "table")?;
        let segment = SegmentWriter::new(folder::create_file(&desk.dir, TABLE)?, &desk.key, &header)?;
        let writer = ArrowWriter::try_new(segment, Arc::clone(&schema), Some(properties)).map_err(writing)?;
        let row_group_bytes = desk.memory_bytes / 8;
        let (rows, rows_of_person, rows_per_person_max) = (0, 0, ROWS_PER_PERSON_MAX);
        Ok(Self { schema, writer, row_group_bytes, last: None, persons: 0, rows_of_person, rows, rows_per_person_max })
    }

    /// Writes rows that come with persons together; every person gets the next ordinal.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), VaultError> {
        let digests = persons(batch)?;
        let mut ordinals = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let person = person_at(digests, row);
            if self.last != Some(person) {
                self.last = Some(person);
                self.persons += 1;
                self.rows_of_person = 0;
            }
            self.rows_of_person += 1;
            if self.rows_of_person > self.rows_per_person_max {
                return Err(VaultError::TooManyRowsPerPerson { rows_max: self.rows_per_person_max });
            }
            ordinals.push(u32::try_from(self.persons - 1).map_err(|_| VaultError::TooManyPersons)?);
        }
        let ordinals: ArrayRef = Arc::new(UInt32Array::from(ordinals));
        let columns = std::iter::once(ordinals).chain(batch.columns().iter().skip(1).cloned()).collect();
        let stored = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| VaultError::arrow(error, "writing the table"))?;
        self.writer.write(&stored).map_err(writing)?;
        self.rows += batch.num_rows() as u64;
        if self.writer.memory_size() > self.row_group_bytes {
            self.writer.flush().map_err(writing)?;
        }
        Ok(())
    }

    /// Rows, persons and the finished segment.
    pub(super) fn finish(self) -> Result<(u64, u64, Sealed), VaultError> {
        // Writes the footer, too.
        let segment = self.writer.into_inner().map_err(writing)?;
        Ok((self.rows, self.persons, segment.finish(true)?))
    }
}

fn writing(error: parquet::errors::ParquetError) -> VaultError {
    VaultError::parquet(error, "writing the table")
}
