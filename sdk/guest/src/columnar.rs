//! Exports of the columnar door (sdk/wit/README.md).

use core::slice;

use crate::Figures;
use crate::memory::{Kept, free};
use crate::raw::{Map, RawColumn, RawReleased, RawRows, UpdateState};

pub use crate::memory::allocate;

/// The fixed words of the descriptor of rows.
#[repr(C)]
struct Descriptor {
    rows: usize,
    column_count: usize,
    arguments: usize,
}

/// The fixed words of the descriptor of what was released.
#[repr(C)]
struct ReleasedDescriptor {
    round: u32,
    output_count: usize,
    parameters: usize,
    state: usize,
}

/// Three words for each output.
#[derive(Clone, Copy)]
#[repr(C)]
struct RawFigures {
    count: usize,
    values: usize,
    valid: usize,
}

/// The rows whose descriptor lies at `input`.
///
/// # Safety
/// `input` is the address of a descriptor as sdk/wit/README.md says, with `argument_count` arguments and, if said so, the
/// persons of the rows; all of it lives for `'a`.
#[must_use]
pub unsafe fn rows<'a>(input: usize, argument_count: usize, has_persons: bool) -> RawRows<'a> {
    // SAFETY: the caller's promise, here and below.
    let descriptor = unsafe { &*(input as *const Descriptor) };
    let first = input + size_of::<Descriptor>();
    // SAFETY: as above.
    let columns = unsafe { numbers::<RawColumn>(first, descriptor.column_count) };
    let persons = if has_persons {
        let word = (first + size_of_val(columns)) as *const usize;
        // SAFETY: as above; the word of the persons stands behind the columns.
        unsafe { numbers(*word, descriptor.rows) }
    } else {
        &[]
    };
    // SAFETY: as above.
    let arguments = unsafe { numbers(descriptor.arguments, argument_count) };
    RawRows { rows: descriptor.rows, columns, persons, arguments }
}

/// Runs a `person` or `block` job on the rows at `input`; address and count of the records.
///
/// # Safety
/// As [`rows`].
#[must_use]
pub unsafe fn map(input: usize, argument_count: usize, has_persons: bool, run: Map) -> u64 {
    // SAFETY: the caller's promise.
    let rows = unsafe { rows(input, argument_count, has_persons) };
    answer(run(&rows))
}

/// Runs `update` on what was released, whose descriptor lies at `input`; address and count of the numbers.
///
/// # Safety
/// `input` is the address of a descriptor as sdk/wit/README.md says, with these numbers of parameters and state variables.
#[must_use]
pub unsafe fn update(input: usize, parameter_count: usize, state_count: usize, run: UpdateState) -> u64 {
    // SAFETY: the caller's promise, here and below.
    let descriptor = unsafe { &*(input as *const ReleasedDescriptor) };
    // SAFETY: as above.
    let raw: &[RawFigures] = unsafe { numbers(input + size_of::<ReleasedDescriptor>(), descriptor.output_count) };
    // SAFETY: as above.
    let figures =
        |raw: &RawFigures| unsafe { Figures::new(numbers(raw.values, raw.count), numbers(raw.valid, raw.count)) };
    let outputs: alloc::vec::Vec<_> = raw.iter().map(figures).collect();
    // SAFETY: as above.
    let (parameters, state) =
        unsafe { (numbers(descriptor.parameters, parameter_count), numbers(descriptor.state, state_count)) };
    answer(run(&RawReleased { round: descriptor.round, parameters, state, outputs: &outputs }))
}

/// Leaks `items`, which the host reads after the call, and says where they lie.
#[must_use]
pub fn answer<T>(items: alloc::vec::Vec<T>) -> u64 {
    let items = items.leak();
    (items.as_ptr() as u64) << 32 | items.len() as u64
}

/// `count` items at `address`; an address means nothing where there are none.
unsafe fn numbers<'a, T>(address: usize, count: usize) -> &'a [T] {
    match count {
        0 => &[],
        // SAFETY: the caller's promise.
        count => unsafe { slice::from_raw_parts(address as *const T, count) },
    }
}

/// The last input of a guest that is called more than once: address, size, alignment.
pub type Input = Kept<(usize, usize, usize)>;

