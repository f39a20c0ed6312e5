//! Key dimensions: where a value falls in a domain that was declared before any row was read.

use crate::{KeyValue, Number};

/// A key dimension. Cells are numbered row-major over an output's keys.
pub trait Key {
    /// How many values the dimension has.
    fn len(&self) -> u32;
    /// Where `value` falls; none outside the domain, and then the row or person does not count.
    fn index(&self, value: impl KeyValue) -> Option<u32>;
    /// Whether the dimension has no value.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A list of names. A code, truth value or whole number falls on the name at its place.
#[derive(Debug, Clone, Copy)]
pub struct Codes(pub &'static [&'static str]);

/// Half-open bands `[e0, e1), [e1, e2), …` between ascending edges. NaN falls nowhere.
#[derive(Debug, Clone, Copy)]
pub struct Bands(pub &'static [Number]);

/// Whole numbers from `first` to `last`.
#[derive(Debug, Clone, Copy)]
pub struct Integers {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

impl Key for Integers {
    #[inline(always)]
    fn len(&self) -> u32 {
        (self.last - self.first + 1) as u32
    }

    #[inline(always)]
    fn index(&self, value: impl KeyValue) -> Option<u32> {
        // Domains are far below 2^53, so that a number is exact wherever it falls inside.
        let number = value.number();
        let whole = number as i64;
        let inside = whole as f64 == number && (self.first..=self.last).contains(&whole);
        inside.then(|| (whole - self.first) as u32)
    }
}

impl Key for Codes {
    #[inline(always)]
    fn len(&self) -> u32 {
        self.0.len() as u32
    }

    #[inline(always)]
    fn index(&self, value: impl KeyValue) -> Option<u32> {
        value.place().filter(|place| *place < self.len())
    }
}

impl Bands {
    /// The band that holds `value`.
    #[inline(always)]
    #[must_use]
    pub fn band(&self, value: f64) -> Option<u32> {
        // Counting edges at or below the value instead of searching: no branches, so it compiles to a few instructions.
        let passed = self.0.iter().fold(0, |count, edge| count + u32::from(value >= edge.value));
        (1..=self.len()).contains(&passed).then(|| passed - 1)
    }
}

impl Key for Bands {
    #[inline(always)]
    fn len(&self) -> u32 {
        (self.0.len() as u32).saturating_sub(1)
    }

    #[inline(always)]
    fn index(&self, value: impl KeyValue) -> Option<u32> {
        self.band(value.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    const AGES: Bands = Bands(&[Number::new(18.0, "18"), Number::new(40.0, "40"), Number::new(65.0, "65")]);

    #[test]
    fn bands_are_half_open() {
        let bands = [17.999, 18.0, 39.999, 40.0, 64.0, 65.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let expected = [None, Some(0), Some(0), Some(1), Some(1), None, None, None, None];
        assert_eq!(bands.map(|value| AGES.band(value)), expected);
        assert_eq!(AGES.index(40_i64), Some(1));
        assert_eq!(AGES.len(), 2);
    }

    #[test]
    fn integers_fall_where_they_are_whole_and_inside() {
        let years = Integers { first: 1990, last: 2020 };
        let found = [1990.0, 2020.0, 1989.0, 2021.0, 2000.5, f64::NAN, f64::INFINITY].map(|year| years.index(year));
        assert_eq!(found, [Some(0), Some(30), None, None, None, None, None]);
        assert_eq!((years.index(2_000_i64), years.index(Code(1_995)), years.len()), (Some(10), Some(5), 31));
    }

    #[test]
    fn codes_fall_by_place() {
        let sex = Codes(&["male", "female"]);
        assert_eq!(sex.index(Code(1)), Some(1));
        assert_eq!(sex.index(Code(2)), None);
        assert_eq!(sex.index(true), Some(1));
        assert_eq!(sex.index(-1_i64), None);
        assert_eq!(sex.index(1.0), None, "a decimal number has no place in a list");
    }
}
