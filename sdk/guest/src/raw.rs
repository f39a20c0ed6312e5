//! Rows as they lie in memory, the same for both doors. Used by the code that `job!` writes.

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

/// Rows of a unit, and the numbers that come with them.
#[derive(Clone, Copy)]
pub struct RawRows<'a> {
    /// Number of rows.
    pub rows: usize,
    /// The columns, in the order of the manifest.
    pub columns: &'a [RawColumn],
    /// The number of each row's person; empty where all are of one person.
    pub persons: &'a [u32],
    /// Parameters and state, in the order of the manifest.
    pub arguments: &'a [f64],
}

impl<'a> RawRows<'a> {
    /// The number of each row's person.
    #[inline(always)]
    #[must_use]
    pub fn persons(&self) -> &'a [u32] {
        self.persons
    }

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

    /// Parameter or state variable `index`.
    #[inline(always)]
    #[must_use]
    pub fn argument(&self, index: usize) -> f64 {
        self.arguments.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// What was released of a round.
#[derive(Clone, Copy)]
pub struct RawReleased<'a> {
    /// Number of the round.
    pub round: u32,
    /// Parameters.
    pub parameters: &'a [f64],
    /// State that the round had.
    pub state: &'a [f64],
    /// The outputs: each as [`crate::Figures`].
    pub outputs: &'a [crate::Figures<'a>],
}

impl<'a> RawReleased<'a> {
    /// Output `index`.
    #[must_use]
    pub fn output(&self, index: usize) -> crate::Figures<'a> {
        self.outputs.get(index).copied().unwrap_or_default()
    }
}

/// A `person` or `block` job, as the exports call it.
pub type Map = fn(&RawRows<'_>) -> alloc::vec::Vec<Record>;
/// A job's `update`, as the exports call it: a flag, then the next state.
pub type UpdateState = fn(&RawReleased<'_>) -> alloc::vec::Vec<f64>;
