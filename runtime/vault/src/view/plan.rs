//! From a permit to a plan: projection, row filter, and the types that the guest gets.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field as ArrowField, Schema as ArrowSchema, SchemaRef};
use datafusion::common::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, Operator, binary_expr, ident, lit, not};
use datafusion::prelude::DataFrame;
use datafusion::scalar::ScalarValue;
use glovebox_catalog::{Comparison, Field, FieldType, InputColumn, InputType, RowFilter, Scalar, Schema};

use crate::VaultError;
use crate::ingest::{PERSON, read_date};

/// What a view reads and how it turns it into what the guest gets.
pub(super) struct Plan {
    names: Vec<String>,
    turns: Vec<Turn>,
    filter: Option<Expr>,
    schema: SchemaRef,
}

/// How a stored column becomes an input column.
enum Turn {
    /// It is one.
    None,
    /// From the index in the dataset's code list to the one in the manifest's.
    Codes(Vec<Option<i32>>),
}

impl Plan {
    pub(super) fn new(
        columns: &[InputColumn],
        filter: Option<&RowFilter>,
        schema: &Schema,
    ) -> Result<Self, VaultError> {
        let mut plan = Self {
            names: vec![PERSON.into()],
            turns: Vec::new(),
            filter: None,
            schema: Arc::new(ArrowSchema::empty()),
        };
        let mut conditions = Vec::new();
        let mut fields = Vec::new();
        for input in columns {
            let mismatch = || VaultError::ColumnMismatch { column: input.name.clone() };
            let field = schema.field(&input.name).ok_or_else(mismatch)?;
            let (turn, data_type) = turn(input, field).ok_or_else(mismatch)?;
            conditions.extend(presence(input, field, &turn));
            plan.turns.push(turn);
            plan.names.push(input.name.clone());
            fields.push(ArrowField::new(&input.name, data_type, input.nullable));
        }
        if let Some(filter) = filter {
            filter.check(schema).map_err(|error| VaultError::Filter { reason: error.to_string() })?;
            conditions.push(condition(filter, schema)?);
        }
        plan.filter = conditions.into_iter().reduce(Expr::and);
        plan.schema = Arc::new(ArrowSchema::new(fields));
        Ok(plan)
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The plan over `table`.
    pub(super) fn apply(&self, table: DataFrame) -> DataFusionResult<DataFrame> {
        let table = match &self.filter {
            Some(filter) => table.filter(filter.clone())?,
            None => table,
        };
        table.select(self.names.iter().map(ident))
    }

    /// The input columns from a batch of the plan, whose first column is the ordinal.
    pub(super) fn turn(&self, batch: &RecordBatch) -> Result<RecordBatch, VaultError> {
        let stored = batch.columns().iter().skip(1);
        let columns = stored.zip(&self.turns).map(|(column, turn)| turn.apply(column)).collect::<Result<_, _>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema(), columns, &options)
            .map_err(|error| VaultError::arrow(error, "preparing the columns"))
    }
}

impl Turn {
    fn apply(&self, column: &ArrayRef) -> Result<ArrayRef, VaultError> {
        let unexpected = || VaultError::Engine { doing: "preparing the columns" };
        match self {
            Self::None => Ok(Arc::clone(column)),
            Self::Codes(table) => {
                let stored: &Int32Array = column.as_any().downcast_ref().ok_or_else(unexpected)?;
                let turned = stored.iter().map(|index| {
                    let index = usize::try_from(index?).ok()?;
                    table.get(index).copied().flatten()
                });
                Ok(Arc::new(turned.collect::<Int32Array>()))
            }
        }
    }
}

fn turn(input: &InputColumn, field: &Field) -> Option<(Turn, DataType)> {
    Some(match (&input.input_type, &field.field_type) {
        (InputType::Boolean, FieldType::Boolean) => (Turn::None, DataType::Boolean),
        (InputType::Int64, FieldType::Int64 { .. }) => (Turn::None, DataType::Int64),
        (InputType::Float64, FieldType::Float64 { .. }) => (Turn::None, DataType::Float64),
        (InputType::Date, FieldType::Date) => (Turn::None, DataType::Date32),
        (InputType::Code(listed), FieldType::Code { codes }) => {
            let index =
                |value: &str| listed.iter().position(|code| code == value).and_then(|at| i32::try_from(at).ok());
            (Turn::Codes(codes.iter().map(|code| index(&code.value)).collect()), DataType::Int32)
        }
        _ => return None,
    })
}

