//! Accounts: one for each grant, and one for each developer organisation on a dataset; and the end of a job, in which account, release, receipt and state change at once.

use glovebox_audit::{Draft, Event, STATEMENT_DETAIL, Statement};
use glovebox_catalog::{DatasetId, Grant, GrantId, GrantState, JobId, OrganisationId, Refusal, Timestamp};
use glovebox_gm::Signature;
use glovebox_meter::{Account, AccountHolder, Amounts, PrivacyLoss};

use crate::changes::Changes;
use crate::grants::state_name;
use crate::jobs::{JobRow, conflict, in_state};
use crate::privacy::{self, PrivacyReservation};
use crate::receipts::{ReceiptRecord, ReleaseRow};
use crate::records::{self, Table};
use crate::reviews::{self, ReviewStep};
use crate::{Store, StoreError, suspensions};

/// How a job that holds a reservation ends.
#[derive(Debug, Clone)]
pub struct Settlement<'a> {
    /// The job.
    pub job: JobId,
    /// States that it may stand in before.
    pub from: &'a [&'a str],
    /// Its final state.
    pub to: &'a str,
    /// Why it was withheld or failed.
    pub reasons: Vec<Refusal>,
    /// What is committed of its reservation; the rest is free again. What may have left is used, come what may.
    pub used: Amounts,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What leaves.
    pub release: Option<ReleaseRow>,
    /// The statement of its receipt, and the enclave's signature over it.
    pub statement: Option<(Statement, Signature)>,
    /// What is spent of the privacy loss that the job holds; the rest is free again. All of it once noise was drawn and
    /// something may have left.
    pub privacy_used: PrivacyLoss,
    /// The end of the review that the job waits for; required when it stands in review.
    pub review: Option<ReviewStep>,
}

impl<'a> Settlement<'a> {
    /// The end of a job of which nothing leaves and nobody gets a receipt; set the rest with `..`.
    #[must_use]
    pub fn new(job: JobId, from: &'a [&'a str], to: &'a str, used: Amounts, ended_at: Timestamp) -> Self {
        Self {
            job,
            from,
            to,
            reasons: Vec::new(),
            used,
            ended_at,
            release: None,
            statement: None,
            privacy_used: PrivacyLoss::ZERO,
            review: None,
        }
    }
}

/// What a reservation must fit: the budget of its grant, and what the dataset's supplier allows the developer's
/// organisation over all its grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLimits {
    /// By the terms of the grant.
    pub grant: Amounts,
    /// By the limits of the dataset.
    pub developer: Amounts,
}

impl Store {
    /// Sets `amounts` aside for a job that is queued or running and holds no reservation, in the account of its grant and
    /// in that of its organisation on the dataset.
    ///
    /// # Errors
    /// [`StoreError::Exhausted`] when one of the budgets does not suffice, [`StoreError::Conflict`] when the job has ended or
    /// holds a reservation; nothing is then reserved.
    pub fn reserve(
        &self,
        grant: &GrantId,
        limits: &BudgetLimits,
        amounts: Amounts,
        job: &JobId,
        audit: Draft,
    ) -> Result<Event, StoreError> {
        self.reserve_with_privacy(grant, limits, amounts, None, job, audit)
    }

    /// The same for a job that is released with noise: what it may lose is set aside in the same transaction, in the
    /// accounts of the dataset, of the grant and of the developer's organisation.
    ///
    /// # Errors
    /// As [`Store::reserve`], and [`StoreError::EpsilonExhausted`] when one of the accounts does not hold the loss.
    pub fn reserve_with_privacy(
        &self,
        grant: &GrantId,
        limits: &BudgetLimits,
        amounts: Amounts,
        privacy: Option<&PrivacyReservation>,
        job: &JobId,
        audit: Draft,
    ) -> Result<Event, StoreError> {
        let reserved = self.write(audit, |changes| {
            let mut row = in_state(changes, job, &["queued", "running"])?;
            if row.reservation.is_some() {
                return Err(conflict(job, "without a reservation", "holding one"));
            }
            if &row.grant != grant {
                return Err(conflict(job, &format!("under grant `{grant}`"), row.grant.as_str()));
            }
            for (holder, id, limit) in [
                (AccountHolder::Grant, grant.to_string(), limits.grant),
                (AccountHolder::Developer, developer_account(&row.dataset, &row.organisation), limits.developer),
            ] {
                let found: Option<Account> = changes.find(Table::Accounts, &id)?;
                let is_new = found.is_none();
                let mut account = found.unwrap_or_else(|| Account::new(limit));
                account.limit = limit;
                account.reserve(amounts).map_err(|exhausted| StoreError::Exhausted { exhausted, holder })?;
                if is_new {
                    changes.insert(Table::Accounts, &id, &account)?;
                } else {
                    changes.update(Table::Accounts, &id, &account)?;
                }
            }
            row.reservation = Some(amounts);
            if let Some(asked) = privacy {
                privacy::reserve(changes, &mut row, asked)?;
            }
            changes.update(Table::Jobs, job.as_str(), &row)
        });
        reserved.map(|((), event)| event)
    }

