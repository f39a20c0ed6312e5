//! Cohorts: the sets of persons that figures were released of, as the differencing guard compares new ones with them.
//!
//! The store keeps what it is given: sketches and persons come sealed by the vault. One job's cohorts stand behind
//! one digest in the event that claims them.

use std::fmt::Write as _;
use std::ops::Range;

use glovebox_audit::{Draft, Event};
use glovebox_catalog::{DatasetId, JobId};
use glovebox_gm::{Digest, sm3};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::changes::Changes;
use crate::jobs::in_state;
use crate::records::Table;
use crate::{Store, StoreError};

/// A set of persons of one dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CohortRow {
    /// Its number in the dataset: the numbers go on without a gap from those that are there, in order.
    pub number: u64,
    /// Its sketch, sealed.
    pub sketch: Vec<u8>,
    /// Its persons, sealed.
    pub persons: Vec<u8>,
}

/// What one job claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CohortClaim {
    /// The job.
    pub job: JobId,
    /// Numbers of its cohorts.
    pub numbers: Range<u64>,
}

/// What the log says of the cohorts of one release.
#[derive(Debug, Serialize, Deserialize)]
struct CohortSet {
    dataset: DatasetId,
    job: JobId,
    /// Number of the first one.
    first: u64,
    count: u64,
    /// SM3 over number, digest of the sketch and digest of the persons of each, in order.
    cohorts_sm3: Digest,
}

impl Store {
    /// Number and sealed sketch of every cohort of a dataset, in order: what the guard's index is built of.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn cohort_sketches(&self, dataset: &DatasetId) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT number, sketch FROM cohorts WHERE dataset = ?1 ORDER BY number";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement
                .query_map([dataset.as_str()], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })
    }

    /// Which jobs claimed which cohorts of a dataset, in the order of their numbers.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn cohort_claims(&self, dataset: &DatasetId) -> Result<Vec<CohortClaim>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT body FROM cohort_sets WHERE dataset = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let bodies = statement.query_map([dataset.as_str()], |row| row.get::<_, String>(0))?;
            let mut claims = bodies
                .map(|body| {
                    let CohortSet { job, first, count, .. } = serde_json::from_str(&body?)?;
                    Ok(CohortClaim { job, numbers: first..first.saturating_add(count) })
                })
                .collect::<Result<Vec<_>, StoreError>>()?;
            claims.sort_by_key(|claim| claim.numbers.start);
            Ok(claims)
        })
    }

    /// How many cohorts a dataset has: the number of the next one.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn cohort_count(&self, dataset: &DatasetId) -> Result<u64, StoreError> {
        self.read(|connection| next_number(connection, dataset))
    }

    /// The sealed persons of one cohort, compared with their digest.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Corrupt`] when they are not what was written.
    pub fn cohort_persons(&self, dataset: &DatasetId, number: u64) -> Result<Vec<u8>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT persons, persons_sm3 FROM cohort_persons JOIN cohorts USING (dataset, number)
                 WHERE dataset = ?1 AND number = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let found: Option<(Vec<u8>, String)> = statement
                .query_row(params![dataset.as_str(), number.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let (persons, digest) =
                found.ok_or_else(|| StoreError::NotFound { kind: KIND, id: name(dataset, number) })?;
            if sm3(&persons).to_string() == digest {
                Ok(persons)
            } else {
                Err(StoreError::corrupt(format!("{KIND} `{}` is not what was written", name(dataset, number))))
            }
        })
    }
}

impl Store {
    /// Keeps the sets of persons that a running job's output tells something of. From now on they count as released,
    /// whether the output leaves after all or not: so no job is ever judged without them.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the job does not run, or the numbers do not go on from [`Store::cohort_count`]
    /// (`cohort`): then they were judged without knowledge of others.
    pub fn claim_cohorts(&self, job: &JobId, cohorts: &[CohortRow], audit: Draft) -> Result<Event, StoreError> {
        let claimed = self.write(audit, |changes| {
            let job = in_state(changes, job, &["running"])?;
            keep(changes, &job.dataset, &job.id, cohorts)
        });
        claimed.map(|((), event)| event)
    }
}

const KIND: &str = "cohort";

fn name(dataset: &DatasetId, number: u64) -> String {
    format!("{dataset}.{number}")
}

