//! Records as rows: an id, a JSON, a salt, and a commitment to all three in the log.

use glovebox_gm::{Digest, Key256, hmac_sm3};
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
    Suspensions,
}

/// Prefix of the details under which events hold the commitments to the records that they wrote.
pub(crate) const COMMITMENT_DETAIL: &str = "commitment:";

impl Table {
    pub(crate) const ALL: [Self; 14] = [
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
        Self::Suspensions,
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
            Self::Suspensions => "suspensions",
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        let name = self.name();
        name.strip_suffix('s').unwrap_or(name)
    }

    /// Under which detail an event holds the commitment to record `id`.
    pub(crate) fn detail(self, id: &str) -> String {
        format!("{COMMITMENT_DETAIL}{}/{id}", self.kind())
    }

    /// Newest first where ids are made by the enclave in the order of time.
    fn is_newest_first(self) -> bool {
        matches!(self, Self::Jobs | Self::Releases | Self::Reviews)
    }
}

/// Commitment to a record as it stands in its row: HMAC-SM3 of detail name and JSON, keyed by the row's salt.
///
/// It binds, since SM3 is collision resistant, and hides, since nobody who reads the log knows the salt: an unsalted
/// digest would let whoever knows all of a record but a few numbers find these by trying.
///
/// # Errors
/// [`StoreError::Corrupt`] for a salt of another length than 32 bytes.
pub(crate) fn commitment(detail: &str, salt: &[u8], body: &str) -> Result<Digest, StoreError> {
    let salt = Key256::from_slice(salt).map_err(|_| StoreError::corrupt("a salt is not 32 bytes"))?;
    let message = [detail.as_bytes(), b"\0", body.as_bytes()].concat();
    Ok(Digest::from_bytes(hmac_sm3(&salt, &message)))
}

/// Inserts a record; the commitment to it is for the event.
pub(crate) fn insert<T: Serialize>(
    connection: &Connection,
    table: Table,
    id: &str,
    record: &T,
) -> Result<Digest, StoreError> {
    let (body, salt) = (serde_json::to_string(record)?, salt()?);
    let sql = format!("INSERT INTO {} (id, body, salt) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING", table.name());
    match connection.prepare_cached(&sql)?.execute(params![id, body, salt.expose()])? {
        1 => commitment(&table.detail(id), salt.expose(), &body),
        _ => Err(StoreError::Exists { kind: table.kind(), id: id.to_owned() }),
    }
}

/// Replaces a record that is there. Its salt is drawn anew: the same content twice can't be told from two contents.
pub(crate) fn update<T: Serialize>(
    connection: &Connection,
    table: Table,
    id: &str,
    record: &T,
) -> Result<Digest, StoreError> {
    let (body, salt) = (serde_json::to_string(record)?, salt()?);
    let sql = format!("UPDATE {} SET body = ?2, salt = ?3 WHERE id = ?1", table.name());
    match connection.prepare_cached(&sql)?.execute(params![id, body, salt.expose()])? {
        1 => commitment(&table.detail(id), salt.expose(), &body),
        _ => Err(StoreError::NotFound { kind: table.kind(), id: id.to_owned() }),
    }
}

fn salt() -> Result<Key256, StoreError> {
    Key256::random().map_err(|_| StoreError::Randomness)
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
