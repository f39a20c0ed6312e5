//! Exports of the component door: `person` and `cabi_realloc` by the canonical ABI of the component model
//! (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>), for the world `person-job`
//! of sdk/wit/glovebox.wit. Written by hand because the one function needs less code than a bindings generator.

use alloc::{
    alloc::{alloc, realloc},
    boxed::Box,
    vec::Vec,
};
use core::{alloc::Layout, slice};

use crate::raw::{RawColumn, RawPerson, Run};

/// Lists of bytes hold numbers of up to this alignment.
const ALIGN: usize = 8;

/// The record `column`, as the canonical ABI lays it out.
#[repr(C)]
pub struct LoweredColumn {
    kind: u8,
    values: usize,
    values_len: usize,
    has_validity: u8,
    validity: usize,
    validity_len: usize,
}

/// Memory for an argument, aligned for numbers even when the list is one of bytes. Traps when there is none, as the
/// canonical ABI asks.
///
/// # Safety
/// `old` is 0 or came from this function with size `old_size`.
#[must_use]
pub unsafe fn reallocate(old: usize, old_size: usize, align: usize, new_size: usize) -> usize {
    let align = align.max(ALIGN);
    if new_size == 0 {
        return align;
    }
    let address = match (old_size, Layout::from_size_align(old_size, align), Layout::from_size_align(new_size, align)) {
        // SAFETY: the layout has a size.
        (0, _, Ok(layout)) => unsafe { alloc(layout) as usize },
        // SAFETY: the caller's promise.
        (_, Ok(layout), Ok(_)) => unsafe { realloc(old as *mut u8, layout, new_size) as usize },
        _ => 0,
    };
    if address == 0 {
        trap();
    }
    address
}

/// Runs the job; the address of the lowered list of records (address, count).
///
/// # Safety
/// The arguments are those of the lowered function `person`; validity and values are aligned by [`reallocate`].
#[must_use]
pub unsafe fn person(rows: usize, columns: (usize, usize), parameters: (usize, usize), run: Run) -> usize {
    // SAFETY: the caller's promise.
    let lowered = unsafe { slice::from_raw_parts(columns.0 as *const LoweredColumn, columns.1) };
    let columns: Vec<RawColumn> = lowered
        .iter()
        .map(|column| RawColumn {
            kind: column.kind.into(),
            values: column.values,
            validity: if column.has_validity == 0 { 0 } else { column.validity },
        })
        .collect();
    // SAFETY: the caller's promise.
    let parameters = unsafe { slice::from_raw_parts(parameters.0 as *const f64, parameters.1) };
    let records = run(&RawPerson { rows, columns: &columns, parameters }).leak();
    // The instance ends after the call, so the result is leaked instead of freed in a `post-return`.
    let lowered = Box::leak(Box::new([records.as_ptr() as usize, records.len()]));
    lowered.as_ptr() as usize
}

#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    unreachable!("components are wasm32")
}

/// The exports of a `person` job.
#[macro_export]
#[doc(hidden)]
macro_rules! __person_exports {
    ($parameter_count:expr, $run:expr) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn cabi_realloc(old: usize, old_size: usize, align: usize, new_size: usize) -> usize {
                // SAFETY: only the host's lowering calls this, with what it got from here.
                unsafe { $crate::component::reallocate(old, old_size, align, new_size) }
            }

            #[unsafe(export_name = "person")]
            extern "C" fn person(
                rows: usize,
                columns: usize,
                columns_len: usize,
                parameters: usize,
                parameters_len: usize,
            ) -> usize {
                // SAFETY: only the host's lowering calls this.
                unsafe { $crate::component::person(rows, (columns, columns_len), (parameters, parameters_len), $run) }
            }
        };
    };
}