/// For an input that is never missing: the condition that leaves out rows in which it is.
fn presence(input: &InputColumn, field: &Field, turn: &Turn) -> Option<Expr> {
    if input.nullable {
        return None;
    }
    let unlisted: Vec<Expr> = match turn {
        Turn::Codes(table) => (0_i32..).zip(table).filter(|(_, to)| to.is_none()).map(|(from, _)| lit(from)).collect(),
        _ => Vec::new(),
    };
    let present = field.nullable.then(|| ident(&input.name).is_not_null());
    let listed = (!unlisted.is_empty()).then(|| ident(&input.name).in_list(unlisted, true));
    present.into_iter().chain(listed).reduce(Expr::and)
}

/// The filter as an expression that is true or false for every row: a missing value makes no comparison hold, so that
/// `not` of a comparison holds for it.
fn condition(filter: &RowFilter, schema: &Schema) -> Result<Expr, VaultError> {
    let parts = |parts: &[RowFilter]| parts.iter().map(|part| condition(part, schema)).collect::<Result<Vec<_>, _>>();
    Ok(match filter {
        RowFilter::All { all } => parts(all)?.into_iter().reduce(Expr::and).unwrap_or_else(|| lit(true)),
        RowFilter::Any { any } => parts(any)?.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false)),
        RowFilter::Not { not: part } => not(condition(part, schema)?),
        RowFilter::Compare { field, op, value } => {
            let literal = literal(field, value, schema)?;
            ident(field).is_not_null().and(binary_expr(ident(field), operator(*op), literal))
        }
        RowFilter::In { field, values } => {
            let literals = values.iter().map(|value| literal(field, value, schema)).collect::<Result<Vec<_>, _>>()?;
            if literals.is_empty() {
                return Ok(lit(false));
            }
            ident(field).is_not_null().and(ident(field).in_list(literals, false))
        }
        RowFilter::Present { field, present: true } => ident(field).is_not_null(),
        RowFilter::Present { field, present: false } => ident(field).is_null(),
    })
}

/// The literal in the type in which the field is stored.
fn literal(name: &str, value: &Scalar, schema: &Schema) -> Result<Expr, VaultError> {
    let unfit = || VaultError::Filter { reason: format!("field `{name}`: the literal does not fit the field's type") };
    let field = schema.field(name).ok_or_else(unfit)?;
    let scalar = match (&field.field_type, value) {
        (FieldType::Boolean, Scalar::Boolean(value)) => ScalarValue::from(*value),
        (FieldType::Int64 { .. }, Scalar::Integer(value)) => ScalarValue::from(*value),
        (FieldType::Float64 { .. }, Scalar::Integer(value)) => ScalarValue::from(*value as f64),
        (FieldType::Float64 { .. }, Scalar::Float(value)) => ScalarValue::from(*value),
        (FieldType::Date, Scalar::Text(text)) => ScalarValue::Date32(Some(read_date(text).ok_or_else(unfit)?)),
        (FieldType::Code { codes }, Scalar::Text(text)) => {
            let index = codes.iter().position(|code| &code.value == text).and_then(|at| i32::try_from(at).ok());
            ScalarValue::from(index.ok_or_else(unfit)?)
        }
        _ => return Err(unfit()),
    };
    Ok(lit(scalar))
}

fn operator(comparison: Comparison) -> Operator {
    match comparison {
        Comparison::Eq => Operator::Eq,
        Comparison::Ne => Operator::NotEq,
        Comparison::Lt => Operator::Lt,
        Comparison::Le => Operator::LtEq,
        Comparison::Gt => Operator::Gt,
        Comparison::Ge => Operator::GtEq,
    }
}
