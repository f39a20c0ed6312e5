//! The example tables meet the rules that their catalogue entries state.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use glovebox_catalog::{Dataset, Field, FieldType, Identifiability};

struct Example {
    dataset: Dataset,
    header: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

fn example(name: &str) -> Result<Example> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/data").join(name);
    let dataset = serde_json::from_slice(&std::fs::read(folder.join("dataset.json"))?)?;
    let mut reader = csv::Reader::from_path(folder.join(format!("{name}.csv")))?;
    let header = reader.headers()?.iter().map(str::to_owned).collect();
    let rows = reader.records().collect::<Result<_, _>>()?;
    Ok(Example { dataset, header, rows })
}

fn check_cell(field: &Field, cell: &str) -> Result<()> {
    if cell.is_empty() {
        ensure!(field.nullable, "a value is missing");
        return Ok(());
    }
    match &field.field_type {
        FieldType::Boolean => ensure!(["true", "false"].contains(&cell), "not a truth value"),
        FieldType::Int64 { min, max } => {
            let value: i64 = cell.parse()?;
            ensure!(min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max), "out of range");
        }
        FieldType::Float64 { min, max } => {
            let value: f64 = cell.parse()?;
            ensure!(value.is_finite(), "not finite");
            ensure!(min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max), "out of range");
        }
        FieldType::Code { codes } => ensure!(codes.iter().any(|code| code.value == cell), "not in the code list"),
        FieldType::Date | FieldType::Text => {}
    }
    Ok(())
}

/// Every value against its field, the header against the schema, and that every declared code occurs.
fn check(example: &Example) -> Result<()> {
    let schema = &example.dataset.schema;
    schema.check()?;
    let names: Vec<_> = schema.fields.iter().map(|field| field.name.clone()).collect();
    ensure!(example.header == names, "the header is not the schema");
    ensure!(schema.fields.iter().map(|field| field.grade).max() == Some(example.dataset.grade), "grade of the dataset");
    for (column, field) in schema.fields.iter().enumerate() {
        let mut seen = BTreeSet::new();
        for (row, record) in example.rows.iter().enumerate() {
            let cell = record.get(column).context("a cell")?;
            check_cell(field, cell).with_context(|| format!("field `{}`, row {}", field.name, row + 1))?;
            seen.insert(cell);
        }
        if let FieldType::Code { codes } = &field.field_type {
            let unused: Vec<_> = codes.iter().filter(|code| !seen.contains(code.value.as_str())).collect();
            ensure!(unused.is_empty(), "field `{}` declares codes that never occur: {unused:?}", field.name);
        }
        ensure!(!field.nullable || seen.contains(""), "field `{}` is nullable, but never missing", field.name);
    }
    Ok(())
}

fn rows_per_person(example: &Example) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for row in &example.rows {
        *counts.entry(&row[0]).or_default() += 1;
    }
    counts
}

#[test]
fn nhanes_is_one_row_a_person() -> Result<()> {
    let nhanes = example("nhanes-2017")?;
    check(&nhanes)?;
    assert_eq!(nhanes.dataset.supplier.as_str(), "hospital-a");
    assert_eq!(nhanes.rows.len(), 8_366);
    assert_eq!(rows_per_person(&nhanes).len(), 8_366);
    assert_eq!(nhanes.header.len(), 26);
    Ok(())
}

#[test]
fn rand_hie_is_one_row_a_person_and_year() -> Result<()> {
    let rand_hie = example("rand-hie")?;
    check(&rand_hie)?;
    assert_eq!(rand_hie.dataset.supplier.as_str(), "hospital-b");
    assert_eq!(rand_hie.rows.len(), 20_190);
    let persons = rows_per_person(&rand_hie);
    assert_eq!(persons.len(), 5_912);
    assert_eq!(persons.values().max(), Some(&5));
    let person_years: BTreeSet<_> = rand_hie.rows.iter().map(|row| (&row[0], &row[1])).collect();
    assert_eq!(person_years.len(), rand_hie.rows.len());
    Ok(())
}

#[test]
fn only_the_person_key_identifies_directly() -> Result<()> {
    for name in ["nhanes-2017", "rand-hie"] {
        let schema = example(name)?.dataset.schema;
        let direct: Vec<_> =
            schema.fields.iter().filter(|f| f.identifiability == Identifiability::Direct).map(|f| &f.name).collect();
        assert_eq!(direct, [&schema.person_key]);
    }
    Ok(())
}

#[test]
fn a_broken_value_is_found() -> Result<()> {
    let mut nhanes = example("nhanes-2017")?;
    nhanes.dataset.schema.fields[2].field_type = FieldType::Code { codes: vec![] };
    assert!(check(&nhanes).is_err());
    let mut rand_hie = example("rand-hie")?;
    rand_hie.dataset.schema.fields[7].field_type = FieldType::Int64 { min: Some(0), max: Some(43) };
    let fault = check(&rand_hie).map_err(|e| format!("{e:#}")).unwrap_err();
    assert_eq!(fault, "field `age_years`, row 3: out of range");
    Ok(())
}
