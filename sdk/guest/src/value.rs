//! Values of a row as a job sees them.

/// A code of a declared list, known by its place in the list. `job!` makes a constant for each
/// code that is given a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u32);

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

impl Date {
    /// A day of the proleptic Gregorian calendar; `month` and `day` count from 1.
    #[inline(always)]
    #[must_use]
    pub const fn new(year: i32, month: u32, day: u32) -> Self {
        // Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil: years start in March.
        let shifted = (month as i32 + 9) % 12;
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * shifted + 2) / 5 + day as i32 - 1;
        Self(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
    }

    /// Year, month and day, the latter two from 1.
    #[inline(always)]
    #[must_use]
    pub const fn ymd(self) -> (i32, u32, u32) {
        let days = self.0 as i64 + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + (month <= 2) as i64;
        (year as i32, month as u32, day as u32)
    }

    /// The calendar year.
    #[inline(always)]
    #[must_use]
    pub const fn year(self) -> i32 {
        self.ymd().0
    }

    /// Days from `earlier` to this day.
    #[inline(always)]
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i32 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A value that a key dimension can place: a code, a truth value or a whole number by its place in a list of codes, any
/// number in bands.
pub trait KeyValue: Copy {
    /// The place in a list of codes, if it can be one.
    fn place(self) -> Option<u32>;
    /// The number that bands compare.
    fn number(self) -> f64;
}

macro_rules! key_values {
    ($($type:ty: |$value:ident| $place:expr, $number:expr;)*) => {$(
        #[allow(unused_variables)]
        impl KeyValue for $type {
            #[inline(always)]
            fn place(self) -> Option<u32> {
                let $value = self;
                $place
            }
            #[inline(always)]
            fn number(self) -> f64 {
                let $value = self;
                $number
            }
        }
    )*};
}

key_values! {
    Code: |code| Some(code.0), f64::from(code.0);
    bool: |flag| Some(u32::from(flag)), f64::from(u8::from(flag));
    u32: |number| Some(number), f64::from(number);
    usize: |number| u32::try_from(number).ok(), number as f64;
    i32: |number| u32::try_from(number).ok(), f64::from(number);
    i64: |number| u32::try_from(number).ok(), number as f64;
    Date: |date| None, f64::from(date.0);
    f64: |number| None, number;
}

/// A type of column element and how the enclave passes it (sdk/wit/README.md).
pub trait Element: Copy + 'static {
    /// As it lies in a column of a `person` job.
    type Raw: Copy + 'static;
    /// As it comes to a function of a `row` job.
    type Scalar: Copy;
    /// The element of a column; `present` is false for a missing value of a nullable column.
    fn read(raw: Self::Raw, present: bool) -> Self;
    /// The element of a row.
    fn scalar(scalar: Self::Scalar, present: bool) -> Self;
}

macro_rules! elements {
    ($($type:ty: $raw:ty, $scalar:ty, |$value:ident| $read:expr;)*) => {$(
        impl Element for $type {
            type Raw = $raw;
            type Scalar = $scalar;
            #[inline(always)]
            fn read($value: $raw, _present: bool) -> Self {
                $read
            }
            #[inline(always)]
            fn scalar($value: $scalar, _present: bool) -> Self {
                $read
            }
        }
    )*};
}

elements! {
    bool: u8, i32, |raw| raw != 0;
    i64: i64, i64, |raw| raw;
    f64: f64, f64, |raw| raw;
    Date: i32, i32, |raw| Date(raw);
    Code: i32, i32, |raw| Code(raw as u32);
}

impl<T: Element> Element for Option<T> {
    type Raw = T::Raw;
    type Scalar = T::Scalar;
    #[inline(always)]
    fn read(raw: T::Raw, present: bool) -> Self {
        if present { Some(T::read(raw, true)) } else { None }
    }
    #[inline(always)]
    fn scalar(scalar: T::Scalar, present: bool) -> Self {
        if present { Some(T::scalar(scalar, true)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        assert_eq!(Date::new(1970, 1, 1), Date(0));
        assert_eq!(Date::new(2000, 2, 29), Date(11_016));
        assert_eq!(Date::new(2026, 11, 23), Date(20_780));
        assert_eq!(Date::new(1899, 12, 31), Date(-25_568));
        for days in (-1_000_000..1_000_000).step_by(97) {
            let (year, month, day) = Date(days).ymd();
            assert_eq!(Date::new(year, month, day), Date(days));
        }
        assert_eq!(Date::new(2024, 3, 1).days_since(Date::new(2024, 2, 28)), 2);
        assert_eq!(Date::new(2024, 12, 31).year(), 2024);
    }

    #[test]
    fn numbers_below_zero_have_no_place() {
        assert_eq!((-1_i64).place(), None);
        assert_eq!(3_i64.place(), Some(3));
        assert_eq!(true.place(), Some(1));
        assert_eq!(1.0_f64.place(), None);
    }
}