fn next_number(connection: &Connection, dataset: &DatasetId) -> Result<u64, StoreError> {
    let sql = "SELECT COALESCE(MAX(number) + 1, 0) FROM cohorts WHERE dataset = ?1";
    let number: i64 = connection.prepare_cached(sql)?.query_row([dataset.as_str()], |row| row.get(0))?;
    Ok(number.cast_unsigned())
}

/// Keeps the cohorts of a job. Refuses numbers that don't go on from what is there: then they were judged without
/// knowledge of a release that was committed meanwhile, and the two together may tell what neither tells alone.
fn keep(changes: &mut Changes<'_>, dataset: &DatasetId, job: &JobId, cohorts: &[CohortRow]) -> Result<(), StoreError> {
    let Some(first) = cohorts.first().map(|cohort| cohort.number) else { return Ok(()) };
    let free = next_number(changes.connection(), dataset)?;
    for (next, cohort) in (free..).zip(cohorts) {
        if cohort.number != next {
            let (expected, found) =
                (format!("judged against all {next} before it"), format!("number {}", cohort.number));
            return Err(StoreError::Conflict { kind: KIND, id: name(dataset, cohort.number), expected, found });
        }
        let number = cohort.number.cast_signed();
        let persons_sm3 = sm3(&cohort.persons).to_string();
        changes
            .connection()
            .prepare_cached("INSERT INTO cohorts (dataset, number, sketch, persons_sm3) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![dataset.as_str(), number, cohort.sketch, persons_sm3])?;
        changes
            .connection()
            .prepare_cached("INSERT INTO cohort_persons (dataset, number, persons) VALUES (?1, ?2, ?3)")?
            .execute(params![dataset.as_str(), number, cohort.persons])?;
    }
    let count = cohorts.len() as u64;
    let (_, cohorts_sm3) = digest_of(changes.connection(), dataset, first, count)?;
    let set = CohortSet { dataset: dataset.clone(), job: job.clone(), first, count, cohorts_sm3 };
    changes.insert(Table::CohortSets, &name(dataset, first), &set)
}

/// Every cohort belongs to a set, is what its set's digest says, and has its persons. The persons are compared with
/// their digest when they are read: there may be gigabytes of them.
pub(crate) fn check(connection: &Connection) -> Result<(), StoreError> {
    let mut sets = connection.prepare("SELECT body FROM cohort_sets")?;
    let mut bodies = sets.query([])?;
    let mut expected = 0_u64;
    while let Some(row) = bodies.next()? {
        let set: CohortSet = serde_json::from_str(&row.get::<_, String>(0)?)?;
        let found = digest_of(connection, &set.dataset, set.first, set.count)?;
        if found != (set.count, set.cohorts_sm3) {
            return Err(StoreError::corrupt(format!("the cohorts of job `{}` are not what was written", set.job)));
        }
        expected += set.count;
    }
    let count = |table: &str| -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        Ok(connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    };
    if count("cohorts")? == expected && count("cohort_persons")? == expected {
        Ok(())
    } else {
        Err(StoreError::corrupt("there are more cohorts than were written, or persons of one are missing"))
    }
}

/// How many cohorts stand from `first` on, of `count`, and the digest over them.
fn digest_of(
    connection: &Connection,
    dataset: &DatasetId,
    first: u64,
    count: u64,
) -> Result<(u64, Digest), StoreError> {
    let sql = "SELECT number, sketch, persons_sm3 FROM cohorts
         WHERE dataset = ?1 AND number >= ?2 AND number < ?3 ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let end = first.saturating_add(count).cast_signed();
    let mut rows = statement.query(params![dataset.as_str(), first.cast_signed(), end])?;
    let (mut found, mut lines) = (0, String::new());
    while let Some(row) = rows.next()? {
        let (number, persons_sm3) = (row.get::<_, i64>(0)?, row.get_ref(2)?);
        let sketch = row.get_ref(1)?.as_blob().map_err(|_| StoreError::corrupt("a sketch is no bytes"))?;
        let persons_sm3 = persons_sm3.as_str().map_err(|_| StoreError::corrupt("a digest is no text"))?;
        writeln!(lines, "{number} {} {persons_sm3}", sm3(sketch))
            .map_err(|error| StoreError::corrupt(error.to_string()))?;
        found += 1;
    }
    Ok((found, sm3(lines.as_bytes())))
}