    /// Ends a job that holds a reservation: commits what was used, refunds the rest, keeps release and receipt, sets the
    /// final state and records the event, all in one transaction. The event gets the statement's digest.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the job stands elsewhere or holds no reservation, when something would leave under
    /// a grant that is not active any more (`grant`), or by a review that has changed meanwhile (`review`); nothing has
    /// then changed.
    pub fn settle(&self, settlement: Settlement<'_>, audit: Draft) -> Result<(JobRow, Event), StoreError> {
        let Settlement { job: id, from, to, reasons, used, ended_at, release, statement, privacy_used, review } =
            settlement;
        self.write(audit, |changes| {
            let mut job = in_state(changes, &id, from)?;
            if release.is_some() {
                check_grant(changes, &job)?;
            }
            reviews::end_with_job(changes, &job, review.as_ref())?;
            commit(changes, &mut job, used)?;
            privacy::commit(changes, &mut job, privacy_used)?;
            job.state = to.to_owned();
            job.reasons = reasons;
            job.used = Some(used);
            job.ended_at = Some(ended_at);
            job.release = release.as_ref().map(|release| release.id.clone());
            changes.update(Table::Jobs, id.as_str(), &job)?;
            if let Some(release) = release {
                changes.insert(Table::Releases, release.id.as_str(), &release)?;
            }
            if let Some((statement, signature)) = statement {
                changes.detail(STATEMENT_DETAIL, statement.digest()?.to_string());
                let (release, sequence) = (job.release.clone(), changes.sequence());
                let record = ReceiptRecord { release, sequence, statement, signature };
                changes.insert(Table::Receipts, id.as_str(), &record)?;
            }
            Ok(job)
        })
    }

    /// Gives back the whole reservation of a job of which nothing ran yet. The job stays in its state.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the job has ended or holds no reservation.
    pub fn refund(&self, id: &JobId, audit: Draft) -> Result<Event, StoreError> {
        let refunded = self.write(audit, |changes| {
            let mut job = in_state(changes, id, &["queued", "running"])?;
            commit(changes, &mut job, Amounts::default())?;
            privacy::commit(changes, &mut job, PrivacyLoss::ZERO)?;
            changes.update(Table::Jobs, id.as_str(), &job)
        });
        refunded.map(|((), event)| event)
    }

    /// The account of a grant; none before its first reservation.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn account(&self, grant: &GrantId) -> Result<Option<Account>, StoreError> {
        self.read(|connection| records::find(connection, Table::Accounts, grant.as_str()))
    }
}

impl Store {
    /// What a developer organisation has used of a dataset, over all its grants; none before its first reservation.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn developer_account(
        &self,
        dataset: &DatasetId,
        developer: &OrganisationId,
    ) -> Result<Option<Account>, StoreError> {
        self.read(|connection| records::find(connection, Table::Accounts, &developer_account(dataset, developer)))
    }
}

/// `<dataset>/developer/<organisation>`. The id of a grant holds no slash, so the two never meet.
fn developer_account(dataset: &DatasetId, developer: &OrganisationId) -> String {
    format!("{dataset}/developer/{developer}")
}

/// What leaves, leaves under a grant that is active at that moment: whoever stopped it while the job ran was told so.
fn check_grant(changes: &Changes<'_>, job: &JobRow) -> Result<(), StoreError> {
    let grant: Grant = changes.known(Table::Grants, job.grant.as_str())?;
    let stopped = suspensions::stopped(changes, job)?;
    if grant.state == GrantState::Active && stopped.is_none() {
        return Ok(());
    }
    let expected = "active, with nothing suspended".to_owned();
    let found = stopped.map_or_else(|| state_name(grant.state), |stopped| format!("{} suspended", stopped.path()));
    Err(StoreError::Conflict { kind: Table::Grants.kind(), id: job.grant.to_string(), expected, found })
}

/// Takes the reservation out of the job's row, and ends it in every account that it weighs on.
fn commit(changes: &mut Changes<'_>, job: &mut JobRow, used: Amounts) -> Result<(), StoreError> {
    let reserved = job.reservation.take().ok_or_else(|| conflict(&job.id, "holding a reservation", "without one"))?;
    for id in [job.grant.to_string(), developer_account(&job.dataset, &job.organisation)] {
        let mut account: Account = changes.known(Table::Accounts, &id)?;
        account.commit(reserved, used);
        changes.update(Table::Accounts, &id, &account)?;
    }
    Ok(())
}
