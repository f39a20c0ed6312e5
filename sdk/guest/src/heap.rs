//! The allocator of a guest: an instance lives for one person, so it is small, and takes memory by the byte.
//!
//! The one that comes with Rust asks for 64 KiB at a time, four times what an ordinary person needs in all, and takes every
//! page for 64 KiB long. This one hands out what lies between the data and the end of the memory, and grows the memory
//! when that is used up. Blocks come in classes, four to each power of two; a freed block goes to the next that asks for its
//! class. Nothing is joined again, which serves a guest that is thrown away or reset soon.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;

/// Every block is aligned to this much, and no smaller.
const GRAIN: usize = 16;
/// Classes up to 4 GiB.
const CLASSES: usize = 4 * 29;

/// Memory that the heap takes from: a guest's, or a test's.
pub(crate) trait Space {
    /// What lies free in the beginning. Asked once, before anything grows.
    fn bounds(&self) -> Bounds;
    /// Adds so many pages at the end; false when there are none to be had.
    fn grow(&self, pages: usize) -> bool;
}

#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) page_bytes: usize,
}

struct State {
    bounds: Bounds,
    /// What lies behind it was never handed out.
    top: usize,
    /// The first free block of each class, 0 for none; each holds the address of the next.
    free: [usize; CLASSES],
}

/// An allocator over a space.
pub(crate) struct Heap<S> {
    space: S,
    state: UnsafeCell<Option<State>>,
}

// SAFETY: modules of this interface have one thread; the host refuses threads. Elsewhere a heap is not shared.
#[cfg(target_arch = "wasm32")]
unsafe impl<S> Sync for Heap<S> {}

impl<S: Space> Heap<S> {
    pub(crate) const fn new(space: S) -> Self {
        Self { space, state: UnsafeCell::new(None) }
    }

    #[allow(clippy::mut_from_ref)]
    fn state(&self) -> &mut State {
        // SAFETY: there is one thread, and no method calls another while it holds the state.
        let state = unsafe { &mut *self.state.get() };
        state.get_or_insert_with(|| {
            let bounds = self.space.bounds();
            State { bounds, top: bounds.start.next_multiple_of(GRAIN), free: [0; CLASSES] }
        })
    }

    /// Moves the top so that `size` bytes lie from `start` to it; false when there is no room and none to be had.
    fn take(&self, state: &mut State, start: usize, size: usize) -> bool {
        let Some(top) = start.checked_add(size) else { return false };
        let bounds = &mut state.bounds;
        if top > bounds.end {
            let needed = (top - bounds.end).div_ceil(bounds.page_bytes);
            // As much again, so that a heap that grows by small steps grows seldom; else what is needed.
            let doubled = needed.max((bounds.end - bounds.start).div_ceil(bounds.page_bytes));
            let Some(pages) = [doubled, needed].into_iter().find(|pages| self.space.grow(*pages)) else { return false };
            bounds.end += pages * bounds.page_bytes;
        }
        state.top = top;
        true
    }
}

