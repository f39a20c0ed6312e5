//! Releases and receipts.

use glovebox_audit::{AuditError, Cosignature, Receipt, STATEMENT_DETAIL, SignedTreeHead, Statement, TreeHead};
use glovebox_catalog::{JobId, OrganisationId, ReleaseId, Timestamp};
use glovebox_gm::Signature;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::log::{event_at, signed_head};
use crate::records::{self, Table};
use crate::{Page, Slice, Store, StoreError};

/// A release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRow {
    /// Its id; ids sort by time.
    pub id: ReleaseId,
    /// The job that it came from.
    pub job: JobId,
    /// Organisation that the job ran for.
    pub organisation: OrganisationId,
    /// When.
    pub created_at: Timestamp,
    /// The release document as the gate wrote it, JSON. Its bytes are what the receipt's output digest is over.
    pub document: String,
}

/// What is kept of a receipt; event, proof and head are joined when it is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReceiptRecord {
    pub(crate) release: Option<ReleaseId>,
    /// Place of its event in the log.
    pub(crate) sequence: u64,
    pub(crate) statement: Statement,
    pub(crate) signature: Signature,
}

impl Store {
    /// Reads a release.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn release(&self, id: &ReleaseId) -> Result<Option<ReleaseRow>, StoreError> {
        self.read(|connection| records::find(connection, Table::Releases, id.as_str()))
    }

    /// Lists releases, the newest first, of one organisation or of all.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn releases(
        &self,
        organisation: Option<&OrganisationId>,
        slice: &Slice,
    ) -> Result<Page<ReleaseRow>, StoreError> {
        let conditions = [("organisation = ?", organisation.map(OrganisationId::as_str))];
        self.read(|connection| records::list(connection, Table::Releases, &conditions, slice))
    }

    /// The event that records the receipt of a job; none when it has no receipt.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn receipt_sequence(&self, job: &JobId) -> Result<Option<u64>, StoreError> {
        self.read(|connection| {
            let record: Option<ReceiptRecord> = records::find(connection, Table::Receipts, job.as_str())?;
            Ok(record.map(|record| record.sequence))
        })
    }

    /// Jobs whose receipts are recorded from event `sequence` on, each with its event, in order.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn receipts_from(&self, sequence: u64) -> Result<Vec<(u64, JobId)>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT sequence, id FROM receipts WHERE sequence >= ?1 ORDER BY sequence";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([sequence.min(i64::MAX.cast_unsigned()).cast_signed()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })?;
            rows.map(|row| {
                let (sequence, job) = row?;
                let job = JobId::new(job).map_err(|_| StoreError::corrupt("a receipt of no job"))?;
                Ok((sequence.cast_unsigned(), job))
            })
            .collect()
        })
    }

    /// The receipt of a job, proven against `cosigned` if that head covers it, else against the latest signed tree head that
    /// does; `sign` makes one at `now` when there is none yet.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a job without a receipt, [`StoreError::Audit`] when `sign` fails.
    pub fn receipt(
        &self,
        job: &JobId,
        cosigned: Option<(SignedTreeHead, Vec<Cosignature>)>,
        now: Timestamp,
        sign: impl FnOnce(TreeHead) -> Result<SignedTreeHead, AuditError>,
    ) -> Result<Receipt, StoreError> {
        self.read_log(|connection, log| {
            let ReceiptRecord { statement, signature, sequence, .. } =
                records::known(connection, Table::Receipts, job.as_str())?;
            let event = event_at(connection, sequence)?;
            let (head, cosignatures) = match cosigned.filter(|(head, _)| head.head.size > sequence) {
                Some(cosigned) => cosigned,
                None => (signed_head((connection, &self.key), log, sequence + 1, now, sign)?, Vec::new()),
            };
            let inclusion = log.inclusion_proof_at(event.sequence, head.head.size)?;
            Ok(Receipt { statement, event, inclusion, head, signature, cosignatures })
        })
    }
}

/// Every receipt stands at an event that names its statement.
pub(crate) fn check(connection: &Connection) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT body FROM receipts")?;
    let mut bodies = statement.query([])?;
    while let Some(row) = bodies.next()? {
        let ReceiptRecord { sequence, statement, .. } = serde_json::from_str(&row.get::<_, String>(0)?)?;
        let named = event_at(connection, sequence)?.detail.remove(STATEMENT_DETAIL);
        if named != Some(statement.digest()?.to_string()) {
            let what = format!("the receipt of job `{}` does not stand at the event of its end", statement.job);
            return Err(StoreError::corrupt(what));
        }
    }
    Ok(())
}
