//! The rule of each field: how its text is read, what values it may hold.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use glovebox_catalog::{Field, FieldType, Schema};

/// Longest field, in bytes.
pub(crate) const FIELD_BYTES_MAX: usize = 64 * 1024;
/// Day number of 1970-01-01 in chrono's count from year 1.
const EPOCH_DAY: i32 = 719_163;

/// One value of a row.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Missing,
    Boolean(bool),
    Int64(i64),
    Float64(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Index into the field's code list.
    Code(i32),
    Text(&'a str),
}

/// Why a row is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowFault {
    /// Number of the field at fault in the schema.
    pub(super) field: Option<usize>,
    pub(super) code: &'static str,
}

impl RowFault {
    /// Another number of fields than the header.
    pub(super) const RAGGED: Self = Self { field: None, code: "ingest.ragged-row" };
    /// Bytes that are not UTF-8.
    pub(super) const BAD_UTF8: Self = Self { field: None, code: "ingest.bad-utf8" };
    /// A row longer than a megabyte.
    pub(super) const ROW_TOO_LONG: Self = Self { field: None, code: "ingest.field-too-long" };
}

/// The rules of a table.
pub(super) struct Rules {
    pub(super) fields: Vec<Rule>,
    pub(super) person_key: usize,
}

pub(super) struct Rule {
    pub(super) name: String,
    field_type: FieldType,
    nullable: bool,
    codes: HashMap<String, i32>,
}

impl Rules {
    pub(super) fn new(schema: &Schema) -> Self {
        let person_key = schema.fields.iter().position(|field| field.name == schema.person_key).unwrap_or(0);
        Self { fields: schema.fields.iter().map(Rule::new).collect(), person_key }
    }
}

impl Rule {
    fn new(field: &Field) -> Self {
        let mut codes = HashMap::new();
        if let FieldType::Code { codes: list } = &field.field_type {
            codes.extend(list.iter().zip(0..).map(|(code, index)| (code.value.clone(), index)));
        }
        Self { name: field.name.clone(), field_type: field.field_type.clone(), nullable: field.nullable, codes }
    }

    /// Reads the field's text as it stands in the source; empty is missing. Nothing is trimmed or guessed.
    pub(super) fn read<'a>(&self, text: &'a str) -> Result<Cell<'a>, &'static str> {
        if text.is_empty() {
            return self.admit(Cell::Missing);
        }
        if text.len() > FIELD_BYTES_MAX {
            return Err("ingest.field-too-long");
        }
        let cell = match &self.field_type {
            FieldType::Boolean => Cell::Boolean(read_boolean(text)?),
            FieldType::Int64 { .. } => Cell::Int64(read_integer(text)?),
            FieldType::Float64 { .. } => Cell::Float64(read_number(text)?),
            FieldType::Date => Cell::Date(read_date(text).ok_or("ingest.not-a-date")?),
            FieldType::Code { .. } => Cell::Code(*self.codes.get(text).ok_or("ingest.not-a-code")?),
            FieldType::Text => Cell::Text(text),
        };
        self.admit(cell)
    }

    /// Holds a value, of the field's type, to the field's rule.
    pub(super) fn admit<'a>(&self, cell: Cell<'a>) -> Result<Cell<'a>, &'static str> {
        let holds = match (&cell, &self.field_type) {
            (Cell::Missing, _) if self.nullable => true,
            (Cell::Missing, _) => return Err("ingest.missing-value"),
            (Cell::Int64(value), FieldType::Int64 { min, max }) => {
                min.is_none_or(|min| *value >= min) && max.is_none_or(|max| *value <= max)
            }
            (Cell::Float64(value), FieldType::Float64 { min, max }) => {
                if value.is_nan() {
                    return Err("ingest.not-a-number");
                }
                value.is_finite() && min.is_none_or(|min| *value >= min) && max.is_none_or(|max| *value <= max)
            }
            (Cell::Date(day), _) => is_writable_day(*day),
            (Cell::Text(text), _) if text.len() > FIELD_BYTES_MAX => return Err("ingest.field-too-long"),
            _ => true,
        };
        if holds { Ok(cell) } else { Err("ingest.out-of-range") }
    }

    /// Index of a code.
    pub(super) fn code(&self, text: &str) -> Result<Cell<'static>, &'static str> {
        self.codes.get(text).map(|index| Cell::Code(*index)).ok_or("ingest.not-a-code")
    }

    pub(super) fn field_type(&self) -> &FieldType {
        &self.field_type
    }
}

