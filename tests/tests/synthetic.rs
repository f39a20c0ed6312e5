//! The generator: same seed, same table; both forms agree; every value meets its rule; the skew is there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use arrow::util::display::array_value_to_string;
use glovebox_catalog::FieldType;
use glovebox_tests::{Hospital, Table};

const HOSPITAL: Hospital = Hospital { persons: 5_000, seed: 42 };

fn csv_text(hospital: Hospital, table: Table) -> Result<String> {
    let mut bytes = Vec::new();
    hospital.write_csv(table, &mut bytes)?;
    Ok(String::from_utf8(bytes)?)
}

fn records(table: Table) -> Result<Vec<csv::StringRecord>> {
    Ok(csv::Reader::from_reader(csv_text(HOSPITAL, table)?.as_bytes()).records().collect::<Result<_, _>>()?)
}

fn whole(table: Table) -> Result<RecordBatch> {
    let batches = HOSPITAL.batches(table, 700)?.collect::<Result<Vec<_>, _>>()?;
    assert!(batches.iter().all(|batch| batch.num_rows() <= 700));
    Ok(concat_batches(&HOSPITAL.arrow_schema(table)?, &batches)?)
}

#[test]
fn a_seed_fixes_the_table() -> Result<()> {
    for table in Table::ALL {
        assert_eq!(csv_text(HOSPITAL, table)?, csv_text(HOSPITAL, table)?);
        assert_ne!(csv_text(HOSPITAL, table)?, csv_text(Hospital { seed: 43, ..HOSPITAL }, table)?);
    }
    Ok(())
}

#[test]
fn persons_do_not_depend_on_the_size() -> Result<()> {
    let small = csv_text(Hospital { persons: 100, ..HOSPITAL }, Table::Persons)?;
    assert!(csv_text(HOSPITAL, Table::Persons)?.starts_with(&small));
    Ok(())
}

#[test]
fn csv_and_arrow_hold_the_same_rows() -> Result<()> {
    for table in Table::ALL {
        let (records, batch) = (records(table)?, whole(table)?);
        assert_eq!(records.len(), batch.num_rows());
        for (index, column) in batch.columns().iter().enumerate() {
            for (row, record) in records.iter().enumerate() {
                let cell = record.get(index).context("a cell")?;
                match column.data_type() {
                    _ if column.is_null(row) => assert_eq!(cell, ""),
                    arrow::datatypes::DataType::Float64 => {
                        assert_eq!(cell.parse::<f64>()?, column.as_primitive::<Float64Type>().value(row));
                    }
                    _ => assert_eq!(cell, array_value_to_string(column, row)?),
                }
            }
        }
    }
    Ok(())
}

#[test]
fn every_value_meets_its_rule() -> Result<()> {
    for table in Table::ALL {
        let (dataset, batch) = (HOSPITAL.dataset(table)?, whole(table)?);
        assert_eq!(Ok(()), dataset.schema.check());
        for (field, column) in dataset.schema.fields.iter().zip(batch.columns()) {
            let name = &field.name;
            assert_eq!(field.nullable, column.null_count() > 0, "{name}");
            match &field.field_type {
                FieldType::Int64 { min: Some(min), max: Some(max) } => {
                    assert!(
                        column.as_primitive::<Int64Type>().iter().flatten().all(|v| (*min..=*max).contains(&v)),
                        "{name}"
                    );
                }
                FieldType::Float64 { min: Some(min), max: Some(max) } => {
                    let values = column.as_primitive::<Float64Type>();
                    assert!(values.iter().flatten().all(|v| v >= *min && v <= *max), "{name}");
                }
                FieldType::Code { codes } => {
                    let list: BTreeSet<_> = codes.iter().map(|code| code.value.as_str()).collect();
                    assert!(column.as_string::<i32>().iter().flatten().all(|v| list.contains(v)), "{name}");
                }
                FieldType::Date => assert!(column.as_primitive::<Date32Type>().iter().flatten().all(|v| v < 20_454)),
                _ => {}
            }
        }
    }
    Ok(())
}

#[test]
fn encounters_and_diagnoses_belong_to_persons() -> Result<()> {
    let ids = |table| -> Result<BTreeSet<String>> {
        Ok(records(table)?.iter().filter_map(|record| record.get(0).map(str::to_owned)).collect())
    };
    let persons = ids(Table::Persons)?;
    assert_eq!(persons.len(), 5_000);
    assert_eq!(ids(Table::Encounters)?, persons);
    assert_eq!(ids(Table::Diagnoses)?, persons);
    Ok(())
}

#[test]
fn a_few_persons_hold_many_rows_and_a_few_diagnoses_most() -> Result<()> {
    let batch = whole(Table::Encounters)?;
    let rows = batch.num_rows();
    let counts = |name: &str| -> Vec<usize> {
        let mut counts = BTreeMap::<_, usize>::new();
        batch[name].as_string::<i32>().iter().for_each(|value| *counts.entry(value).or_default() += 1);
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts
    };
    let persons = counts("person_id");
    assert!(persons.iter().take(50).sum::<usize>() * 8 > rows, "the busiest hundredth holds more than an eighth");
    assert!(persons.iter().filter(|count| **count == 1).count() > 2_000, "many come once");
    let diagnoses = counts("principal_diagnosis");
    assert!(diagnoses[0] * 5 > rows, "the most frequent diagnosis is more than a fifth");
    assert!(diagnoses.last().is_some_and(|rarest| *rarest * 100 < rows), "and the rarest less than a hundredth");
    Ok(())
}

#[test]
fn rows_come_in_no_order_of_persons() -> Result<()> {
    let records = records(Table::Encounters)?;
    let neighbours = records.windows(2).filter(|pair| pair[0].get(0) == pair[1].get(0)).count();
    assert!(neighbours * 20 < records.len(), "{neighbours} of {} rows follow a row of the same person", records.len());
    Ok(())
}
