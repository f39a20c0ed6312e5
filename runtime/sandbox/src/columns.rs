//! Arrow columns as the guest reads them: little-endian values without gaps, one validity byte a row.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Date32Type, Float64Type, Int32Type, Int64Type};
use glovebox_catalog::{InputColumn, InputType, JobManifest};

use crate::RunError;

/// Type of a column at the interface; the numbers are those of the descriptor and of the WIT enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean = 0,
    Int64 = 1,
    Float64 = 2,
    Date = 3,
    Code = 4,
}

impl Kind {
    pub(crate) fn of(input_type: &InputType) -> Self {
        match input_type {
            InputType::Boolean => Self::Boolean,
            InputType::Int64 => Self::Int64,
            InputType::Float64 => Self::Float64,
            InputType::Date => Self::Date,
            InputType::Code(_) => Self::Code,
        }
    }

    /// Bytes of one value.
    pub(crate) fn width_bytes(self) -> usize {
        match self {
            Self::Boolean => 1,
            Self::Date | Self::Code => 4,
            Self::Int64 | Self::Float64 => 8,
        }
    }

    fn arrow_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Code => DataType::Int32,
        }
    }
}

/// One column of a batch. No `Debug`: it holds values of persons.
pub(crate) struct Column<'a> {
    pub(crate) kind: Kind,
    values: Cow<'a, [u8]>,
    /// For a nullable input always there, whether or not this batch misses a value: were it left out when nothing is
    /// missing, a guest would learn something of persons other than its own.
    validity: Option<Vec<u8>>,
}

impl Column<'_> {
    /// The values of rows `start..end`.
    pub(crate) fn values(&self, start: usize, end: usize) -> &[u8] {
        let width = self.kind.width_bytes();
        self.values.get(start * width..end * width).unwrap_or_default()
    }

    /// The validity of rows `start..end`; none for an input that is not nullable.
    pub(crate) fn validity(&self, start: usize, end: usize) -> Option<&[u8]> {
        self.validity.as_ref().map(|validity| validity.get(start..end).unwrap_or_default())
    }
}

/// The columns of `batch` in manifest order.
///
/// # Errors
/// [`RunError::Input`] when number, type or nullability do not fit the manifest.
pub(crate) fn columns<'a>(manifest: &JobManifest, batch: &'a RecordBatch) -> Result<Vec<Column<'a>>, RunError> {
    if manifest.inputs.len() != batch.num_columns() {
        let detail = format!("{} columns, expected {}", batch.num_columns(), manifest.inputs.len());
        return Err(RunError::Input { detail });
    }
    manifest.inputs.iter().zip(batch.columns()).map(|(input, array)| column(input, array)).collect()
}

fn column<'a>(input: &InputColumn, array: &'a ArrayRef) -> Result<Column<'a>, RunError> {
    let kind = Kind::of(&input.input_type);
    if *array.data_type() != kind.arrow_type() {
        let detail = format!("column `{}` is {}, expected {}", input.name, array.data_type(), kind.arrow_type());
        return Err(RunError::Input { detail });
    }
    if !input.nullable && array.null_count() > 0 {
        let detail = format!("column `{}` misses values, but is not nullable in the manifest", input.name);
        return Err(RunError::Input { detail });
    }
    let values = match kind {
        Kind::Boolean => Cow::Owned(booleans(array)),
        Kind::Int64 => primitives(array.as_primitive::<Int64Type>()),
        Kind::Float64 => primitives(array.as_primitive::<Float64Type>()),
        Kind::Date => primitives(array.as_primitive::<Date32Type>()),
        Kind::Code => primitives(array.as_primitive::<Int32Type>()),
    };
    Ok(Column { kind, values, validity: input.nullable.then(|| validity(array)) })
}

fn booleans(array: &ArrayRef) -> Vec<u8> {
    let array = array.as_boolean();
    (0..array.len()).map(|row| u8::from(array.is_valid(row) && array.value(row))).collect()
}

/// The array's own bytes, unless it has nulls: what lies under a null may be anything, so zeros take its place.
fn primitives<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> Cow<'_, [u8]> {
    let bytes = array.values().inner().as_slice();
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else { return Cow::Borrowed(bytes) };
    let width = size_of::<T::Native>();
    let mut values = bytes.to_vec();
    for (slot, present) in values.chunks_exact_mut(width).zip(nulls) {
        if !present {
            slot.fill(0);
        }
    }
    Cow::Owned(values)
}

fn validity(array: &ArrayRef) -> Vec<u8> {
    match array.nulls() {
        None => vec![1; array.len()],
        Some(nulls) => nulls.iter().map(u8::from).collect(),
    }
}
