//! Exports of the component door, by the canonical ABI of the component model
//! (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>), for the worlds of
//! sdk/wit/glovebox.wit. Written by hand because so few functions need less code than a bindings generator.

use alloc::{boxed::Box, vec::Vec};
use core::slice;

use crate::Figures;
use crate::memory::free;
use crate::raw::{Map, RawColumn, RawReleased, RawRows, UpdateState};

/// Lists of bytes hold numbers of up to this alignment.
const ALIGN: usize = 8;

/// A lowered list: address and length.
pub type List = (usize, usize);

/// The record `column`, as the canonical ABI lays it out.
#[repr(C)]
struct LoweredColumn {
    kind: u8,
    values: usize,
    values_len: usize,
    has_validity: u8,
    validity: usize,
    validity_len: usize,
}

/// The record `figures`.
#[repr(C)]
struct LoweredFigures {
    values: usize,
    values_len: usize,
    valid: usize,
    valid_len: usize,
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
    // SAFETY: the caller's promise.
    let address = unsafe { crate::memory::reallocate(old, old_size, align, new_size) };
    if address == 0 {
        trap();
    }
    address
}

/// Lowered arguments that are rows. They own their memory: a guest that is called more than once frees them.
pub struct LoweredRows {
    rows: usize,
    columns: List,
    persons: List,
    arguments: List,
    raw: Vec<RawColumn>,
}

impl LoweredRows {
    /// The arguments of a call.
    ///
    /// # Safety
    /// They are those of a lowered function; the lists are aligned by [`reallocate`].
    #[must_use]
    pub unsafe fn new(rows: usize, columns: List, persons: List, arguments: List) -> Self {
        // SAFETY: the caller's promise.
        let lowered: &[LoweredColumn] = unsafe { list(columns) };
        let raw = lowered
            .iter()
            .map(|column| RawColumn {
                kind: column.kind.into(),
                values: column.values,
                validity: if column.has_validity == 0 { 0 } else { column.validity },
            })
            .collect();
        Self { rows, columns, persons, arguments, raw }
    }

    /// The rows.
    #[must_use]
    pub fn raw(&self) -> RawRows<'_> {
        // SAFETY: promised when this was made.
        let (persons, arguments) = unsafe { (list(self.persons), list(self.arguments)) };
        RawRows { rows: self.rows, columns: &self.raw, persons, arguments }
    }

    /// Frees the arguments.
    ///
    /// # Safety
    /// Nothing refers to them any more.
    pub unsafe fn free(self) {
        // SAFETY: the caller's promise, and that of `new`, here and below.
        let lowered: &[LoweredColumn] = unsafe { list(self.columns) };
        for column in lowered {
            // SAFETY: as above.
            unsafe {
                free(column.values, column.values_len, ALIGN);
                if column.has_validity != 0 {
                    free(column.validity, column.validity_len, ALIGN);
                }
            }
        }
        // SAFETY: as above.
        unsafe {
            free(self.columns.0, self.columns.1 * size_of::<LoweredColumn>(), ALIGN);
            free(self.persons.0, self.persons.1 * size_of::<u32>(), ALIGN);
            free(self.arguments.0, self.arguments.1 * size_of::<f64>(), ALIGN);
        }
    }
}

/// Runs a `person` or `block` job; the address of the lowered list of records.
///
/// # Safety
/// As [`LoweredRows::new`].
#[must_use]
pub unsafe fn map(rows: usize, columns: List, persons: List, arguments: List, run: Map) -> usize {
    // SAFETY: the caller's promise.
    let rows = unsafe { LoweredRows::new(rows, columns, persons, arguments) };
    answer(run(&rows.raw()))
}

/// Runs `update`; the address of the lowered list of numbers.
///
/// # Safety
/// The arguments are those of the lowered function `update`, aligned by [`reallocate`].
#[must_use]
pub unsafe fn update(round: u32, parameters: List, state: List, outputs: List, run: UpdateState) -> usize {
    // SAFETY: the caller's promise, here and below.
    let lowered: &[LoweredFigures] = unsafe { list(outputs) };
    // SAFETY: as above.
    let figures = |figures: &LoweredFigures| unsafe {
        Figures::new(list((figures.values, figures.values_len)), list((figures.valid, figures.valid_len)))
    };
    let outputs: Vec<_> = lowered.iter().map(figures).collect();
    // SAFETY: as above.
    let (parameters, state) = unsafe { (list(parameters), list(state)) };
    answer(run(&RawReleased { round, parameters, state, outputs: &outputs }))
}

