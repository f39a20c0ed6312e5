//! One column of a person's rows.

use crate::Element;

/// The values of one column over all rows of one person. A column that was declared `or missing` holds `Option`s.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a, T: Element> {
    values: &'a [T::Raw],
    /// One byte per row, 0 for a missing value; none when every value is present.
    validity: Option<&'a [u8]>,
}

impl<'a, T: Element> Column<'a, T> {
    /// A column without missing values.
    #[must_use]
    pub const fn new(values: &'a [T::Raw]) -> Self {
        Self { values, validity: None }
    }

    /// A column with a byte per row that is 0 where the value is missing; rows beyond the bytes are present.
    #[must_use]
    pub const fn with_validity(values: &'a [T::Raw], validity: &'a [u8]) -> Self {
        Self { values, validity: Some(validity) }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether the person has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value in row `row`.
    #[must_use]
    pub fn at(&self, row: usize) -> Option<T> {
        let present = self.validity.and_then(|bytes| bytes.get(row)).is_none_or(|byte| *byte != 0);
        self.values.get(row).map(|raw| T::read(*raw, present))
    }

    /// The value in the first row.
    #[must_use]
    pub fn first(&self) -> Option<T> {
        self.at(0)
    }

    /// The value in the last row.
    #[must_use]
    pub fn last(&self) -> Option<T> {
        self.len().checked_sub(1).and_then(|row| self.at(row))
    }

    /// The values in the order of the rows.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = T> + 'a {
        let column = *self;
        (0..self.len()).filter_map(move |row| column.at(row))
    }
}

impl<'a, T: Element> Column<'a, Option<T>> {
    /// The values that are not missing.
    pub fn present(&self) -> impl DoubleEndedIterator<Item = T> + 'a {
        self.iter().flatten()
    }
}

/// Arithmetic mean; none of no values.
#[must_use]
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.into_iter().fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;
    use alloc::vec::Vec;

    #[test]
    fn missing_values_are_none() {
        let column = Column::<Option<f64>>::with_validity(&[1.0, 0.0, 3.0], &[1, 0, 1]);
        assert_eq!(column.iter().collect::<Vec<_>>(), [Some(1.0), None, Some(3.0)]);
        assert_eq!(column.present().collect::<Vec<_>>(), [1.0, 3.0]);
        assert_eq!(mean(column.present()), Some(2.0));
        assert_eq!(column.at(1), Some(None));
        assert_eq!(column.at(3), None);
    }

    #[test]
    fn ends_of_an_empty_column_are_none() {
        let column = Column::<Code>::new(&[]);
        assert!(column.is_empty());
        assert_eq!((column.first(), column.last()), (None, None));
        assert_eq!(mean([]), None);
    }

    #[test]
    fn raw_values_become_typed() {
        assert_eq!(Column::<bool>::new(&[0, 1]).iter().collect::<Vec<_>>(), [false, true]);
        assert_eq!(Column::<Code>::new(&[4]).last(), Some(Code(4)));
        assert_eq!(Column::<Option<i64>>::new(&[7]).first(), Some(Some(7)), "no validity: all present");
    }
}
