//! A person's rows as they lie in memory, the same for both doors. Used by the code that `job!` writes.

use core::slice;

use crate::{Column, Element, Record};

/// One column of the descriptor: three words, addresses in linear memory.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawColumn {
    /// Type of the values; the manifest fixed it, so it is not read.
    pub kind: u32,
    /// Address of the values.
    pub values: usize,
    /// Address of the validity bytes, 0 when all values are present.
    pub validity: usize,
}

/// All rows of one person.
#[derive(Clone, Copy)]
pub struct RawPerson<'a> {
    /// Number of rows.
    pub rows: usize,
    /// The columns, in the order of the manifest.
    pub columns: &'a [RawColumn],
    /// The parameters, in the order of the manifest.
    pub parameters: &'a [f64],
}

impl<'a> RawPerson<'a> {
    /// Column `index`; empty when the host passed fewer columns.
    ///
    /// # Safety
    /// The addresses of the column hold `rows` values of `T::Raw`, aligned, and validity bytes, for the life `'a`.
    #[inline(always)]
    #[must_use]
    pub unsafe fn column<T: Element>(&self, index: usize) -> Column<'a, T> {
        let Some(column) = self.columns.get(index) else { return Column::new(&[]) };
        // SAFETY: the caller's promise.
        let values = unsafe { slice::from_raw_parts(column.values as *const T::Raw, self.rows) };
        if column.validity == 0 {
            return Column::new(values);
        }
        // SAFETY: the caller's promise.
        Column::with_validity(values, unsafe { slice::from_raw_parts(column.validity as *const u8, self.rows) })
    }

    /// Parameter `index`.
    #[inline(always)]
    #[must_use]
    pub fn parameter(&self, index: usize) -> f64 {
        self.parameters.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// The job, as the exports call it.
pub type Run = fn(&RawPerson<'_>) -> alloc::vec::Vec<Record>;
