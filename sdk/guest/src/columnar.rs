//! Exports of the columnar door: `gb_alloc` and `gb_person`.

use alloc::alloc::alloc;
use core::{alloc::Layout, slice};

use crate::raw::{RawColumn, RawPerson, Run};

/// The fixed words of the descriptor.
#[repr(C)]
struct Descriptor {
    rows: usize,
    column_count: usize,
    parameters: usize,
}

/// `size` fresh bytes, or 0.
#[must_use]
pub fn allocate(size: usize, align: usize) -> usize {
    match Layout::from_size_align(size, align) {
        // SAFETY: the layout has a size. The host's bytes live as long as the instance: nobody frees them.
        Ok(layout) if size > 0 => unsafe { alloc(layout) as usize },
        _ => 0,
    }
}

/// Runs the job on the person whose descriptor lies at `input`; address and count of the records.
///
/// # Safety
/// `input` is the address of a descriptor as sdk/wit/README.md says, with `parameter_count` parameters.
#[must_use]
pub unsafe fn person(input: usize, parameter_count: usize, run: Run) -> u64 {
    // SAFETY: the caller's promise, here and below.
    let descriptor = unsafe { &*(input as *const Descriptor) };
    let columns = (input + size_of::<Descriptor>()) as *const RawColumn;
    // SAFETY: as above.
    let columns = unsafe { slice::from_raw_parts(columns, descriptor.column_count) };
    let parameters = match parameter_count {
        0 => &[][..],
        // SAFETY: as above.
        count => unsafe { slice::from_raw_parts(descriptor.parameters as *const f64, count) },
    };
    let records = run(&RawPerson { rows: descriptor.rows, columns, parameters }).leak();
    (records.as_ptr() as u64) << 32 | records.len() as u64
}

/// The exports of a `person` job.
#[macro_export]
#[doc(hidden)]
macro_rules! __person_exports {
    ($parameter_count:expr, $run:expr) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn gb_alloc(size: usize, align: usize) -> usize {
                $crate::columnar::allocate(size, align)
            }

            #[unsafe(no_mangle)]
            extern "C" fn gb_person(input: usize) -> u64 {
                // SAFETY: only the host calls this, with the address of a descriptor that it wrote.
                unsafe { $crate::columnar::person(input, $parameter_count, $run) }
            }
        };
    };
}
