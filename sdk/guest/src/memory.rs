//! Memory that the host asks for, and that a guest which is called more than once must free.

use alloc::alloc::{alloc, dealloc, realloc};
use core::alloc::Layout;

/// `size` fresh bytes, or 0.
#[must_use]
pub fn allocate(size: usize, align: usize) -> usize {
    match Layout::from_size_align(size, align) {
        // SAFETY: the layout has a size.
        Ok(layout) if size > 0 => unsafe { alloc(layout) as usize },
        _ => 0,
    }
}

/// Frees what was allocated with this size and alignment.
///
/// # Safety
/// `address` came from [`allocate`] or [`reallocate`] with the same size and alignment, and nothing of it is used again.
pub unsafe fn free(address: usize, size: usize, align: usize) {
    if let (true, Ok(layout)) = (size > 0, Layout::from_size_align(size, align)) {
        // SAFETY: the caller's promise.
        unsafe { dealloc(address as *mut u8, layout) }
    }
}

/// As `realloc` of C, but a failure is 0 and a size of 0 needs no memory.
///
/// # Safety
/// `old` is 0 with `old_size` 0, or came from here with this size and alignment.
#[must_use]
pub unsafe fn reallocate(old: usize, old_size: usize, align: usize, size: usize) -> usize {
    match (Layout::from_size_align(old_size, align), Layout::from_size_align(size, align)) {
        (Ok(_), Ok(layout)) if old_size == 0 && size > 0 => {
            // SAFETY: the layout has a size.
            unsafe { alloc(layout) as usize }
        }
        // SAFETY: the caller's promise.
        (Ok(layout), Ok(_)) if size > 0 => unsafe { realloc(old as *mut u8, layout, size) as usize },
        _ => 0,
    }
}

/// A value that exports share. A guest has one thread, and no export calls another.
pub struct Kept<T>(core::cell::UnsafeCell<Option<T>>);

// SAFETY: modules of this interface have one thread; the host refuses threads.
#[cfg(target_arch = "wasm32")]
unsafe impl<T> Sync for Kept<T> {}

impl<T> Kept<T> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(core::cell::UnsafeCell::new(None))
    }

    /// Takes what is kept.
    ///
    /// # Safety
    /// No other call on the same value is under way.
    #[must_use]
    pub unsafe fn take(&self) -> Option<T> {
        // SAFETY: the caller's promise: nothing else refers to the value.
        unsafe { (*self.0.get()).take() }
    }

    /// Keeps a value.
    ///
    /// # Safety
    /// As [`Kept::take`].
    pub unsafe fn put(&self, value: T) {
        // SAFETY: the caller's promise.
        unsafe { *self.0.get() = Some(value) }
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self::new()
    }
}
