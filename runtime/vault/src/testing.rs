//! What the tests of this crate share.

use glovebox_catalog::{Category, Code, Field, FieldType, Grade, Identifiability};

pub(crate) fn field(name: &str, field_type: FieldType) -> Field {
    Field {
        name: name.into(),
        description: String::new(),
        unit: None,
        field_type,
        nullable: false,
        grade: Grade::new(3).unwrap(),
        category: Category::HealthStatus,
        identifiability: Identifiability::Quasi,
    }
}

pub(crate) fn code(value: &str) -> Code {
    Code { value: value.into(), label: value.into() }
}
