//! Lists come in pages; `every` walks through all of them.

use std::future::Future;

use glovebox_api::Page;

use crate::ClientError;

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paging {
    /// `next_cursor` of the page before; none for the first.
    pub cursor: Option<String>,
    /// Items on a page, 1 to 500; the server's 50 when none.
    pub limit: Option<u32>,
}

impl Paging {
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let cursor = self.cursor.iter().map(|cursor| ("cursor", cursor.clone()));
        cursor.chain(self.limit.map(|limit| ("limit", limit.to_string()))).collect()
    }
}

/// Every item of a list: `every(|page| async move { client.jobs(&page).await })`.
///
/// # Errors
/// What the list answers.
pub async fn every<T, F>(mut list: impl FnMut(Paging) -> F) -> Result<Vec<T>, ClientError>
where
    F: Future<Output = Result<Page<T>, ClientError>>,
{
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let page = list(Paging { cursor, limit: Some(500) }).await?;
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(items);
        }
    }
}
