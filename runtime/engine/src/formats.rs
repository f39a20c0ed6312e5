//! A release in the formats that people read tables in: JSON, CSV, Arrow IPC stream, Parquet.
//!
//! The tables of a release become one long table, a row per cell: `output`, `reducer`, a column per key dimension,
//! `value`, `rounded_to`, `half_width_95`, `suppression` (the refusal's code). A key is `*` in a margin and missing where the output does
//! not have the dimension.
//!
//! CSV is what people open in spreadsheets, which run what looks like a formula. A text that may look so gets an apostrophe
//! in front, as OWASP advises against CSV injection; the other formats hold texts as they are.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::StreamWriter;
use glovebox_catalog::text::may_be_formula;
use glovebox_gate::{Cell, ReleaseDocument, Table};
use parquet::arrow::ArrowWriter;

use crate::EngineError;

const OWN_COLUMNS: [&str; 6] = ["output", "reducer", "value", "rounded_to", "half_width_95", "suppression"];

/// Format of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseFormat {
    /// `application/json`: the release document, whose canonical form the receipt's digest is over.
    Json,
    /// `text/csv`: RFC 4180, UTF-8, with a header line.
    Csv,
    /// `application/vnd.apache.arrow.stream`.
    Arrow,
    /// `application/vnd.apache.parquet`.
    Parquet,
}

/// Writes `document` in `format`.
pub(crate) fn write(document: &ReleaseDocument, format: ReleaseFormat) -> Result<Vec<u8>, EngineError> {
    let fault = |error: &dyn std::fmt::Display| EngineError::internal("write a release", error);
    let mut bytes = Vec::new();
    match format {
        ReleaseFormat::Json => {
            return glovebox_audit::canonical_json(document).map_err(|error| fault(&error));
        }
        ReleaseFormat::Csv => {
            let table = guarded(&long_table(document).map_err(|error| fault(&error))?);
            let table = table.map_err(|error| fault(&error))?;
            arrow::csv::Writer::new(&mut bytes).write(&table).map_err(|error| fault(&error))?;
        }
        ReleaseFormat::Arrow => {
            let table = long_table(document).map_err(|error| fault(&error))?;
            let mut writer = StreamWriter::try_new(&mut bytes, &table.schema()).map_err(|error| fault(&error))?;
            writer.write(&table).and_then(|()| writer.finish()).map_err(|error| fault(&error))?;
        }
        ReleaseFormat::Parquet => {
            let table = long_table(document).map_err(|error| fault(&error))?;
            let mut writer = ArrowWriter::try_new(&mut bytes, table.schema(), None).map_err(|error| fault(&error))?;
            writer.write(&table).map_err(|error| fault(&error))?;
            writer.close().map_err(|error| fault(&error))?;
        }
    }
    Ok(bytes)
}

fn long_table(document: &ReleaseDocument) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut dimensions: Vec<&str> = Vec::new();
    for dimension in document.tables.iter().flat_map(|table| &table.dimensions) {
        if !dimensions.contains(&dimension.name.as_str()) {
            dimensions.push(&dimension.name);
        }
    }
    let rows: Vec<(&Table, &Cell)> = document
        .tables
        .iter()
        .flat_map(|table| table.cells.iter().chain(&table.margins).map(move |cell| (table, cell)))
        .collect();
    let text = |of: &dyn Fn(&Table, &Cell) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|(table, cell)| of(table, cell)).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&Cell) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, cell)| of(cell)).collect::<Float64Array>())
    };
    let mut columns = vec![
        ("output".to_owned(), text(&|table, _| Some(table.output.clone()))),
        ("reducer".to_owned(), text(&|table, _| Some(table.reducer.clone()))),
    ];
    for name in dimensions {
        // A key may have the name of one of our own columns.
        let column = if OWN_COLUMNS.contains(&name) { format!("key_{name}") } else { name.to_owned() };
        let key = |table: &Table, cell: &Cell| {
            let place = table.dimensions.iter().position(|dimension| dimension.name == name)?;
            cell.keys.get(place).cloned()
        };
        columns.push((column, text(&key)));
    }
    columns.push(("value".to_owned(), number(&|cell| cell.value)));
    columns.push(("rounded_to".to_owned(), number(&|cell| cell.rounded_to)));
    columns.push(("half_width_95".to_owned(), number(&|cell| cell.half_width_95)));
    let code = |_: &Table, cell: &Cell| cell.suppression.as_ref().map(|reason| reason.code.clone());
    columns.push(("suppression".to_owned(), text(&code)));
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(name, data_type(array), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())
}

