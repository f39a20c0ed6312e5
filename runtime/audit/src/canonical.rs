//! Canonical JSON: the one byte string that a value is hashed and signed as.
//!
//! RFC 8785 (keys sorted by UTF-16 code units, no spaces, shortest escapes, numbers as ECMAScript writes them), with
//! one difference: whole numbers stay exact beyond 2⁵³ instead of being rounded to a double.

use serde::Serialize;
use serde_json::{Number, Value};

use crate::AuditError;

/// The canonical JSON of `value`.
///
/// A NaN or infinity would come out as `null`; types that hold numbers refuse them first.
///
/// # Errors
/// [`AuditError::Json`] for values that JSON can't write, such as maps with keys that are not text.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, AuditError> {
    let value = serde_json::to_value(value).map_err(|error| AuditError::Json(error.to_string()))?;
    Ok(canonical_value(&value))
}

/// The canonical JSON of a JSON value.
pub(crate) fn canonical_value(value: &Value) -> Vec<u8> {
    let mut text = String::new();
    write_value(value, &mut text);
    text.into_bytes()
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number_text(number)),
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            write_list('[', items.iter(), ']', text, write_value);
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            write_list('{', members.into_iter(), '}', text, |(key, value), text| {
                write_string(key, text);
                text.push(':');
                write_value(value, text);
            });
        }
    }
}

fn write_list<T>(
    open: char,
    items: impl Iterator<Item = T>,
    close: char,
    text: &mut String,
    write: impl Fn(T, &mut String),
) {
    text.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(item, text);
    }
    text.push(close);
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            c if c < ' ' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}

fn number_text(number: &Number) -> String {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), _, _) => whole.to_string(),
        (_, Some(whole), _) => whole.to_string(),
        (_, _, Some(float)) => float_text(float),
        _ => number.to_string(),
    }
}

/// A finite double as ECMAScript writes it (ECMA-262, Number::toString): shortest digits that read back the same,
/// plain from 10⁻⁶ up to 10²¹, otherwise with an exponent.
fn float_text(float: f64) -> String {
    if float == 0.0 {
        return "0".to_owned();
    }
    // serde_json picks, like ECMAScript, the even one of two equally near shortest forms; `{:e}` does not.
    let shortest = Value::from(float.abs()).to_string();
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = format!("{whole}{fraction}");
    let significant = all_digits.trim_start_matches('0');
    let digits = significant.trim_end_matches('0');
    // How many digits stand before the decimal point; zero or less when the number is below one tenth.
    let length = |text: &str| i32::try_from(text.len()).unwrap_or(i32::MAX);
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let point = length(whole) + exponent - (length(&all_digits) - length(significant));
    let digit_count = length(digits);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0).min(digits.len()));
    let magnitude = match point {
        p if digit_count <= p && p <= 21 => format!("{digits}{}", zeros(p - digit_count)),
        p if 0 < p && p <= 21 => {
            let (whole, fraction) = split(p);
            format!("{whole}.{fraction}")
        }
        p if -6 < p && p <= 0 => format!("0.{}{digits}", zeros(-p)),
        _ => {
            let (first, rest) = split(1);
            let fraction = if rest.is_empty() { String::new() } else { format!(".{rest}") };
            format!("{first}{fraction}e{:+}", point - 1)
        }
    };
    if float < 0.0 { format!("-{magnitude}") } else { magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> String {
        String::from_utf8(canonical_value(value)).unwrap()
    }

    /// RFC 8785, appendix B: sample numbers.
    #[test]
    fn numbers_of_rfc_8785() {
        for (bits, expected) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(float_text(f64::from_bits(bits)), expected, "{bits:016x}");
        }
    }

    /// RFC 8785, section 3.2.3: the sorting sample, where code units and code points disagree.
    #[test]
    fn keys_sort_by_utf16() {
        let sample = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        assert_eq!(
            text(&sample),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn strings_have_one_form() {
        assert_eq!(text(&json!("\u{20ac}$\u{f}\nA'B\"\\\\\"/\u{7f}")), "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\"");
    }

    #[test]
    fn nesting_and_constants() {
        let value = json!({"b": [true, false, null, {}], "a": {"z": [], "y": u64::MAX, "x": i64::MIN}, "f": 30.0});
        assert_eq!(
            text(&value),
            r#"{"a":{"x":-9223372036854775808,"y":18446744073709551615,"z":[]},"b":[true,false,null,{}],"f":30}"#
        );
    }

    proptest! {
        #[test]
        fn floats_read_back_the_same(bits: u64) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            prop_assert_eq!(float_text(float).parse::<f64>().unwrap(), float);
        }

        #[test]
        fn strings_read_back_the_same(string: String) {
            let written = canonical_value(&Value::String(string.clone()));
            prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), string);
        }
    }
}
