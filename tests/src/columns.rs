//! Fields of the three tables, and the cells that fill them.

use glovebox_catalog::{Category, Code, Field, FieldType, Grade, Identifiability, Schema};

use crate::draw::{DEPARTMENTS, KINDS, REGIONS, SEXES};
use crate::hospital::{SyntheticError, Table};
use crate::icd10::ICD10;

/// One cell. Codes are kept as text of the list, so that a cell costs no allocation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Code(&'static str),
    Integer(i64),
    /// With its number of decimals.
    Number(f64, usize),
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    Missing,
}

pub(crate) const REGION_CODES: [&str; REGIONS] = [
    "r01", "r02", "r03", "r04", "r05", "r06", "r07", "r08", "r09", "r10", "r11", "r12", "r13", "r14", "r15", "r16",
    "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r28", "r29", "r30",
];

/// The schema of `table`.
pub(crate) fn schema(table: Table) -> Result<Schema, SyntheticError> {
    let fields = match table {
        Table::Persons => persons()?,
        Table::Encounters => encounters()?,
        Table::Diagnoses => diagnoses()?,
    };
    Ok(Schema { person_key: "person_id".into(), fields })
}

fn persons() -> Result<Vec<Field>, SyntheticError> {
    use Category::{HealthStatus, MedicalPayment, PersonalAttributes};
    use Identifiability::{Quasi, Sensitive};
    let measure = |min, max| FieldType::Float64 { min: Some(min), max: Some(max) };
    Ok(vec![
        person_id()?,
        field("birth_date", "Date of birth", FieldType::Date, 3, PersonalAttributes, Quasi)?,
        field("sex", "Sex", codes(SEXES.into_iter()), 2, PersonalAttributes, Quasi)?,
        field(
            "region",
            "Region of residence",
            codes(REGION_CODES.map(|r| (r, r)).into_iter()),
            3,
            PersonalAttributes,
            Quasi,
        )?,
        field("insured", "Covered by health insurance", FieldType::Boolean, 2, MedicalPayment, Sensitive)?,
        field("height_cm", "Height", measure(100.0, 230.0), 3, HealthStatus, Sensitive)?,
        nullable(field("weight_kg", "Weight", measure(10.0, 400.0), 3, HealthStatus, Sensitive)?),
    ])
}

fn encounters() -> Result<Vec<Field>, SyntheticError> {
    use Category::{HealthStatus, MedicalApplication, MedicalPayment, PersonalAttributes};
    use Identifiability::{Quasi, Sensitive};
    let count = |max| FieldType::Int64 { min: Some(0), max: Some(max) };
    let measure = |max| FieldType::Float64 { min: Some(0.0), max: Some(max) };
    Ok(vec![
        person_id()?,
        field("started_on", "First day", FieldType::Date, 3, MedicalApplication, Quasi)?,
        field("age_years", "Age on the first day", count(120), 3, PersonalAttributes, Quasi)?,
        field("sex", "Sex", codes(SEXES.into_iter()), 2, PersonalAttributes, Quasi)?,
        field("kind", "Kind of encounter", codes(KINDS.into_iter()), 2, MedicalApplication, Sensitive)?,
        field("department", "Department", codes(DEPARTMENTS.into_iter()), 3, MedicalApplication, Sensitive)?,
        field(
            "principal_diagnosis",
            "Principal diagnosis, ICD-10",
            codes(ICD10.into_iter()),
            4,
            HealthStatus,
            Sensitive,
        )?,
        field("stay_days", "Days in hospital", count(366), 3, MedicalApplication, Sensitive)?,
        field("cost_cny", "Cost in yuan", measure(1e10), 3, MedicalPayment, Sensitive)?,
        nullable(field("systolic_mmhg", "Systolic blood pressure", measure(300.0), 3, HealthStatus, Sensitive)?),
        field("died", "Died during the encounter", FieldType::Boolean, 4, HealthStatus, Sensitive)?,
    ])
}

fn diagnoses() -> Result<Vec<Field>, SyntheticError> {
    use Category::{HealthStatus, MedicalApplication, PersonalAttributes};
    use Identifiability::{Quasi, Sensitive};
    let count = |min, max| FieldType::Int64 { min: Some(min), max: Some(max) };
    Ok(vec![
        person_id()?,
        field("diagnosed_on", "Day of the diagnosis", FieldType::Date, 3, MedicalApplication, Quasi)?,
        field("age_years", "Age on that day", count(0, 120), 3, PersonalAttributes, Quasi)?,
        field("sex", "Sex", codes(SEXES.into_iter()), 2, PersonalAttributes, Quasi)?,
        field("icd10", "Diagnosis, ICD-10", codes(ICD10.into_iter()), 4, HealthStatus, Sensitive)?,
        field("rank", "1 for the principal diagnosis", count(1, 3), 2, MedicalApplication, Sensitive)?,
    ])
}

fn person_id() -> Result<Field, SyntheticError> {
    let (category, identifiability) = (Category::PersonalAttributes, Identifiability::Direct);
    field("person_id", "Number of the patient record", FieldType::Text, 4, category, identifiability)
}

fn field(
    name: &str,
    description: &str,
    field_type: FieldType,
    grade: u8,
    category: Category,
    identifiability: Identifiability,
) -> Result<Field, SyntheticError> {
    let grade = Grade::new(grade).map_err(|fault| SyntheticError::Entry(fault.to_string()))?;
    let (name, description) = (name.into(), description.into());
    Ok(Field { name, description, unit: None, field_type, nullable: false, grade, category, identifiability })
}

fn nullable(field: Field) -> Field {
    Field { nullable: true, ..field }
}

fn codes(list: impl Iterator<Item = (&'static str, &'static str)>) -> FieldType {
    FieldType::Code { codes: list.map(|(value, label)| Code { value: value.into(), label: label.into() }).collect() }
}