/// Frees the input at `address`, if it is the last that was allocated.
///
/// # Safety
/// Nothing refers to it any more.
pub unsafe fn free_input(input: &Input, address: usize) {
    // SAFETY: exports do not call one another.
    if let Some((last, size, align)) = unsafe { input.take() }
        && last == address
    {
        // SAFETY: the caller's promise.
        unsafe { free(address, size, align) }
    }
}

/// Exports `gb_alloc`, which every job with columns or rounds has.
#[macro_export]
#[doc(hidden)]
macro_rules! __memory_exports {
    () => {
        #[cfg(target_arch = "wasm32")]
        static __INPUT: $crate::columnar::Input = $crate::columnar::Input::new();

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn gb_alloc(size: usize, align: usize) -> usize {
                let address = $crate::columnar::allocate(size, align);
                // SAFETY: exports do not call one another.
                unsafe { __INPUT.put((address, size, align)) };
                address
            }
        };
    };
}

/// Exports of a `person` or `block` job.
#[macro_export]
#[doc(hidden)]
macro_rules! __map_exports {
    (person, $run:expr) => {
        $crate::__map_exports! { @ "gb_person", false, $run }
    };
    (block, $run:expr) => {
        $crate::__map_exports! { @ "gb_block", true, $run }
    };
    (@ $name:literal, $has_persons:literal, $run:expr) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = $name)]
            extern "C" fn map(input: usize) -> u64 {
                // SAFETY: only the host calls this, with the address of a descriptor that it wrote.
                unsafe { $crate::columnar::map(input, Job::DESCRIPTION.argument_count(), $has_persons, $run) }
            }
        };
    };
}

/// Exports of a `cohort` job.
#[macro_export]
#[doc(hidden)]
macro_rules! __cohort_exports {
    ($cohort:ident) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            static COHORT: $crate::memory::Kept<$cohort> = $crate::memory::Kept::new();

            fn take() -> $cohort {
                // SAFETY: exports do not call one another.
                unsafe { COHORT.take() }.unwrap_or_default()
            }

            fn put(cohort: $cohort) {
                // SAFETY: as above.
                unsafe { COHORT.put(cohort) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn gb_batch(input: usize) {
                let mut cohort = take();
                // SAFETY: only the host calls this, with the address of a descriptor that it wrote.
                let raw = unsafe { $crate::columnar::rows(input, Job::DESCRIPTION.argument_count(), true) };
                Cohort::batch(&mut cohort, &Batch::from_raw(&raw), &Parameters::from_raw(&raw));
                put(cohort);
                // SAFETY: `Cohort::batch` keeps no reference to the rows: it is generic over their life.
                unsafe { $crate::columnar::free_input(&__INPUT, input) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn gb_partial() -> u64 {
                $crate::columnar::answer(Cohort::partial(take()))
            }

            #[unsafe(no_mangle)]
            extern "C" fn gb_merge(address: usize, length: usize) {
                let mut cohort = take();
                // SAFETY: the host wrote that many bytes there.
                let partial = unsafe { $crate::columnar::bytes(address, length) };
                Cohort::merge(&mut cohort, partial);
                put(cohort);
                // SAFETY: as in `gb_batch`.
                unsafe { $crate::columnar::free_input(&__INPUT, address) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn gb_finish(input: usize) -> u64 {
                // SAFETY: as in `gb_batch`; there are no rows.
                let raw = unsafe { $crate::columnar::rows(input, Job::DESCRIPTION.argument_count(), false) };
                let mut tables = Tables::default();
                Cohort::finish(take(), &Parameters::from_raw(&raw), &mut tables);
                $crate::columnar::answer(tables.records)
            }
        };
    };
}

/// The export of a job with rounds.
#[macro_export]
#[doc(hidden)]
macro_rules! __update_exports {
    ($run:expr) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn gb_update(input: usize) -> u64 {
                let job = &Job::DESCRIPTION;
                // SAFETY: only the host calls this, with the address of a descriptor that it wrote.
                unsafe { $crate::columnar::update(input, job.parameters.len(), job.state().len(), $run) }
            }
        };
    };
}

/// A partial.
///
/// # Safety
/// `length` bytes lie at `address`, for `'a`.
#[must_use]
pub unsafe fn bytes<'a>(address: usize, length: usize) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { numbers(address, length) }
}
