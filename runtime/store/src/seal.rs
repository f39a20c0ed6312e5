//! Seals of what the log's own tree does not cover, under a key that the database does not hold.
//!
//! Whoever can write to the file could make a whole log of their own: digests need no key. So each commit seals id, size
//! and root of the log, and each signed head and kept answer is sealed by itself.

use glovebox_audit::Log;
use glovebox_catalog::Timestamp;
use glovebox_gm::{Digest, Key256, hkdf_sm3_256, hmac_sm3};
use rusqlite::{Connection, OptionalExtension, params};

use crate::StoreError;

/// The key of the state's seals. It is kept outside of the database, sealed with the enclave's own key.
#[derive(Debug, Clone)]
pub struct StateKey(Key256);

impl StateKey {
    /// A key for the state, derived from `key`, which may serve for other ends, too.
    #[must_use]
    pub fn derive(key: &Key256) -> Self {
        Self(hkdf_sm3_256(key, b"", b"glovebox state seal v1"))
    }

    /// HMAC-SM3 over `kind` and `parts`, each with its length before it, so that no two lists of parts look alike.
    pub(crate) fn seal(&self, kind: &str, parts: &[&[u8]]) -> Digest {
        let mut message = Vec::new();
        for part in [kind.as_bytes()].iter().chain(parts) {
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part);
        }
        Digest::from_bytes(hmac_sm3(&self.0, &message))
    }
}

/// What stands in `log_state`.
pub(crate) struct LogState {
    pub(crate) log_id: String,
    pub(crate) size: u64,
    pub(crate) root: String,
    /// How many signed tree heads are kept.
    pub(crate) heads: u64,
    /// The latest time that an event has.
    pub(crate) latest: Timestamp,
}

impl LogState {
    fn seal(&self, key: &StateKey) -> String {
        let Self { log_id, size, root, heads, latest } = self;
        let (size, heads, latest) = (size.to_be_bytes(), heads.to_be_bytes(), latest.unix_ms().to_be_bytes());
        let parts: [&[u8]; 5] = [log_id.as_bytes(), &size, root.as_bytes(), &heads, &latest];
        key.seal("log", &parts).to_string()
    }

    pub(crate) fn write(&self, connection: &Connection, key: &StateKey) -> Result<(), StoreError> {
        connection
            .prepare_cached(
                "INSERT INTO log_state (only_row, log_id, size, root, heads, latest_ms, seal)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (only_row) DO UPDATE SET size = ?2, root = ?3, heads = ?4, latest_ms = ?5, seal = ?6",
            )?
            .execute(params![
                self.log_id,
                self.size.cast_signed(),
                self.root,
                self.heads.cast_signed(),
                self.latest.unix_ms(),
                self.seal(key)
            ])?;
        Ok(())
    }
}

/// Begins a log in a new file.
pub(crate) fn begin_log(connection: &Connection, key: &StateKey) -> Result<(), StoreError> {
    let log_id: String = connection.query_row("SELECT 'log-' || lower(hex(randomblob(8)))", [], |row| row.get(0))?;
    let log = Log::new(log_id.clone());
    let latest = Timestamp::from_unix_ms(0);
    LogState { log_id, size: 0, root: log.root().to_string(), heads: 0, latest }.write(connection, key)
}

/// The state of the log as it was sealed.
///
/// # Errors
/// [`StoreError::Corrupt`] when there is none, or it was sealed under another key.
pub(crate) fn log_state(connection: &Connection, key: &StateKey) -> Result<LogState, StoreError> {
    let found = connection
        .query_row("SELECT log_id, size, root, heads, latest_ms, seal FROM log_state WHERE only_row = 1", [], |row| {
            let (size, heads) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(3)?.cast_unsigned());
            let latest = Timestamp::from_unix_ms(row.get(4)?);
            Ok((LogState { log_id: row.get(0)?, size, root: row.get(2)?, heads, latest }, row.get::<_, String>(5)?))
        })
        .optional()?;
    let (state, seal) = found.ok_or_else(|| StoreError::corrupt("it holds no log"))?;
    if seal == state.seal(key) {
        Ok(state)
    } else {
        Err(StoreError::corrupt("the state of the log was not sealed by this enclave"))
    }
}

/// Seals what the log is now, and the latest time that an event of it has.
pub(crate) fn note_log(
    connection: &Connection,
    key: &StateKey,
    log: &Log,
    latest: Timestamp,
) -> Result<(), StoreError> {
    let state = log_state(connection, key)?;
    LogState { size: log.size(), root: log.root().to_string(), latest, ..state }.write(connection, key)
}

/// Lets the next event have a time from `latest` on, be it earlier than those before.
pub(crate) fn set_latest(connection: &Connection, key: &StateKey, latest: Timestamp) -> Result<(), StoreError> {
    LogState { latest, ..log_state(connection, key)? }.write(connection, key)
}

/// Keeps a signed tree head, sealed, unless one of its size is kept.
pub(crate) fn keep_head(connection: &Connection, key: &StateKey, size: u64, body: &str) -> Result<(), StoreError> {
    let transaction = connection.unchecked_transaction()?;
    let inserted = transaction
        .prepare_cached("INSERT INTO tree_heads (size, body, seal) VALUES (?1, ?2, ?3) ON CONFLICT (size) DO NOTHING")?
        .execute(params![size.cast_signed(), body, head_seal(key, size, body)])?;
    if inserted == 1 {
        let state = log_state(&transaction, key)?;
        LogState { heads: state.heads.saturating_add(1), ..state }.write(&transaction, key)?;
    }
    Ok(transaction.commit()?)
}

/// The seal of a signed tree head.
pub(crate) fn head_seal(key: &StateKey, size: u64, body: &str) -> String {
    key.seal("tree head", &[&size.to_be_bytes(), body.as_bytes()]).to_string()
}