/// Leaks `items`, which the host reads after the call, and says where their lowered list lies.
#[must_use]
pub fn answer<T>(items: Vec<T>) -> usize {
    // The instance ends after the call, so the result is leaked instead of freed in a `post-return`.
    let items = items.leak();
    let lowered = Box::leak(Box::new([items.as_ptr() as usize, items.len()]));
    lowered.as_ptr() as usize
}

/// A list of an argument.
///
/// # Safety
/// It was lowered with this type of item, and lives for `'a`.
#[must_use]
pub unsafe fn list<'a, T>((address, length): List) -> &'a [T] {
    match length {
        0 => &[],
        // SAFETY: the caller's promise.
        length => unsafe { slice::from_raw_parts(address as *const T, length) },
    }
}

#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    unreachable!("components are wasm32")
}

/// Exports `cabi_realloc`, which every component has.
#[macro_export]
#[doc(hidden)]
macro_rules! __memory_exports {
    () => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn cabi_realloc(old: usize, old_size: usize, align: usize, new_size: usize) -> usize {
                // SAFETY: only the host's lowering calls this, with what it got from here.
                unsafe { $crate::component::reallocate(old, old_size, align, new_size) }
            }
        };
    };
}

/// Exports of a `person` or `block` job.
#[macro_export]
#[doc(hidden)]
macro_rules! __map_exports {
    (person, $run:expr) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = "person")]
            extern "C" fn person(
                rows: usize,
                columns: usize,
                columns_len: usize,
                arguments: usize,
                arguments_len: usize,
            ) -> usize {
                let (columns, arguments) = ((columns, columns_len), (arguments, arguments_len));
                // SAFETY: only the host's lowering calls this.
                unsafe { $crate::component::map(rows, columns, (0, 0), arguments, $run) }
            }
        };
    };
    (block, $run:expr) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = "block")]
            extern "C" fn block(
                rows: usize,
                columns: usize,
                columns_len: usize,
                persons: usize,
                persons_len: usize,
                arguments: usize,
                arguments_len: usize,
            ) -> usize {
                let (columns, persons) = ((columns, columns_len), (persons, persons_len));
                // SAFETY: only the host's lowering calls this.
                unsafe { $crate::component::map(rows, columns, persons, (arguments, arguments_len), $run) }
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

            #[unsafe(export_name = "batch")]
            extern "C" fn batch(
                rows: usize,
                columns: usize,
                columns_len: usize,
                persons: usize,
                persons_len: usize,
                arguments: usize,
                arguments_len: usize,
            ) {
                let (columns, persons) = ((columns, columns_len), (persons, persons_len));
                let arguments = (arguments, arguments_len);
                let mut cohort = take();
                // SAFETY: only the host's lowering calls this.
                let rows = unsafe { $crate::component::LoweredRows::new(rows, columns, persons, arguments) };
                Cohort::batch(&mut cohort, &Batch::from_raw(&rows.raw()), &Parameters::from_raw(&rows.raw()));
                put(cohort);
                // SAFETY: `Cohort::batch` keeps no reference to the rows: it is generic over their life.
                unsafe { rows.free() }
            }

            #[unsafe(export_name = "partial")]
            extern "C" fn partial() -> usize {
                $crate::component::answer(Cohort::partial(take()))
            }

            #[unsafe(export_name = "merge")]
            extern "C" fn merge(address: usize, length: usize) {
                let mut cohort = take();
                // SAFETY: only the host's lowering calls this.
                Cohort::merge(&mut cohort, unsafe { $crate::component::list((address, length)) });
                put(cohort);
                // SAFETY: as in `batch`.
                unsafe { $crate::component::free_bytes(address, length) }
            }

            #[unsafe(export_name = "finish")]
            extern "C" fn finish(arguments: usize, arguments_len: usize) -> usize {
                let arguments = (arguments, arguments_len);
                // SAFETY: only the host's lowering calls this.
                let rows = unsafe { $crate::component::LoweredRows::new(0, (0, 0), (0, 0), arguments) };
                let mut tables = Tables::default();
                Cohort::finish(take(), &Parameters::from_raw(&rows.raw()), &mut tables);
                $crate::component::answer(tables.records)
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
            #[unsafe(export_name = "update")]
            extern "C" fn update(
                round: u32,
                parameters: usize,
                parameters_len: usize,
                state: usize,
                state_len: usize,
                outputs: usize,
                outputs_len: usize,
            ) -> usize {
                let (parameters, state) = ((parameters, parameters_len), (state, state_len));
                // SAFETY: only the host's lowering calls this.
                unsafe { $crate::component::update(round, parameters, state, (outputs, outputs_len), $run) }
            }
        };
    };
}

/// Frees a list of bytes that was an argument.
///
/// # Safety
/// It was lowered by way of [`reallocate`], and nothing refers to it any more.
pub unsafe fn free_bytes(address: usize, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { free(address, length, ALIGN) }
}
