//! The repertoire of text that people write: names, titles, descriptions, codes, comments.
//!
//! Such text ends in tables, spreadsheets, terminals, notebooks and logs of other people. So what it may consist of is
//! declared here once: the letters, marks, digits, punctuation and symbols of every script, and the plain space. What
//! has no look of its own or changes that of others is not among them: controls, line and paragraph separators,
//! directional and other format characters, characters of no width, other spaces, private and unassigned code points.
//! It holds wherever text comes in, since it is checked when a value is read ([`line`], [`lines`], [`code`]); where text of
//! elsewhere goes out, [`visible`] puts a mark in the place of what is not in the repertoire.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// Longest code or label of a value, in bytes.
pub const CODE_LENGTH_MAX: usize = 64;
/// Marks that may follow each other: more pile up over other lines.
const MARKS_MAX: usize = 4;
/// Stands for what may not be shown.
const REPLACEMENT: char = '\u{fffd}';

/// Why a text is not one that may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextError {
    /// Empty, or too long.
    #[error("text has {min} to {max} characters here, this one has {found}")]
    Length {
        /// Least.
        min: usize,
        /// Most.
        max: usize,
        /// How many it has.
        found: usize,
    },
    /// A character outside of the repertoire.
    #[error(
        "text has letters, digits, marks, punctuation, symbols and plain spaces; take out U+{code_point:04X} at character {place}"
    )]
    Character {
        /// The character; never shown as itself.
        code_point: u32,
        /// Where, from 1.
        place: usize,
    },
    /// A mark that has no letter, or one too many.
    #[error("a mark follows a letter, and at most {MARKS_MAX} of them; look at character {place}")]
    Marks {
        /// Where, from 1.
        place: usize,
    },
    /// Not in composed form.
    #[error("text is in composed form (Unicode NFC): one code point for a letter with its mark where there is one")]
    NotComposed,
    /// Spaces at an end.
    #[error("text begins and ends with something else than a space")]
    Edges,
    /// What a spreadsheet may take for a formula in a column of its own.
    #[error("a code has no `=`, `+`, `-` or `@` after a separator: spreadsheets read a formula there")]
    Formula,
}

/// Whether a character is in the repertoire.
#[must_use]
pub fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    // Braille blank, and the two that stand for something else: no look of their own.
    if matches!(c, '\u{2800}' | '\u{fffc}' | REPLACEMENT)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
    {
        return false;
    }
    let shown = [
        GeneralCategoryGroup::Letter,
        GeneralCategoryGroup::Mark,
        GeneralCategoryGroup::Number,
        GeneralCategoryGroup::Punctuation,
        GeneralCategoryGroup::Symbol,
    ];
    let category = category(c);
    shown.into_iter().any(|group| group.contains(category))
}

/// Checks one line of `min` to `max` characters.
///
/// # Errors
/// [`TextError`] with the first fault. It never quotes the text.
pub fn check_line(text: &str, min: usize, max: usize) -> Result<(), TextError> {
    check(text, min, max, false)?;
    if text.starts_with(' ') || text.ends_with(' ') { Err(TextError::Edges) } else { Ok(()) }
}

/// Checks lines of at most `max` characters in all.
///
/// # Errors
/// [`TextError`] with the first fault.
pub fn check_lines(text: &str, max: usize) -> Result<(), TextError> {
    check(text, 0, max, true)
}

/// Checks a code: a line of at most [`CODE_LENGTH_MAX`] bytes in which no spreadsheet finds a formula behind a separator.
/// What stands at its beginning is for whoever writes it into a spreadsheet to guard.
///
/// # Errors
/// [`TextError`] with the first fault.
pub fn check_code(text: &str) -> Result<(), TextError> {
    check_line(text, 1, CODE_LENGTH_MAX)?;
    if text.len() > CODE_LENGTH_MAX {
        return Err(TextError::Length { min: 1, max: CODE_LENGTH_MAX, found: text.len() });
    }
    // An interval such as `(-10, -5]` has a number behind its comma.
    let mut parts = text.split([',', ';', '|', '"']).skip(1).map(|part| part.trim().trim_end_matches([')', ']']));
    if parts.any(may_be_formula) { Err(TextError::Formula) } else { Ok(()) }
}

/// Whether a spreadsheet may take `text`, as a cell, for a formula: it begins with `=`, `+`, `-` or `@`, in any width, or
/// with a tab or line break, also after spaces and quotes. Numbers are numbers.
#[must_use]
pub fn may_be_formula(text: &str) -> bool {
    if text.starts_with(['\t', '\r', '\n']) {
        return true;
    }
    let begun = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '“' | '‘' | '«'));
    let leads = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '−', '﹢', '﹣', '﹦', '﹫'];
    begun.starts_with(leads) && !is_number(text)
}

/// Text of elsewhere as it may be shown: one mark for each character that is not in the repertoire. Line feeds stay.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || is_plain(c) { c } else { REPLACEMENT }).collect()
}

/// Reads one line of 1 to `MAX` characters.
///
/// # Errors
/// [`TextError`] as an error of the format.
pub fn line<'de, D: Deserializer<'de>, const MAX: usize>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    check_line(&text, 1, MAX).map_err(D::Error::custom)?;
    Ok(text)
}

