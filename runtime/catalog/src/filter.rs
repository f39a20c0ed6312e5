//! Row filters of grants, as a small typed tree that the vault turns into a plan.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{FieldType, Scalar, Schema};

/// How deep a filter may nest.
const DEPTH_MAX: usize = 16;

/// Comparison of a field with a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// Which rows a grant opens. JSON: `{"field": "age", "op": "ge", "value": 18}`, `{"all": [..]}`, `{"any": [..]}`,
/// `{"not": ..}`, `{"field": "sex", "in": ["1", "2"]}`, `{"field": "bmi", "present": true}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged, deny_unknown_fields)]
#[schema(no_recursion)]
pub enum RowFilter {
    /// Every part holds.
    All {
        /// The parts.
        all: Vec<RowFilter>,
    },
    /// At least one part holds.
    Any {
        /// The parts.
        any: Vec<RowFilter>,
    },
    /// The part does not hold.
    Not {
        /// The part.
        not: Box<RowFilter>,
    },
    /// A field compared with a literal. A missing value never holds.
    Compare {
        /// The field.
        field: String,
        /// The comparison.
        op: Comparison,
        /// The literal.
        value: Scalar,
    },
    /// A field is one of several literals.
    In {
        /// The field.
        field: String,
        /// The literals.
        #[serde(rename = "in")]
        values: Vec<Scalar>,
    },
    /// A field is present (or missing, when false).
    Present {
        /// The field.
        field: String,
        /// True for present.
        present: bool,
    },
}

/// Why a filter does not fit a schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// The field is not declared.
    #[error("the filter names field `{field}`, which the dataset does not declare")]
    UnknownField {
        /// The field.
        field: String,
    },
    /// The literal is of another type than the field.
    #[error("the filter compares field `{field}` with a literal of another type; expected {expected}")]
    Literal {
        /// The field.
        field: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The person key or a text field can't be filtered on.
    #[error("the filter names field `{field}`, but direct identifiers and free text can't be filtered on")]
    Identifier {
        /// The field.
        field: String,
    },
    /// Nested too deep.
    #[error("the filter nests deeper than {DEPTH_MAX}")]
    TooDeep,
}

impl RowFilter {
    /// Whether the filter fits `schema`: fields are declared, literals of their type, nothing filtered by identifier.
    ///
    /// # Errors
    /// The first [`FilterError`] met.
    pub fn check(&self, schema: &Schema) -> Result<(), FilterError> {
        self.check_at(schema, 0)
    }

    /// Names of the fields that the filter reads.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::All { all: parts } | Self::Any { any: parts } => parts.iter().flat_map(Self::fields).collect(),
            Self::Not { not } => not.fields(),
            Self::Compare { field, .. } | Self::In { field, .. } | Self::Present { field, .. } => vec![field],
        }
    }

    fn check_at(&self, schema: &Schema, depth: usize) -> Result<(), FilterError> {
        if depth > DEPTH_MAX {
            return Err(FilterError::TooDeep);
        }
        match self {
            Self::All { all: parts } | Self::Any { any: parts } => {
                parts.iter().try_for_each(|part| part.check_at(schema, depth + 1))
            }
            Self::Not { not } => not.check_at(schema, depth + 1),
            Self::Compare { field, value, .. } => check_literal(schema, field, value),
            Self::In { field, values } => values.iter().try_for_each(|value| check_literal(schema, field, value)),
            Self::Present { field, .. } => filterable(schema, field).map(|_| ()),
        }
    }
}

fn filterable<'a>(schema: &'a Schema, name: &str) -> Result<&'a FieldType, FilterError> {
    let field = schema.field(name).ok_or_else(|| FilterError::UnknownField { field: name.into() })?;
    if name == schema.person_key || field.field_type == FieldType::Text {
        return Err(FilterError::Identifier { field: name.into() });
    }
    Ok(&field.field_type)
}

fn check_literal(schema: &Schema, name: &str, value: &Scalar) -> Result<(), FilterError> {
    let expected = match (filterable(schema, name)?, value) {
        (FieldType::Boolean, Scalar::Boolean(_))
        | (FieldType::Int64 { .. }, Scalar::Integer(_))
        | (FieldType::Float64 { .. }, Scalar::Integer(_) | Scalar::Float(_)) => return Ok(()),
        (FieldType::Date, Scalar::Text(text)) if text.parse::<chrono::NaiveDate>().is_ok() => return Ok(()),
        (FieldType::Code { codes }, Scalar::Text(text)) if codes.iter().any(|code| &code.value == text) => {
            return Ok(());
        }
        (FieldType::Boolean, _) => "true or false",
        (FieldType::Int64 { .. }, _) => "a whole number",
        (FieldType::Float64 { .. }, _) => "a number",
        (FieldType::Date, _) => "a date such as \"2017-05-01\"",
        (FieldType::Code { .. }, _) => "one of the field's codes, as text",
        (FieldType::Text, _) => "no literal at all",
    };
    Err(FilterError::Literal { field: name.into(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Category, Code, Field, Grade, Identifiability};

    fn schema() -> Schema {
        let field = |name: &str, field_type| Field {
            name: name.into(),
            description: String::new(),
            unit: None,
            field_type,
            nullable: false,
            grade: Grade::HIGHEST,
            category: Category::HealthStatus,
            identifiability: Identifiability::Direct,
        };
        let codes = vec![Code { value: "1".into(), label: "male".into() }];
        Schema {
            person_key: "id".into(),
            fields: vec![
                field("id", FieldType::Int64 { min: None, max: None }),
                field("age", FieldType::Int64 { min: None, max: None }),
                field("born", FieldType::Date),
                field("sex", FieldType::Code { codes }),
                field("note", FieldType::Text),
            ],
        }
    }

    fn check(json: &str) -> Result<(), FilterError> {
        serde_json::from_str::<RowFilter>(json).unwrap().check(&schema())
    }

    #[test]
    fn fits_or_says_why_not() {
        assert_eq!(
            check(r#"{"all": [{"field": "age", "op": "ge", "value": 18}, {"field": "sex", "in": ["1"]}]}"#),
            Ok(())
        );
        assert_eq!(check(r#"{"not": {"field": "born", "op": "lt", "value": "1990-01-01"}}"#), Ok(()));
        assert_eq!(check(r#"{"field": "age", "present": true}"#), Ok(()));
        assert!(matches!(check(r#"{"field": "x", "present": true}"#), Err(FilterError::UnknownField { .. })));
        assert!(matches!(check(r#"{"field": "age", "op": "eq", "value": "x"}"#), Err(FilterError::Literal { .. })));
        assert!(matches!(check(r#"{"field": "sex", "in": ["9"]}"#), Err(FilterError::Literal { .. })));
        assert!(matches!(check(r#"{"field": "born", "op": "eq", "value": "1990"}"#), Err(FilterError::Literal { .. })));
    }

    #[test]
    fn nobody_filters_down_to_one_person_by_key() {
        assert!(matches!(check(r#"{"field": "id", "op": "eq", "value": 7}"#), Err(FilterError::Identifier { .. })));
        assert!(matches!(check(r#"{"field": "note", "present": true}"#), Err(FilterError::Identifier { .. })));
    }

    #[test]
    fn depth_is_bounded() {
        let mut filter = RowFilter::Present { field: "age".into(), present: true };
        for _ in 0..20 {
            filter = RowFilter::Not { not: Box::new(filter) };
        }
        assert_eq!(filter.check(&schema()), Err(FilterError::TooDeep));
    }
}
