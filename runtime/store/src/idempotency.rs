//! Idempotency keys: a request that is sent again gets the answer of the first time.
//!
//! A key is claimed before the request is carried out and answered after, so that of two at once one is carried out.
//! Answers are no state of the zone: they carry no event and may be pruned.

use glovebox_catalog::{PrincipalId, Timestamp};
use glovebox_gm::Digest;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, StoreError};

/// How long an answer is kept: whoever sends a request again does so within days.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// An answer already given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Claim {
    /// The key is new: carry out the request, then [`Store::answer`] or [`Store::abandon`].
    New,
    /// The same request was carried out: give this answer.
    Answered(Answer),
    /// The same request is being carried out.
    InProgress,
    /// The key was used for another request.
    OtherRequest,
}

impl Store {
    /// Claims `key` of `principal` for the request with digest `request`. Forgets answers older than a week.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn claim(
        &self,
        principal: &PrincipalId,
        key: &str,
        request: Digest,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let request = request.to_string();
        let before = Timestamp::from_unix_ms(now.unix_ms().saturating_sub(KEPT_MS));
        self.read(|connection| {
            prune(connection, before)?;
            let inserted = connection
                .prepare_cached(
                    "INSERT INTO idempotency (principal, key, request_sm3, claimed_at) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (principal, key) DO NOTHING",
                )?
                .execute(params![principal.as_str(), key, request, now.unix_ms()])?;
            if inserted == 1 {
                return Ok(Claim::New);
            }
            let sql = "SELECT request_sm3, status, body FROM idempotency WHERE principal = ?1 AND key = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let found = statement
                .query_row(params![principal.as_str(), key], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, Option<u16>>(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
                })
                .optional()?;
            Ok(match found {
                Some((digest, _, _)) if digest != request => Claim::OtherRequest,
                Some((_, Some(status), Some(body))) => Claim::Answered(Answer { status, body }),
                _ => Claim::InProgress,
            })
        })
    }

    /// Keeps the answer to a claimed key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the key is not claimed, or answered already.
    pub fn answer(&self, principal: &PrincipalId, key: &str, answer: &Answer) -> Result<(), StoreError> {
        self.read(|connection| {
            let sql = "UPDATE idempotency SET status = ?3, body = ?4
                 WHERE principal = ?1 AND key = ?2 AND status IS NULL";
            let mut statement = connection.prepare_cached(sql)?;
            match statement.execute(params![principal.as_str(), key, answer.status, answer.body])? {
                1 => Ok(()),
                _ => Err(StoreError::NotFound { kind: "claim", id: key.to_owned() }),
            }
        })
    }

    /// Gives up a claim whose request was not carried out, so that it can be sent again.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn abandon(&self, principal: &PrincipalId, key: &str) -> Result<(), StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("DELETE FROM idempotency WHERE principal = ?1 AND key = ?2 AND status IS NULL")?
                .execute(params![principal.as_str(), key])?;
            Ok(())
        })
    }

    /// Forgets answered keys claimed before `before`; returns how many.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn prune_answers(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.read(|connection| prune(connection, before))
    }
}

/// What is being carried out still needs its claim, however old that is.
fn prune(connection: &Connection, before: Timestamp) -> Result<usize, StoreError> {
    let sql = "DELETE FROM idempotency WHERE claimed_at < ?1 AND status IS NOT NULL";
    Ok(connection.prepare_cached(sql)?.execute([before.unix_ms()])?)
}

/// What was being carried out when the process ended never gets its answer.
pub(crate) fn forget_unanswered(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("DELETE FROM idempotency WHERE status IS NULL", [])?;
    Ok(())
}
