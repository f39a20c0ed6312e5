//! Idempotency keys: a request that is sent again gets the answer of the first time.
//!
//! A key is claimed before the request is carried out and answered after, so that of two at once one is carried out.
//! Answers are no state of the zone: they carry no event and may be pruned. Each is sealed, since it is given for true.

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
        let claim = |answer| self.seal_answer(principal, key, &request, answer);
        let before = Timestamp::from_unix_ms(now.unix_ms().saturating_sub(KEPT_MS));
        self.read(|connection| {
            prune(connection, before)?;
            let inserted = connection
                .prepare_cached(
                    "INSERT INTO idempotency (principal, key, request_sm3, claimed_at, seal) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (principal, key) DO NOTHING",
                )?
                .execute(params![principal.as_str(), key, request, now.unix_ms(), claim(None)])?;
            if inserted == 1 {
                return Ok(Claim::New);
            }
            let sql = "SELECT request_sm3, status, body, seal FROM idempotency WHERE principal = ?1 AND key = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let (digest, status, body, seal) = statement.query_row(params![principal.as_str(), key], |row| {
                let (status, body): (Option<u16>, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
                Ok((row.get::<_, String>(0)?, status, body, row.get::<_, String>(3)?))
            })?;
            let answer = status.zip(body).map(|(status, body)| Answer { status, body });
            if seal != self.seal_answer(principal, key, &digest, answer.as_ref()) {
                return Err(StoreError::corrupt(format!("the answer kept for a request of `{principal}`")));
            }
            Ok(match answer {
                _ if digest != request => Claim::OtherRequest,
                Some(answer) => Claim::Answered(answer),
                None => Claim::InProgress,
            })
        })
    }

    /// Keeps the answer to a claimed key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the key is not claimed, or answered already.
    pub fn answer(&self, principal: &PrincipalId, key: &str, answer: &Answer) -> Result<(), StoreError> {
        self.read(|connection| {
            let key_of = params![principal.as_str(), key];
            let sql = "SELECT request_sm3 FROM idempotency WHERE principal = ?1 AND key = ?2 AND status IS NULL";
            let request: Option<String> =
                connection.prepare_cached(sql)?.query_row(key_of, |row| row.get(0)).optional()?;
            let request = request.ok_or_else(|| StoreError::NotFound { kind: "claim", id: key.to_owned() })?;
            let seal = self.seal_answer(principal, key, &request, Some(answer));
            let sql = "UPDATE idempotency SET status = ?3, body = ?4, seal = ?5 WHERE principal = ?1 AND key = ?2";
            connection.prepare_cached(sql)?.execute(params![
                principal.as_str(),
                key,
                answer.status,
                answer.body,
                seal
            ])?;
            Ok(())
        })
    }

    fn seal_answer(&self, principal: &PrincipalId, key: &str, request: &str, answer: Option<&Answer>) -> String {
        let (status, body) = answer.map_or((0, &[][..]), |answer| (answer.status, answer.body.as_slice()));
        let parts = [principal.as_str().as_bytes(), key.as_bytes(), request.as_bytes(), &status.to_be_bytes(), body];
        self.key.seal("answer", &parts).to_string()
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