// SAFETY: blocks lie between the bounds of the space, do not overlap, and are as large and aligned as asked for.
unsafe impl<S: Space> GlobalAlloc for Heap<S> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((class, size)) = class(layout.size()) else { return null_mut() };
        let state = self.state();
        let first = state.free.get(class).copied().unwrap_or(0);
        if first != 0 && layout.align() <= GRAIN {
            if let Some(slot) = state.free.get_mut(class) {
                // SAFETY: a free block is ours, and holds the address of the next.
                *slot = unsafe { *(first as *const usize) };
            }
            return first as *mut u8;
        }
        let Some(start) = state.top.checked_next_multiple_of(layout.align().max(GRAIN)) else { return null_mut() };
        if self.take(state, start, size) { start as *mut u8 } else { null_mut() }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((class, size)) = class(layout.size()) else { return };
        let state = self.state();
        if block as usize + size == state.top {
            state.top = block as usize;
        } else if let Some(slot) = state.free.get_mut(class) {
            // SAFETY: the block is at least as large as a grain, and nobody uses it any more.
            unsafe { *block.cast::<usize>() = *slot };
            *slot = block as usize;
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (Some((_, old)), Some((_, new))) = (class(layout.size()), class(new_size)) else { return null_mut() };
        if new == old {
            return block;
        }
        let state = self.state();
        if block as usize + old == state.top {
            return if self.take(state, block as usize, new) { block } else { null_mut() };
        }
        // SAFETY: the caller's promise; the alignment was valid, and the size is checked by `class`.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// The class of blocks that hold `size` bytes, and how large these are; none beyond 2 GiB.
fn class(size: usize) -> Option<(usize, usize)> {
    let grains = size.max(1).div_ceil(GRAIN);
    if grains > 1 << 27 {
        return None;
    }
    if grains <= 4 {
        return Some((grains - 1, grains * GRAIN));
    }
    // From 2^k + 1 to 2^(k + 1) grains in four steps of 2^(k - 2).
    let power = (grains - 1).ilog2() as usize;
    let step = 1 << (power - 2);
    let steps = (grains - (1 << power)).div_ceil(step);
    Some((4 * (power - 1) + steps - 1, ((1 << power) + steps * step) * GRAIN))
}

#[cfg(target_arch = "wasm32")]
mod guest {
    use core::arch::wasm32::{memory_grow, memory_size};

    use super::{Bounds, Heap, Space};

    unsafe extern "C" {
        /// The linker puts it where data and stack end.
        static __heap_base: u8;
    }

    struct Memory;

    impl Space for Memory {
        fn bounds(&self) -> Bounds {
            let (start, pages) = (&raw const __heap_base as usize, memory_size::<0>());
            // A page has one byte, or 64 KiB. In pages of one byte the memory has at least as many as the address at which
            // the heap begins, in pages of 64 KiB far fewer.
            let page_bytes = if pages >= start { 1 } else { 65_536 };
            Bounds { start, end: pages.saturating_mul(page_bytes), page_bytes }
        }

        fn grow(&self, pages: usize) -> bool {
            memory_grow::<0>(pages) != usize::MAX
        }
    }

    #[global_allocator]
    static HEAP: Heap<Memory> = Heap::new(Memory);
}

// Every unsafe block of the tests is the one reason: blocks of the heap under test, within their layouts.
#[cfg(test)]
#[allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::cell::Cell;

    use super::*;

    /// A buffer of which so much is there in the beginning.
    struct Buffer {
        words: Box<[u128]>,
        end: Cell<usize>,
        first_bytes: usize,
        page_bytes: usize,
    }

    impl Buffer {
        fn new(bytes: usize, first_bytes: usize, page_bytes: usize) -> Heap<Self> {
            let words = vec![0; bytes.div_ceil(16)].into_boxed_slice();
            let end = Cell::new(words.as_ptr() as usize + first_bytes);
            Heap::new(Self { words, end, first_bytes, page_bytes })
        }
    }

    impl Space for Buffer {
        fn bounds(&self) -> Bounds {
            let start = self.words.as_ptr() as usize;
            Bounds { start, end: start + self.first_bytes, page_bytes: self.page_bytes }
        }

        fn grow(&self, pages: usize) -> bool {
            let end = self.end.get() + pages * self.page_bytes;
            let fits = end <= self.words.as_ptr() as usize + size_of_val(&*self.words);
            if fits {
                self.end.set(end);
            }
            fits
        }
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn classes_hold_what_they_are_for_and_waste_a_quarter_at_most() {
        let mut last = None;
        for size in (1..100_000).chain([1 << 20, (1 << 20) + 1, 1 << 31]) {
            let (number, bytes) = class(size).unwrap();
            assert!(bytes >= size && bytes.is_multiple_of(GRAIN) && number < CLASSES, "{size}");
            assert!(size <= 64 || bytes * 4 <= size * 5 + 4 * GRAIN, "{size} takes {bytes}");
            if let Some((former, former_bytes)) = last {
                assert_eq!(former == number, former_bytes == bytes, "one size a class: {size}");
            }
            last = Some((number, bytes));
        }
        assert_eq!(class((1 << 31) + 1), None);
    }

    /// Blocks are filled with their number and looked at when they move or end: any overlap shows.
    #[test]
    fn blocks_are_aligned_and_never_overlap() {
        for (first, page) in [(0, 1), (8_192, 1), (0, 65_536), (8_192, 65_536)] {
            let heap = Buffer::new(4 << 20, first, page);
            let mut blocks: Vec<(*mut u8, Layout, u8)> = Vec::new();
            let mut seed = 7_u64;
            let mut random = |below: usize| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as usize % below
            };
            for step in 0..20_000_usize {
                let mark = step as u8;
                match random(3) {
                    0 if !blocks.is_empty() => {
                        let (block, layout, mark) = blocks.swap_remove(random(blocks.len()));
                        unsafe {
                            assert!((0..layout.size()).all(|at| *block.add(at) == mark));
                            heap.dealloc(block, layout);
                        }
                    }
                    1 if !blocks.is_empty() => {
                        let at = random(blocks.len());
                        let (block, old, mark) = blocks[at];
                        let new = layout(1 + random(3_000), old.align());
                        let moved = unsafe { heap.realloc(block, old, new.size()) };
                        assert!(!moved.is_null());
                        let kept = old.size().min(new.size());
                        assert!((0..kept).all(|at| unsafe { *moved.add(at) } == mark));
                        unsafe { moved.write_bytes(mark, new.size()) };
                        blocks[at] = (moved, new, mark);
                    }
                    _ if blocks.len() < 200 => {
                        // Rarely beyond a grain: such blocks come from the top alone.
                        let align = 1 << if random(100) == 0 { random(8) } else { random(5) };
                        let layout = layout(1 + random(3_000), align);
                        let block = unsafe { heap.alloc(layout) };
                        assert!(!block.is_null() && (block as usize).is_multiple_of(layout.align()));
                        assert!(block as usize + layout.size() <= heap.space.end.get());
                        unsafe { block.write_bytes(mark, layout.size()) };
                        blocks.push((block, layout, mark));
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn what_is_freed_is_used_again() {
        let heap = Buffer::new(1 << 20, 8_192, 1);
        for _ in 0..10_000 {
            // Two at once, freed in the order in which they came.
            let (large, small) = (layout(2_000, 8), layout(100, 8));
            unsafe {
                let blocks = (heap.alloc(large), heap.alloc(small));
                heap.dealloc(blocks.0, large);
                heap.dealloc(blocks.1, small);
            }
        }
        assert_eq!(heap.space.end.get() - heap.space.words.as_ptr() as usize, 8_192, "it grew");
    }

    #[test]
    fn a_heap_that_is_full_says_so_and_goes_on() {
        let heap = Buffer::new(10_000, 1_000, 1);
        unsafe {
            assert!(heap.alloc(layout(20_000, 8)).is_null());
            assert!(!heap.alloc(layout(6_000, 8)).is_null());
            assert!(
                !heap.alloc(layout(2_000, 8)).is_null(),
                "doubling would exceed the space, what is needed does not"
            );
            assert!(heap.alloc(layout(2_000, 8)).is_null());
            assert!(!heap.alloc(layout(500, 8)).is_null());
        }
    }
}
