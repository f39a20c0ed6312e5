//! The hospital: its size and seed, and its tables as CSV or Arrow.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::temporal_conversions::date32_to_datetime;
use glovebox_catalog::{Category, Dataset, DatasetId, FieldType, Grade, OrganisationId, Sharing};
use thiserror::Error;

use crate::columns::{Cell, schema};
use crate::tables::Rows;

/// A table of the hospital.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// One row a person.
    Persons,
    /// One row a visit or stay: about 4 a person on average, 1,000 at most, in no order of persons.
    Encounters,
    /// One to three rows an encounter.
    Diagnoses,
}

/// A hospital that does not exist. Two hospitals of equal size and seed hold equal tables, row for row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hospital {
    /// How many persons it has seen.
    pub persons: u64,
    /// Seed of everything drawn.
    pub seed: u64,
}

/// Why a table can't be made.
#[derive(Debug, Error)]
pub enum SyntheticError {
    /// The writer failed.
    #[error("the table can't be written as CSV")]
    Write(#[from] csv::Error),
    /// The batch does not fit its schema.
    #[error("the rows can't be gathered in a batch")]
    Batch(#[from] arrow::error::ArrowError),
    /// A distribution has no such shape.
    #[error("a distribution is given a shape that it can't take")]
    Shape,
    /// The catalogue entry breaks a rule of the vocabulary.
    #[error("the catalogue entry breaks a rule: {0}")]
    Entry(String),
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 3] = [Self::Persons, Self::Encounters, Self::Diagnoses];

    /// Its name: also the id of its dataset, after `synthetic-`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Persons => "persons",
            Self::Encounters => "encounters",
            Self::Diagnoses => "diagnoses",
        }
    }
}

impl Hospital {
    /// The catalogue entry of `table`, supplied by `hospital-c`.
    ///
    /// # Errors
    /// [`SyntheticError::Entry`], which would be a fault of this crate.
    pub fn dataset(&self, table: Table) -> Result<Dataset, SyntheticError> {
        let fault = |fault: &dyn std::fmt::Display| SyntheticError::Entry(fault.to_string());
        let schema = schema(table)?;
        schema.check().map_err(|e| fault(&e))?;
        Ok(Dataset {
            id: DatasetId::new(format!("synthetic-{}", table.name())).map_err(|e| fault(&e))?,
            supplier: OrganisationId::new("hospital-c").map_err(|e| fault(&e))?,
            title: format!("Synthetic {} of {} persons", table.name(), self.persons),
            description: format!("Drawn from seed {}; no living person is behind a row.", self.seed),
            category: Category::MedicalApplication,
            grade: Grade::new(4).map_err(|e| fault(&e))?,
            sharing: Sharing::Unconditional,
            conditions: String::new(),
            update_period_days: None,
            source: "Glovebox's generator of synthetic hospital tables".into(),
            licence: "CC0-1.0".into(),
            privacy: None,
            limits: glovebox_catalog::DatasetLimits::default(),
            assessment: None,
            schema,
        })
    }

    /// Writes `table` as CSV with a header; missing values are empty. Answers the number of rows. Memory does not grow with the table.
    ///
    /// # Errors
    /// [`SyntheticError::Write`] when `out` fails.
    pub fn write_csv(&self, table: Table, out: impl Write) -> Result<u64, SyntheticError> {
        let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(out);
        writer.write_record(self.dataset(table)?.schema.fields.iter().map(|field| &field.name))?;
        let mut rows = 0;
        let mut text = String::new();
        for row in Rows::new(*self, table)? {
            for cell in &row {
                text.clear();
                write_cell(cell, &mut text);
                writer.write_field(&text)?;
            }
            writer.write_record(None::<&[u8]>)?;
            rows += 1;
        }
        writer.flush().map_err(csv::Error::from)?;
        Ok(rows)
    }

