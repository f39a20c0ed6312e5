//! How numbers, names and tables are written for people.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

/// A table with a heading, without a frame.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let heading = heading.iter().map(|name| name.to_uppercase()).collect();
    let rows: Vec<_> = rows.into_iter().map(|row| row.to_vec()).collect();
    if rows.is_empty() { "none".to_owned() } else { grid(heading, rows, N) }
}

/// The same with any number of columns, of which those from `numbers_from` on are right-aligned.
pub(crate) fn grid(heading: Vec<String>, rows: Vec<Vec<String>>, numbers_from: usize) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heading.iter().map(|name| Cell::new(clean(name))));
    for row in rows {
        table.add_row(row.iter().map(|text| Cell::new(clean(text))));
    }
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines_trimmed(&table.to_string())
}

/// Names and values below each other.
pub(crate) fn sheet(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let mut lines = value.lines();
        text.push_str(&format!("{name:width$}  {}\n", clean(lines.next().unwrap_or_default())));
        for line in lines {
            text.push_str(&format!("{:width$}  {}\n", "", clean(line)));
        }
    }
    text
}

fn lines_trimmed(text: &str) -> String {
    text.lines().map(|line| line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end())).collect::<Vec<_>>().join("\n")
}

/// Text of others, fit for a terminal: controls could move its cursor or rename its window, directional characters could
/// turn a line round, and characters of no width could hide in it.
pub(crate) fn clean(text: &str) -> String {
    glovebox_catalog::text::visible(text)
}

/// The name that a value has in JSON, for enums.
pub(crate) fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// Names of several, with commas.
pub(crate) fn names<T: Serialize>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| name(&value)).collect::<Vec<_>>().join(", ")
}

/// `1,234,567`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12.3 G`, for fuel and rows whose last digits nobody reads.
pub(crate) fn short_number(number: u64) -> String {
    scaled(number, 1000.0, &["", " k", " M", " G", " T", " P", " E"])
}

/// `12.3 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    scaled(number, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"])
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn scaled(number: u64, base: f64, units: &[&str]) -> String {
    let mut value = number as f64;
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    if value < base {
        return format!("{number}{unit}");
    }
    while value >= base {
        let Some(next) = units.next() else { break };
        value /= base;
        unit = next;
    }
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$}{unit}")
}

/// A bar of `width` cells of which `used` of `limit` are full. Something used is never an empty bar, something left
/// never a full one.
pub(crate) fn bar(used: u64, limit: u64, width: usize) -> String {
    let full = match limit {
        0 => width,
        _ => {
            let share = u128::from(used.min(limit)) * width as u128 / u128::from(limit);
            usize::try_from(share).unwrap_or(width).max(usize::from(used > 0)).min(width)
        }
    };
    let full = if used < limit { full.min(width.saturating_sub(1)) } else { full };
    format!("{}{}", "█".repeat(full), "░".repeat(width.saturating_sub(full)))
}

/// The first digits of a digest or the last of an id.
pub(crate) fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}

/// One line of at most `width` characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Lines of at most `width` characters, broken between words.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1_234), "1,234");
        assert_eq!(number(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1_572_864), "1.50 MiB");
        assert_eq!(short_number(12_345_678), "12.3 M");
        assert_eq!(short_number(u64::MAX), "18.4 E");
    }

    #[test]
    fn a_bar_tells_none_some_and_all_apart() {
        assert_eq!(bar(0, 10, 4), "░░░░");
        assert_eq!(bar(1, 1_000_000, 4), "█░░░");
        assert_eq!(bar(999_999, 1_000_000, 4), "███░");
        assert_eq!(bar(10, 10, 4), "████");
        assert_eq!(bar(u64::MAX, u64::MAX, 4), "████");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("incomprehensible x", 4), ["incomprehensible", "x"]);
        assert_eq!(wrapped("", 4), Vec::<String>::new());
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        for hostile in ["\u{1b}]0;owned\u{7}x", "\u{9b}2Jx", "a\u{202e}x", "a\u{200b}x", "a\u{2066}x", "\u{feff}x"] {
            let table = table(["title"], [[hostile.to_owned()]]);
            let sheet = sheet(&[("title", hostile.to_owned())]);
            for text in [table, sheet] {
                assert!(
                    text.chars().all(|c| c == '\n' || c == '\u{fffd}' || glovebox_catalog::text::is_plain(c)),
                    "{text:?}"
                );
                assert!(text.contains('x'));
            }
        }
    }
}
