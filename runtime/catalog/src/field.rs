//! Fields of a table: type, grade, category and how well they identify a person.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::text::{self, TextError};
use crate::{Category, Grade};

/// One value of a code list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Code {
    /// As it stands in the data, e.g. `2`.
    #[serde(deserialize_with = "crate::text::code")]
    pub value: String,
    /// As people read it, e.g. `female`.
    #[serde(deserialize_with = "crate::text::line::<_, 200>")]
    pub label: String,
}

/// Type of a field, with the rule that ingestion holds every value to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FieldType {
    /// `true`/`false`, `1`/`0`.
    Boolean,
    /// 64-bit signed integer, within optional bounds (inclusive).
    Int64 {
        /// Smallest value allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        /// Largest value allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    /// 64-bit IEEE 754 number, finite, within optional bounds (inclusive).
    Float64 {
        /// Smallest value allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        /// Largest value allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
    },
    /// Calendar date, ISO 8601 `YYYY-MM-DD`.
    Date,
    /// One of a declared list; anything else is quarantined.
    Code {
        /// The list. Its order numbers the codes from 0.
        codes: Vec<Code>,
    },
    /// Free text or an identifier. Never granted to a job.
    Text,
}

/// How a field relates to who the person is (GB/T 42460-2023 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Identifiability {
    /// Names the person alone: number, name, telephone.
    Direct,
    /// Helps to single the person out with others: age, place, date.
    Quasi,
    /// Says something the person would keep private.
    Sensitive,
    /// None of these.
    None,
}

/// One field of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Field {
    /// Column name, `[a-z][a-z0-9_]*`.
    pub name: String,
    /// What it means, for people.
    #[serde(deserialize_with = "crate::text::lines::<_, 2000>")]
    pub description: String,
    /// Unit of measure (UCUM), e.g. `kg/m2`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::text::optional_line")]
    pub unit: Option<String>,
    /// Type and rule.
    #[serde(flatten)]
    pub field_type: FieldType,
    /// Whether a value may be missing.
    #[serde(default)]
    pub nullable: bool,
    /// Sensitivity grade.
    pub grade: Grade,
    /// Class of data.
    pub category: Category,
    /// How it relates to identity.
    pub identifiability: Identifiability,
}

/// The fields of a table and which of them tells persons apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Schema {
    /// Name of the field that tells persons apart. It is never granted; it becomes the ordinal.
    pub person_key: String,
    /// The fields, in the order of the table.
    pub fields: Vec<Field>,
}

/// Why a schema can't be filed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// A name outside the alphabet.
    #[error("field `{name}`: a field name is `[a-z][a-z0-9_]*`, at most 64 characters")]
    Name {
        /// The refused name.
        name: String,
    },
    /// A name used twice.
    #[error("field `{name}` is declared twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A description, unit, code or label outside of the repertoire.
    #[error("field `{name}`: {fault}")]
    Text {
        /// The field.
        name: String,
        /// What is wrong with its text.
        fault: TextError,
    },
    /// The person key is not among the fields, or may be missing.
    #[error(
        "`person_key` names `{name}`, which must be a declared field with `nullable: false` and identifiability `direct`"
    )]
    PersonKey {
        /// The name.
        name: String,
    },
    /// A code list is empty or repeats a code.
    #[error("field `{name}`: a code list has at least one code and none twice")]
    Codes {
        /// The field.
        name: String,
    },
    /// Bounds that nothing meets.
    #[error("field `{name}`: `min` is above `max`")]
    Bounds {
        /// The field.
        name: String,
    },
}

impl Schema {
    /// The field called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Checks everything that can be checked without data.
    ///
    /// # Errors
    /// The first [`SchemaError`] met.
    pub fn check(&self) -> Result<(), SchemaError> {
        let mut seen = BTreeSet::new();
        for field in &self.fields {
            let name = field.name.clone();
            if !is_field_name(&name) {
                return Err(SchemaError::Name { name });
            }
            if !seen.insert(name.clone()) {
                return Err(SchemaError::Duplicate { name });
            }
            field.check_text().map_err(|fault| SchemaError::Text { name: name.clone(), fault })?;
            match &field.field_type {
                FieldType::Int64 { min: Some(min), max: Some(max) } if min > max => {
                    return Err(SchemaError::Bounds { name });
                }
                FieldType::Float64 { min: Some(min), max: Some(max) } if min > max => {
                    return Err(SchemaError::Bounds { name });
                }
                FieldType::Code { codes } => {
                    let distinct: BTreeSet<_> = codes.iter().map(|code| &code.value).collect();
                    if codes.is_empty() || distinct.len() != codes.len() {
                        return Err(SchemaError::Codes { name });
                    }
                }
                _ => {}
            }
        }
        let key_holds = self
            .field(&self.person_key)
            .is_some_and(|field| !field.nullable && field.identifiability == Identifiability::Direct);
        if key_holds { Ok(()) } else { Err(SchemaError::PersonKey { name: self.person_key.clone() }) }
    }
}

impl Field {
    fn check_text(&self) -> Result<(), TextError> {
        text::check_lines(&self.description, 2_000)?;
        if let Some(unit) = &self.unit {
            text::check_line(unit, 1, 100)?;
        }
        if let FieldType::Code { codes } = &self.field_type {
            for code in codes {
                text::check_code(&code.value)?;
                text::check_line(&code.label, 1, 200)?;
            }
        }
        Ok(())
    }
}

fn is_field_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, field_type: FieldType) -> Field {
        Field {
            name: name.into(),
            description: String::new(),
            unit: None,
            field_type,
            nullable: false,
            grade: Grade::new(3).unwrap(),
            category: Category::HealthStatus,
            identifiability: Identifiability::Direct,
        }
    }

    #[test]
    fn a_schema_is_checked_whole() {
        let text = || FieldType::Text;
        let check = |fields: Vec<Field>| Schema { person_key: "id".into(), fields }.check();
        assert_eq!(check(vec![field("id", text())]), Ok(()));
        assert!(matches!(check(vec![field("Id", text())]), Err(SchemaError::Name { .. })));
        assert!(matches!(check(vec![field("id", text()), field("id", text())]), Err(SchemaError::Duplicate { .. })));
        assert!(matches!(check(vec![field("x", text())]), Err(SchemaError::PersonKey { .. })));
        let empty = FieldType::Code { codes: vec![] };
        assert!(matches!(check(vec![field("id", empty)]), Err(SchemaError::Codes { .. })));
        let upside_down = FieldType::Float64 { min: Some(2.0), max: Some(1.0) };
        assert!(matches!(check(vec![field("id", upside_down)]), Err(SchemaError::Bounds { .. })));
    }

    #[test]
    fn the_person_key_is_never_missing() {
        let mut key = field("id", FieldType::Text);
        key.nullable = true;
        let schema = Schema { person_key: "id".into(), fields: vec![key] };
        assert!(matches!(schema.check(), Err(SchemaError::PersonKey { .. })));
    }

    #[test]
    fn json_is_flat() {
        let json = serde_json::to_value(field("bmi", FieldType::Float64 { min: Some(5.0), max: None })).unwrap();
        assert_eq!(json["type"], "float64");
        assert_eq!(json["min"], 5.0);
    }
}
