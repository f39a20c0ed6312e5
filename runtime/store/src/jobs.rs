//! Jobs: rows whose state changes by compare-and-set.

use glovebox_audit::{Draft, Event};
use glovebox_catalog::{
    DatasetId, GrantId, JobId, ModuleId, OrganisationId, PrincipalId, Refusal, ReleaseId, Timestamp,
};
use glovebox_meter::{Amounts, PrivacyLoss};
use serde::{Deserialize, Serialize};

use crate::changes::Changes;
use crate::records::{self, Table};
use crate::{Page, Slice, Store, StoreError};

/// States that a job ends in.
const FINAL: [&str; 5] = ["released", "withheld", "refused", "failed", "killed"];

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// Its id; ids sort by time of submission.
    pub id: JobId,
    /// The grant it runs under.
    pub grant: GrantId,
    /// The dataset it runs on.
    pub dataset: DatasetId,
    /// The supplier of the dataset.
    pub supplier: OrganisationId,
    /// The module.
    pub module: ModuleId,
    /// The request as it was submitted, JSON.
    pub request: String,
    /// Organisation it runs for.
    pub organisation: OrganisationId,
    /// Who submitted it.
    pub submitted_by: PrincipalId,
    /// When.
    pub submitted_at: Timestamp,
    /// `queued`, `running`, `in-review`, `released`, `withheld`, `refused`, `failed` or `killed`.
    pub state: String,
    /// Why it was withheld, refused or failed.
    #[serde(default)]
    pub reasons: Vec<Refusal>,
    /// The release, once released.
    #[serde(default)]
    pub release: Option<ReleaseId>,
    /// What it holds of the grant's budget; none before it is reserved and after it is settled or refunded.
    #[serde(default)]
    pub reservation: Option<Amounts>,
    /// What it holds of its dataset's privacy, until it is spent or given back.
    #[serde(default)]
    pub privacy: Option<PrivacyLoss>,
    /// What was committed for it.
    #[serde(default)]
    pub used: Option<Amounts>,
    /// When it started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// The snapshot it reads.
    #[serde(default)]
    pub snapshot: Option<u32>,
}

/// What a transition sets beside the state; what is none stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobPatch {
    /// Why it was withheld, refused or failed.
    pub reasons: Option<Vec<Refusal>>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The snapshot it reads.
    pub snapshot: Option<u32>,
}

/// Which jobs are asked for; what is none is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobFilter<'a> {
    /// Jobs of this organisation.
    pub organisation: Option<&'a OrganisationId>,
    /// Jobs on datasets of this supplier.
    pub supplier: Option<&'a OrganisationId>,
    /// Jobs under this grant.
    pub grant: Option<&'a GrantId>,
    /// Jobs in this state.
    pub state: Option<&'a str>,
}

impl Store {
    /// Keeps a job that was submitted. It holds no reservation yet.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its id is taken, [`StoreError::NotFound`] for an unknown grant.
    pub fn insert_job(&self, job: &JobRow, audit: Draft) -> Result<Event, StoreError> {
        let kept = self.write(audit, |changes| {
            changes.known::<glovebox_catalog::Grant>(Table::Grants, job.grant.as_str())?;
            let job = JobRow { reservation: None, privacy: None, used: None, ..job.clone() };
            changes.insert(Table::Jobs, job.id.as_str(), &job)
        });
        kept.map(|((), event)| event)
    }

    /// Moves a job from one of the states `from` to `to`. Of several that try at once, one succeeds.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the job stands elsewhere, or would end while it holds a reservation
    /// ([`Store::settle`] or [`Store::refund`] it).
    pub fn transition(
        &self,
        id: &JobId,
        from: &[&str],
        to: &str,
        patch: JobPatch,
        audit: Draft,
    ) -> Result<(JobRow, Event), StoreError> {
        self.write(audit, |changes| {
            let mut job = in_state(changes, id, from)?;
            if FINAL.contains(&to) && job.reservation.is_some() {
                return Err(conflict(id, "without a reservation", "holding one"));
            }
            job.state = to.to_owned();
            job.reasons = patch.reasons.unwrap_or(job.reasons);
            job.started_at = patch.started_at.or(job.started_at);
            job.ended_at = patch.ended_at.or(job.ended_at);
            job.snapshot = patch.snapshot.or(job.snapshot);
            changes.update(Table::Jobs, id.as_str(), &job)?;
            Ok(job)
        })
    }

    /// Reads a job.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn job(&self, id: &JobId) -> Result<Option<JobRow>, StoreError> {
        self.read(|connection| records::find(connection, Table::Jobs, id.as_str()))
    }

    /// Lists jobs, the newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn jobs(&self, filter: JobFilter<'_>, slice: &Slice) -> Result<Page<JobRow>, StoreError> {
        let conditions = [
            ("organisation = ?", filter.organisation.map(OrganisationId::as_str)),
            ("supplier = ?", filter.supplier.map(OrganisationId::as_str)),
            ("\"grant\" = ?", filter.grant.map(GrantId::as_str)),
            ("state = ?", filter.state),
        ];
        self.read(|connection| records::list(connection, Table::Jobs, &conditions, slice))
    }

    /// Every job that is queued or running, the oldest first: what a restart goes on with. A running one may hold a
    /// reservation, a queued one too if the stop came between reservation and start.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn unfinished(&self) -> Result<Vec<JobRow>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT body FROM jobs WHERE state IN ('queued', 'running') ORDER BY id";
            let mut statement = connection.prepare_cached(sql)?;
            let bodies = statement.query_map([], |row| row.get::<_, String>(0))?;
            bodies.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        })
    }
}

/// The job, if it stands in one of the states `from`.
pub(crate) fn in_state(changes: &Changes<'_>, id: &JobId, from: &[&str]) -> Result<JobRow, StoreError> {
    let job: JobRow = changes.known(Table::Jobs, id.as_str())?;
    if from.contains(&job.state.as_str()) { Ok(job) } else { Err(conflict(id, &from.join(" or "), &job.state)) }
}

pub(crate) fn conflict(id: &JobId, expected: &str, found: &str) -> StoreError {
    StoreError::Conflict {
        kind: Table::Jobs.kind(),
        id: id.to_string(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}
