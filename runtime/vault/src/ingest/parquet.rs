//! Reads Parquet. The format needs random access, so the upload is first kept whole, encrypted, and read from there.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use glovebox_catalog::FieldType;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::intake::Intake;
use super::rule::{Cell, RowFault, Rule};
use super::source::Source;
use super::{Desk, csv};
use crate::segment::{DataKey, Kind, SegmentChunks, SegmentReader, SegmentWriter};
use crate::{VaultError, folder};

const UPLOAD: &str = "upload";
/// Rows decoded at a time: few, because a field of the source may be long.
const BATCH_ROWS: usize = 1024;
/// Whole numbers up to here have a number of their own.
const EXACT_MAX: u64 = 1 << 53;

/// Reads `source` to its end. Answers its length.
pub(super) fn read(source: Source, desk: &Desk, intake: &mut Intake) -> Result<u64, VaultError> {
    let bytes_read = keep(source, desk)?;
    let own = DataKey { id: desk.key.id, key: desk.key.key.clone() };
    let segment = Arc::new(SegmentReader::open(desk.dir.open(UPLOAD)?, |_| Ok(own))?);
    // The library's own text may quote values, so none of it goes on.
    let unsound = |segment: &SegmentReader| segment.fault().unwrap_or(VaultError::Source { format: "Parquet" });
    // The Arrow schema that writers embed is not trusted: its decoder panics on some that are damaged.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(SegmentChunks(Arc::clone(&segment)), options)
        .map_err(|_| unsound(&segment))?;
    let fields = builder.schema().fields().clone();
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let place = csv::places(&intake.rules, &names)?;
    let typed =
        place.iter().zip(&intake.rules.fields).filter_map(|(at, rule)| fields.get(*at).map(|field| (field, rule)));
    let unfit: Vec<String> =
        typed.filter(|(field, rule)| !fits(field.data_type(), rule)).map(|(_, rule)| rule.name.clone()).collect();
    if !unfit.is_empty() {
        return Err(VaultError::ColumnTypes { columns: unfit });
    }
    for batch in builder.with_batch_size(BATCH_ROWS).build().map_err(|_| unsound(&segment))? {
        take(&batch.map_err(|_| unsound(&segment))?, &place, intake, bytes_read)?;
    }
    desk.dir.remove_file(UPLOAD)?;
    Ok(bytes_read)
}

fn keep(mut source: Source, desk: &Desk) -> Result<u64, VaultError> {
    let header = desk.header(Kind::Upload, UPLOAD)?;
    let mut segment = SegmentWriter::new(folder::create_file(&desk.dir, UPLOAD)?, &desk.key, &header)?;
    while let Some(bytes) = source.next()? {
        segment.write_all(&bytes)?;
    }
    segment.finish(false)?;
    Ok(source.bytes_read())
}

fn take(batch: &RecordBatch, place: &[usize], intake: &mut Intake, bytes_read: u64) -> Result<(), VaultError> {
    let columns: Vec<Column> = place
        .iter()
        .zip(&intake.rules.fields)
        .map(|(at, rule)| Column::new(batch.column(*at), rule))
        .collect::<Result<_, _>>()?;
    let mut cells = Vec::with_capacity(columns.len());
    for row in 0..batch.num_rows() {
        cells.clear();
        let fault = columns.iter().zip(&intake.rules.fields).enumerate().find_map(|(field, (column, rule))| {
            let read = column.cell(row, rule);
            read.map(|cell| cells.push(cell)).err().map(|code| RowFault { field: Some(field), code })
        });
        match fault {
            None => intake.accept(&cells, bytes_read)?,
            Some(fault) => intake.set_aside(fault, &line(batch, row), bytes_read)?,
        }
    }
    Ok(())
}

/// A source column in one of few types.
enum Column {
    Boolean(BooleanArray),
    Int64(Int64Array),
    Float64(Float64Array),
    Date(Date32Array),
    Text(StringArray),
}

fn fits(data_type: &DataType, rule: &Rule) -> bool {
    use DataType::{Boolean, Date32, Date64, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32};
    let is_whole = matches!(data_type, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32);
    match rule.field_type() {
        FieldType::Boolean => matches!(data_type, Boolean),
        FieldType::Int64 { .. } => is_whole,
        FieldType::Float64 { .. } => is_whole || matches!(data_type, Float32 | Float64),
        FieldType::Date => matches!(data_type, Date32 | Date64),
        FieldType::Code { .. } => is_whole || is_text(data_type),
        FieldType::Text => is_text(data_type),
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

impl Column {
    fn new(source: &ArrayRef, rule: &Rule) -> Result<Self, VaultError> {
        use DataType::{Boolean, Date32, Date64, Float32, Float64, Int64, Utf8};
        let target = match (rule.field_type(), source.data_type()) {
            (FieldType::Boolean, _) => Boolean,
            (FieldType::Float64 { .. }, Float32 | Float64) => Float64,
            (FieldType::Date, Date32 | Date64) => Date32,
            (FieldType::Code { .. } | FieldType::Text, data_type) if is_text(data_type) => Utf8,
            _ => Int64,
        };
        let cast = cast(source, &target).map_err(|error| VaultError::arrow(error, "reading the source"))?;
        Ok(match target {
            Boolean => Self::Boolean(cast.as_boolean().clone()),
            Float64 => Self::Float64(cast.as_primitive().clone()),
            Date32 => Self::Date(cast.as_primitive().clone()),
            Utf8 => Self::Text(cast.as_string().clone()),
            _ => Self::Int64(cast.as_primitive().clone()),
        })
    }

    fn cell(&self, row: usize, rule: &Rule) -> Result<Cell<'_>, &'static str> {
        let is_missing = match self {
            Self::Boolean(array) => array.is_null(row),
            Self::Int64(array) => array.is_null(row),
            Self::Float64(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
        };
        if is_missing {
            return rule.admit(Cell::Missing);
        }
        match (self, rule.field_type()) {
            (Self::Text(array), _) => rule.read(array.value(row)),
            (Self::Boolean(array), _) => rule.admit(Cell::Boolean(array.value(row))),
            (Self::Float64(array), _) => rule.admit(Cell::Float64(array.value(row))),
            (Self::Date(array), _) => rule.admit(Cell::Date(array.value(row))),
            (Self::Int64(array), FieldType::Code { .. }) => rule.code(&array.value(row).to_string()),
            (Self::Int64(array), FieldType::Float64 { .. }) => {
                let whole = array.value(row);
                if whole.unsigned_abs() > EXACT_MAX {
                    Err("ingest.out-of-range")
                } else {
                    rule.admit(Cell::Float64(whole as f64))
                }
            }
            (Self::Int64(array), _) => rule.admit(Cell::Int64(array.value(row))),
        }
    }
}

/// A row for quarantine: a JSON list of its values as text, in the order of the source.
fn line(batch: &RecordBatch, row: usize) -> Vec<u8> {
    let options = FormatOptions::default();
    let text = |column: &ArrayRef| {
        ArrayFormatter::try_new(column, &options).ok().and_then(|format| format.value(row).try_to_string().ok())
    };
    let values: Vec<Option<String>> = batch.columns().iter().map(text).collect();
    serde_json::to_vec(&values).unwrap_or_default()
}
