//! Lists come in pages with a cursor: the id (or sequence) of the last item seen.

/// Most items that one page holds.
const LIMIT_MAX: u32 = 1_000;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// [`Page::next_cursor`] of the page before; none for the first.
    pub cursor: Option<String>,
    /// Most items, cut to 1 to 1000.
    pub limit: u32,
}

impl Slice {
    /// The first `limit` items.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { cursor: None, limit }
    }

    /// The items after `cursor`.
    #[must_use]
    pub fn after(cursor: Option<String>, limit: u32) -> Self {
        Self { cursor, limit }
    }

    pub(crate) fn rows(&self) -> usize {
        self.limit.clamp(1, LIMIT_MAX) as usize
    }
}

impl Default for Slice {
    /// The first 100 items.
    fn default() -> Self {
        Self::first(100)
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of items that were read with one more than asked for, to see whether there is a next.
    pub(crate) fn cut(mut read: Vec<(String, T)>, rows: usize) -> Self {
        let more = read.len() > rows;
        read.truncate(rows);
        let next_cursor = if more { read.last().map(|(cursor, _)| cursor.clone()) } else { None };
        Self { items: read.into_iter().map(|(_, item)| item).collect(), next_cursor }
    }
}