    /// `table` as batches of `rows_per_batch` rows, the last one shorter: the same rows as the CSV, codes as text.
    ///
    /// # Errors
    /// [`SyntheticError::Entry`] and [`SyntheticError::Shape`], which would be faults of this crate.
    pub fn batches(
        &self,
        table: Table,
        rows_per_batch: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, SyntheticError>>, SyntheticError> {
        let schema = self.arrow_schema(table)?;
        let mut rows = Rows::new(*self, table)?;
        Ok(std::iter::from_fn(move || {
            let chunk: Vec<_> = rows.by_ref().take(rows_per_batch.max(1)).collect();
            (!chunk.is_empty()).then(|| batch(&schema, &chunk))
        }))
    }

    /// Arrow schema of `table`.
    ///
    /// # Errors
    /// As [`Hospital::dataset`].
    pub fn arrow_schema(&self, table: Table) -> Result<SchemaRef, SyntheticError> {
        let fields = self.dataset(table)?.schema.fields;
        let arrow = |field: &glovebox_catalog::Field| {
            let data_type = match field.field_type {
                FieldType::Boolean => DataType::Boolean,
                FieldType::Int64 { .. } => DataType::Int64,
                FieldType::Float64 { .. } => DataType::Float64,
                FieldType::Date => DataType::Date32,
                FieldType::Code { .. } | FieldType::Text => DataType::Utf8,
            };
            Field::new(&field.name, data_type, field.nullable)
        };
        Ok(Arc::new(Schema::new(fields.iter().map(arrow).collect::<Vec<_>>())))
    }
}

fn write_cell(cell: &Cell, text: &mut String) {
    use std::fmt::Write as _;
    // Writing to a string can't fail.
    let _ = match cell {
        Cell::Text(value) => text.write_str(value),
        Cell::Code(value) => text.write_str(value),
        Cell::Integer(value) => write!(text, "{value}"),
        Cell::Number(value, decimals) => write!(text, "{value:.decimals$}"),
        Cell::Boolean(value) => write!(text, "{value}"),
        Cell::Date(days) => {
            date32_to_datetime(*days).map_or(Ok(()), |time| write!(text, "{}", time.format("%Y-%m-%d")))
        }
        Cell::Missing => Ok(()),
    };
}

fn batch(schema: &SchemaRef, rows: &[Vec<Cell>]) -> Result<RecordBatch, SyntheticError> {
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        column(field.data_type(), rows.iter().map(move |row| row.get(index).unwrap_or(&Cell::Missing)))
    });
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect())?)
}

fn column<'a>(data_type: &DataType, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    match data_type {
        DataType::Boolean => {
            let mut builder = BooleanBuilder::new();
            cells.for_each(|cell| builder.append_option(if let Cell::Boolean(v) = cell { Some(*v) } else { None }));
            Arc::new(builder.finish())
        }
        DataType::Int64 => {
            let mut builder = Int64Builder::new();
            cells.for_each(|cell| builder.append_option(if let Cell::Integer(v) = cell { Some(*v) } else { None }));
            Arc::new(builder.finish())
        }
        DataType::Float64 => {
            let mut builder = Float64Builder::new();
            cells.for_each(|cell| builder.append_option(as_number(cell)));
            Arc::new(builder.finish())
        }
        DataType::Date32 => {
            let mut builder = Date32Builder::new();
            cells.for_each(|cell| builder.append_option(if let Cell::Date(v) = cell { Some(*v) } else { None }));
            Arc::new(builder.finish())
        }
        _ => {
            let mut builder = StringBuilder::new();
            cells.for_each(|cell| builder.append_option(as_text(cell)));
            Arc::new(builder.finish())
        }
    }
}

/// The number that its CSV text reads as, so that both forms hold the same table.
fn as_number(cell: &Cell) -> Option<f64> {
    let Cell::Number(value, decimals) = cell else { return None };
    format!("{value:.decimals$}").parse().ok()
}

fn as_text(cell: &Cell) -> Option<&str> {
    match cell {
        Cell::Text(value) => Some(value),
        Cell::Code(value) => Some(value),
        _ => None,
    }
}