/// Reads one line of 1 to 100 characters, or none.
///
/// # Errors
/// [`TextError`] as an error of the format.
pub fn optional_line<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.as_deref().map_or(Ok(()), |text| check_line(text, 1, 100)).map_err(D::Error::custom)?;
    Ok(text)
}

/// Reads lines of at most `MAX` characters in all; they may be empty. A carriage return before a line feed goes.
///
/// # Errors
/// [`TextError`] as an error of the format.
pub fn lines<'de, D: Deserializer<'de>, const MAX: usize>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?.replace("\r\n", "\n");
    check_lines(&text, MAX).map_err(D::Error::custom)?;
    Ok(text)
}

/// Reads a code.
///
/// # Errors
/// [`TextError`] as an error of the format.
pub fn code<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    check_code(&text).map_err(D::Error::custom)?;
    Ok(text)
}

fn check(text: &str, min: usize, max: usize, may_break: bool) -> Result<(), TextError> {
    let found = text.chars().count();
    if !(min..=max).contains(&found) {
        return Err(TextError::Length { min, max, found });
    }
    let mut marks = MARKS_MAX;
    for (place, c) in (1..).zip(text.chars()) {
        let is_break = may_break && c == '\n';
        if !is_break && !is_plain(c) {
            return Err(TextError::Character { code_point: c.into(), place });
        }
        if !c.is_ascii() && GeneralCategoryGroup::Mark.contains(category(c)) {
            marks += 1;
        } else {
            // A mark after a break or space has nothing to stand on.
            marks = if is_break || c == ' ' { MARKS_MAX } else { 0 };
        }
        if marks > MARKS_MAX {
            return Err(TextError::Marks { place });
        }
    }
    let is_composed = text.is_ascii() || ComposingNormalizerBorrowed::new_nfc().is_normalized(text);
    if is_composed { Ok(()) } else { Err(TextError::NotComposed) }
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

/// Digits with a sign, a point and an exponent at most: nothing that a spreadsheet computes.
fn is_number(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E')) && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What others' text must not carry.
    const HOSTILE: [&str; 14] = [
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200b}b",
        "a\u{200d}b",
        "a\u{feff}b",
        "a\u{1b}[2Jb",
        "a\u{9b}2Jb",
        "a\nb",
        "a\tb",
        "a\u{2028}b",
        "a\u{a0}b",
        "a\u{e000}b",
        "a\u{3164}b",
        "a\u{fe0f}b",
    ];

    #[test]
    fn people_write_in_their_scripts() {
        for text in [
            "糖尿病（Ⅱ型）",
            "Größe ≥ 1,80 m²",
            "µg/L",
            "½ tablet",
            "ΔHbA1c",
            "العمر",
            "आयु",
            "ゆっくり、",
            "O’Neill – Kovács",
            "50–60 %",
            "Người",
            "=1",
            "€ 5",
            "<18.5",
        ] {
            assert_eq!(check_line(text, 1, 80), Ok(()), "{text}");
            assert_eq!(visible(text), text);
        }
    }

    #[test]
    fn what_has_no_look_or_changes_that_of_others_is_refused() {
        for text in HOSTILE {
            assert!(matches!(check_line(text, 1, 80), Err(TextError::Character { place: 2, .. })), "{text:?}");
            let told = check_line(text, 1, 80).unwrap_err().to_string();
            assert!(told.chars().all(is_plain), "{told:?}");
            assert!(visible(text).chars().all(|c| c == '\n' || c == REPLACEMENT || is_plain(c)), "{text:?}");
        }
        assert_eq!(check_lines("one\ntwo", 80), Ok(()));
        assert_eq!(check_line("", 1, 80), Err(TextError::Length { min: 1, max: 80, found: 0 }));
        assert_eq!(check_line(" a", 1, 80), Err(TextError::Edges));
    }

    #[test]
    fn marks_do_not_pile_up_and_letters_are_composed() {
        assert_eq!(check_line("e\u{301}", 1, 80), Err(TextError::NotComposed));
        assert!(matches!(check_line(&format!("q{}", "\u{328}".repeat(9)), 1, 80), Err(TextError::Marks { .. })));
        assert!(matches!(check_line("\u{301}a", 1, 80), Err(TextError::Marks { place: 1 })));
    }

    #[test]
    fn formulas_are_known_and_numbers_are_none() {
        for text in [
            "=1+1",
            "+1+1",
            "-cmd",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            " =1",
            "\"=1",
            "'\"  =HYPERLINK(\"x\")",
            "＝1",
            "−A1",
            "-1+A1",
        ] {
            assert!(may_be_formula(text), "{text:?}");
        }
        for text in ["-1", "+1.5e3", "a=b", "50-60", "<5", "[0, 5)", "male", "-0.5", ""] {
            assert!(!may_be_formula(text), "{text:?}");
        }
    }

    #[test]
    fn codes_hide_no_formula_behind_a_separator() {
        for text in ["male", "50-60", "(-10, -5]", "-1", "=1", "a; b", "a, b"] {
            assert_eq!(check_code(text), Ok(()), "{text}");
        }
        for text in ["a;=1+1", "a, \"=cmd|'/C calc'!A0", "a,+A1", "a|@b"] {
            assert_eq!(check_code(text), Err(TextError::Formula), "{text}");
        }
        assert!(matches!(check_code(&"长".repeat(22)), Err(TextError::Length { .. })));
    }
}