fn read_boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("ingest.not-a-boolean"),
    }
}

fn read_integer(text: &str) -> Result<i64, &'static str> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        PosOverflow | NegOverflow => "ingest.out-of-range",
        _ => "ingest.not-a-number",
    })
}

/// Decimal digits with point and exponent. Rust's parser also knows names such as `inf`, which are no numbers here.
fn read_number(text: &str) -> Result<f64, &'static str> {
    let is_numeric = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    text.parse().ok().filter(|_| is_numeric).ok_or("ingest.not-a-number")
}

/// `YYYY-MM-DD`, a day that exists.
pub(crate) fn read_date(text: &str) -> Option<i32> {
    let shape = text.len() == 10
        && text
            .bytes()
            .zip(0..)
            .all(|(byte, at)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    if !shape {
        return None;
    }
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u32>().ok());
    let year = i32::try_from(number(0..4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?)?;
    Some(date.num_days_from_ce() - EPOCH_DAY)
}

/// Years 0000 to 9999: those that ISO 8601 writes with four digits.
fn is_writable_day(day: i32) -> bool {
    (-719_528..=2_932_896).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{code, field};

    fn read(field_type: FieldType, text: &str) -> Result<String, &'static str> {
        let rule = Rule::new(&field("x", field_type));
        rule.read(text).map(|cell| match cell {
            Cell::Missing => "missing".into(),
            Cell::Boolean(value) => value.to_string(),
            Cell::Int64(value) => value.to_string(),
            Cell::Float64(value) => value.to_string(),
            Cell::Date(value) | Cell::Code(value) => value.to_string(),
            Cell::Text(value) => value.into(),
        })
    }

    #[test]
    fn whole_numbers() {
        let within = || FieldType::Int64 { min: Some(-5), max: Some(120) };
        assert_eq!(read(within(), "-5").as_deref(), Ok("-5"));
        assert_eq!(read(within(), "120").as_deref(), Ok("120"));
        for text in ["-6", "121", "99999999999999999999", "-99999999999999999999"] {
            assert_eq!(read(within(), text), Err("ingest.out-of-range"), "{text}");
        }
        for text in ["1.0", " 1", "1 ", "one", "1e2", "-", "0x10", "１"] {
            assert_eq!(read(within(), text), Err("ingest.not-a-number"), "{text}");
        }
        assert_eq!(read(within(), ""), Err("ingest.missing-value"));
    }

    #[test]
    fn numbers_are_finite_and_within_bounds() {
        let within = || FieldType::Float64 { min: Some(10.0), max: Some(80.0) };
        assert_eq!(read(within(), "10").as_deref(), Ok("10"));
        assert_eq!(read(within(), "2.75e1").as_deref(), Ok("27.5"));
        for text in ["9.999", "80.1", "1e999", "-1e999"] {
            assert_eq!(read(within(), text), Err("ingest.out-of-range"), "{text}");
        }
        for text in ["inf", "NaN", "-infinity", "1,5", "27.5kg", "."] {
            assert_eq!(read(within(), text), Err("ingest.not-a-number"), "{text}");
        }
    }

    #[test]
    fn dates_exist() {
        for (text, day) in
            [("1970-01-01", "0"), ("2017-05-01", "17287"), ("0000-01-01", "-719528"), ("9999-12-31", "2932896")]
        {
            assert_eq!(read(FieldType::Date, text).as_deref(), Ok(day));
        }
        for text in ["2017-02-29", "2017-13-01", "2017-1-01", "20170501", "01/05/2017", "+017-05-01", "2017-05-01T00"] {
            assert_eq!(read(FieldType::Date, text), Err("ingest.not-a-date"), "{text}");
        }
    }

    #[test]
    fn codes_booleans_and_texts() {
        let sex = || FieldType::Code { codes: vec![code("1"), code("2")] };
        assert_eq!(read(sex(), "2").as_deref(), Ok("1"));
        assert_eq!(read(sex(), "3"), Err("ingest.not-a-code"));
        assert_eq!(read(FieldType::Boolean, "1").as_deref(), Ok("true"));
        assert_eq!(read(FieldType::Boolean, "yes"), Err("ingest.not-a-boolean"));
        let longest = "x".repeat(FIELD_BYTES_MAX);
        assert_eq!(read(FieldType::Text, &longest).as_deref(), Ok(longest.as_str()));
        assert_eq!(read(FieldType::Text, &format!("{longest}x")), Err("ingest.field-too-long"));
    }
}