/// The table for a spreadsheet: no text, heading included, is a formula.
fn guarded(table: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let guard = |text: &str| if may_be_formula(text) { format!("'{text}") } else { text.to_owned() };
    let columns = table.columns().iter().map(|column| match column.as_any().downcast_ref::<StringArray>() {
        Some(texts) => Arc::new(texts.iter().map(|text| text.map(guard)).collect::<StringArray>()) as ArrayRef,
        None => column.clone(),
    });
    let schema = table.schema();
    let fields = schema.fields().iter().map(|field| Field::new(guard(field.name()), field.data_type().clone(), true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns.collect())
}

fn data_type(array: &ArrayRef) -> DataType {
    array.data_type().clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> ReleaseDocument {
        serde_json::from_value(serde_json::json!({
            "profile": "default", "cells_released": 2, "cells_withheld": 1,
            "mechanism": "disclosure-rules", "leakage": {"bits": 20, "bits_per_person": 4},
            "tables": [
                {"output": "persons", "reducer": "count", "margins": [],
                 "dimensions": [{"name": "sex", "labels": ["female", "male"]}],
                 "cells": [{"keys": ["female"], "value": 120.0, "rounded_to": 5.0},
                           {"keys": ["male"], "value": null, "suppression": {
                               "code": "gate.cell-below-threshold", "rule": "r", "place": "p", "remedy": "r"}}]},
                {"output": "all", "reducer": "mean", "margins": [], "dimensions": [],
                 "cells": [{"keys": [], "value": 28.5, "rounded_to": 0.5, "half_width_95": 1.25}]}
            ]
        }))
        .unwrap()
    }

    #[test]
    fn csv_says_what_left_and_what_did_not() {
        let csv = String::from_utf8(write(&document(), ReleaseFormat::Csv).unwrap()).unwrap();
        let expected = "output,reducer,sex,value,rounded_to,half_width_95,suppression\n\
                        persons,count,female,120.0,5.0,,\n\
                        persons,count,male,,,,gate.cell-below-threshold\n\
                        all,mean,,28.5,0.5,1.25,\n";
        assert_eq!(csv, expected);
    }

    #[test]
    fn no_cell_of_a_csv_is_a_formula() {
        let mut document = document();
        let hostile = ["=HYPERLINK(\"http://x\")", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\"=1", "＝1"];
        for (hostile, honest) in
            hostile.into_iter().zip(["-5", "+5", "50-60", "a=b", "[0, 5)", "<5", "-1e3", "x", "男"])
        {
            document.tables[0].cells[0].keys[0] = hostile.into();
            document.tables[0].cells[1].keys[0] = honest.into();
            let csv = write(&document, ReleaseFormat::Csv).unwrap();
            let mut reader = arrow::csv::ReaderBuilder::new(Arc::new(Schema::new(
                ["output", "reducer", "sex", "value", "rounded_to", "half_width_95", "suppression"]
                    .map(|name| Field::new(name, DataType::Utf8, true))
                    .to_vec(),
            )));
            reader = reader.with_header(true);
            let read = reader.build(csv.as_slice()).unwrap().next().unwrap().unwrap();
            let column =
                |name: &str| read.column_by_name(name).unwrap().as_any().downcast_ref::<StringArray>().unwrap().clone();
            assert_eq!(column("sex").value(0), format!("'{hostile}"));
            assert_eq!(column("sex").value(1), honest);
        }
    }

    #[test]
    fn arrow_and_parquet_hold_the_same_table() {
        let expected = long_table(&document()).unwrap();
        let stream = write(&document(), ReleaseFormat::Arrow).unwrap();
        let mut reader = arrow::ipc::reader::StreamReader::try_new(stream.as_slice(), None).unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), expected);
        let file = write(&document(), ReleaseFormat::Parquet).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file));
        assert_eq!(reader.unwrap().build().unwrap().next().unwrap().unwrap(), expected);
    }

    #[test]
    fn a_key_named_like_our_columns_gives_way() {
        let mut document = document();
        document.tables[0].dimensions[0].name = "value".into();
        let table = long_table(&document).unwrap();
        let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["output", "reducer", "key_value", "value", "rounded_to", "half_width_95", "suppression"]);
    }
}
