//! Records as rows: an id, a JSON, and a digest of it in the log.

use glovebox_gm::{Digest, sm3};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Page, Slice, StoreError};

/// A table of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Organisations,
    Principals,
    Datasets,
    Snapshots,
    Grants,
    Modules,
    Jobs,
    Accounts,
    Releases,
    Receipts,
    Reviews,
    CohortSets,
    PrivacyAccounts,
}

/// Prefix of the details under which events hold the digests of the records that they wrote.
pub(crate) const DIGEST_DETAIL: &str = "sm3:";

impl Table {
    pub(crate) const ALL: [Self; 13] = [
        Self::Organisations,
        Self::Principals,
        Self::Datasets,
        Self::Snapshots,
        Self::Grants,
        Self::Modules,
        Self::Jobs,
        Self::Accounts,
        Self::Releases,
        Self::Receipts,
        Self::Reviews,
        Self::CohortSets,
        Self::PrivacyAccounts,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Organisations => "organisations",
            Self::Principals => "principals",
            Self::Datasets => "datasets",
            Self::Snapshots => "snapshots",
            Self::Grants => "grants",
            Self::Modules => "modules",
            Self::Jobs => "jobs",
            Self::Accounts => "accounts",
            Self::Releases => "releases",
            Self::Receipts => "receipts",
            Self::Reviews => "reviews",
            Self::CohortSets => "cohort_sets",
            Self::PrivacyAccounts => "privacy_accounts",
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        let name = self.name();
        name.strip_suffix('s').unwrap_or(name)
    }

    /// Under which detail an event holds the digest of record `id`.
    pub(crate) fn detail(self, id: &str) -> String {
        format!("{DIGEST_DETAIL}{}/{id}", self.kind())
    }

    /// Newest first where ids are made by the enclave in the order of time.
    fn is_newest_first(self) -> bool {
        matches!(self, Self::Jobs | Self::Releases | Self::Reviews)
    }
}

/// Digest of a record as it stands in its row.
pub(crate) fn digest(body: &str) -> Digest {
    sm3(body.as_bytes())
}

/// Inserts a record; its digest is for the event.
pub(crate) fn insert<T: Serialize>(
    connection: &Connection,
    table: Table,
    id: &str,
    record: &T,
) -> Result<Digest, StoreError> {
    let body = serde_json::to_string(record)?;
    let sql = format!("INSERT INTO {} (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING", table.name());
    match connection.prepare_cached(&sql)?.execute(params![id, body])? {
        1 => Ok(digest(&body)),
        _ => Err(StoreError::Exists { kind: table.kind(), id: id.to_owned() }),
    }
}

/// Replaces a record that is there.
pub(crate) fn update<T: Serialize>(
    connection: &Connection,
    table: Table,
    id: &str,
    record: &T,
) -> Result<Digest, StoreError> {
    let body = serde_json::to_string(record)?;
    let sql = format!("UPDATE {} SET body = ?2 WHERE id = ?1", table.name());
    match connection.prepare_cached(&sql)?.execute(params![id, body])? {
        1 => Ok(digest(&body)),
        _ => Err(StoreError::NotFound { kind: table.kind(), id: id.to_owned() }),
    }
}

/// Reads a record.
pub(crate) fn find<T: DeserializeOwned>(
    connection: &Connection,
    table: Table,
    id: &str,
) -> Result<Option<T>, StoreError> {
    let sql = format!("SELECT body FROM {} WHERE id = ?1", table.name());
    let body: Option<String> = connection.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

/// Reads a record that must be there.
pub(crate) fn known<T: DeserializeOwned>(connection: &Connection, table: Table, id: &str) -> Result<T, StoreError> {
    find(connection, table, id)?.ok_or_else(|| StoreError::NotFound { kind: table.kind(), id: id.to_owned() })
}

/// Reads one page of the records whose columns have the given values. `conditions` are (SQL with one `?`, value).
pub(crate) fn list<T: DeserializeOwned>(
    connection: &Connection,
    table: Table,
    conditions: &[(&str, Option<&str>)],
    slice: &Slice,
) -> Result<Page<T>, StoreError> {
    let (comparison, order) = if table.is_newest_first() { ("id < ?", "DESC") } else { ("id > ?", "ASC") };
    let cursor = (comparison, slice.cursor.as_deref());
    let asked: Vec<(&str, &str)> =
        conditions.iter().chain([&cursor]).filter_map(|(sql, value)| value.map(|value| (*sql, value))).collect();
    let filter = if asked.is_empty() {
        String::new()
    } else {
        format!("WHERE {}", asked.iter().map(|(sql, _)| *sql).collect::<Vec<_>>().join(" AND "))
    };
    let rows = slice.rows();
    let sql = format!("SELECT id, body FROM {} {filter} ORDER BY id {order} LIMIT {}", table.name(), rows + 1);
    let values: Vec<&dyn ToSql> = asked.iter().map(|(_, value)| value as &dyn ToSql).collect();
    let mut statement = connection.prepare_cached(&sql)?;
    let read = statement
        .query_map(values.as_slice(), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
        .map(|row| {
            let (id, body) = row?;
            Ok((id, serde_json::from_str(&body)?))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Page::cut(read, rows))
}
