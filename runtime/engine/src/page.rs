//! Pages of lists: a cursor is the id of the last item seen, opaque to callers.

use glovebox_api::Page;
use glovebox_store::{Slice, StoreError};

use crate::EngineError;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageQuery {
    /// Where the last page ended; none for the first.
    pub cursor: Option<String>,
    /// Items on a page, 1 to 500.
    pub limit: u32,
}

impl Default for PageQuery {
    /// The first 50.
    fn default() -> Self {
        Self { cursor: None, limit: 50 }
    }
}

impl PageQuery {
    /// One page of the items that the caller may see, out of a list that the store gives in slices.
    ///
    /// `key` is what the store takes as cursor for the item.
    pub(crate) fn visible<T>(
        &self,
        fetch: impl Fn(&Slice) -> Result<glovebox_store::Page<T>, StoreError>,
        key: impl Fn(&T) -> String,
        visible: impl Fn(&T) -> Result<bool, EngineError>,
    ) -> Result<Page<T>, EngineError> {
        let limit = self.limit.clamp(1, 500) as usize;
        let mut items: Vec<T> = Vec::new();
        let mut slice = Slice::after(self.cursor.clone(), 500);
        loop {
            let page = fetch(&slice)?;
            for item in page.items {
                if !visible(&item)? {
                    continue;
                }
                if items.len() == limit {
                    return Ok(Page { next_cursor: items.last().map(&key), items });
                }
                items.push(item);
            }
            match page.next_cursor {
                Some(cursor) => slice.cursor = Some(cursor),
                None => return Ok(Page { items, next_cursor: None }),
            }
        }
    }
}

/// Every item of a list that the store gives in slices.
pub(crate) fn all<T>(
    fetch: impl Fn(&Slice) -> Result<glovebox_store::Page<T>, StoreError>,
) -> Result<Vec<T>, EngineError> {
    let mut items = Vec::new();
    let mut slice = Slice::first(1_000);
    loop {
        let page = fetch(&slice)?;
        items.extend(page.items);
        match page.next_cursor {
            Some(cursor) => slice.cursor = Some(cursor),
            None => return Ok(items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch(slice: &Slice) -> Result<glovebox_store::Page<u32>, StoreError> {
        let after = slice.cursor.as_deref().map_or(0, |cursor| cursor.parse().unwrap());
        let items: Vec<u32> = (after + 1..=20).take(3).collect();
        let next_cursor = items.last().filter(|last| **last < 20).map(ToString::to_string);
        Ok(glovebox_store::Page { items, next_cursor })
    }

    #[test]
    fn pages_cover_what_is_visible_once() {
        let mut query = PageQuery { cursor: None, limit: 4 };
        let mut seen = Vec::new();
        let mut pages = 0;
        loop {
            let page = query.visible(fetch, ToString::to_string, |item| Ok(item % 2 == 0)).unwrap();
            seen.extend(page.items);
            pages += 1;
            match page.next_cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!((seen, pages), ((1..=10).map(|half| half * 2).collect::<Vec<u32>>(), 3));
        assert_eq!(all(fetch).unwrap(), (1..=20).collect::<Vec<u32>>());
    }
}
