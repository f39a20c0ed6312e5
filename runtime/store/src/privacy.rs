//! Privacy loss of datasets: what noisy releases have spent, in all, under a grant and for a developer organisation.

use glovebox_catalog::{DatasetId, Epsilon, PrivacyLimit};
use glovebox_meter::{PrivacyAccount, PrivacyHolder, PrivacyLoss};
use serde::{Deserialize, Serialize};

use crate::changes::Changes;
use crate::jobs::JobRow;
use crate::records::{self, Table};
use crate::{Slice, Store, StoreError};

/// What a job may lose of its dataset's privacy, to be set aside with its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrivacyReservation {
    /// Loss of all its rounds.
    pub loss: PrivacyLoss,
    /// The dataset's limit.
    pub limit: PrivacyLimit,
    /// The limit of the grant's budget.
    pub grant_epsilon_max: Epsilon,
}

/// One account of privacy loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrivacyRow {
    /// The dataset.
    pub dataset: DatasetId,
    /// Whose account it is.
    pub holder: PrivacyHolder,
    /// Id of the grant or the organisation; of the dataset for the account of all releases.
    pub name: String,
    /// Limit, spent and held.
    pub account: PrivacyAccount,
}

impl Store {
    /// The accounts of a dataset: first that of all releases, then those of developers and grants. Empty before the
    /// first reservation.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn privacy_accounts(&self, dataset: &DatasetId) -> Result<Vec<PrivacyRow>, StoreError> {
        let conditions = [("dataset = ?", Some(dataset.as_str()))];
        self.read(|connection| {
            let (mut rows, mut slice) = (Vec::new(), Slice::first(1_000));
            loop {
                let page = records::list(connection, Table::PrivacyAccounts, &conditions, &slice)?;
                rows.extend(page.items);
                match page.next_cursor {
                    Some(cursor) => slice.cursor = Some(cursor),
                    None => return Ok(rows),
                }
            }
        })
    }
}

/// Sets the loss aside in every account that it weighs on, or in none.
pub(crate) fn reserve(
    changes: &mut Changes<'_>,
    job: &mut JobRow,
    asked: &PrivacyReservation,
) -> Result<(), StoreError> {
    let limit = &asked.limit;
    for (holder, name) in holders(job) {
        let fresh = match holder {
            PrivacyHolder::Dataset => PrivacyAccount::of_dataset(limit),
            PrivacyHolder::Grant => PrivacyAccount::of_grant(asked.grant_epsilon_max, limit),
            PrivacyHolder::Developer => PrivacyAccount::of_developer(limit),
        };
        let id = account_id(&job.dataset, holder, &name);
        let found: Option<PrivacyRow> = changes.find(Table::PrivacyAccounts, &id)?;
        let is_new = found.is_none();
        let mut row = found.unwrap_or(PrivacyRow { dataset: job.dataset.clone(), holder, name, account: fresh });
        (row.account.epsilon_max, row.account.delta) = (fresh.epsilon_max, fresh.delta);
        row.account.reserve(asked.loss).map_err(|exhausted| StoreError::EpsilonExhausted { exhausted, holder })?;
        if is_new {
            changes.insert(Table::PrivacyAccounts, &id, &row)?;
        } else {
            changes.update(Table::PrivacyAccounts, &id, &row)?;
        }
    }
    job.privacy = Some(asked.loss);
    Ok(())
}

/// Spends `used` of what the job holds; the rest is free again. What a job uses beyond what it holds is spent, too.
pub(crate) fn commit(changes: &mut Changes<'_>, job: &mut JobRow, used: PrivacyLoss) -> Result<(), StoreError> {
    let Some(reserved) = job.privacy.take() else {
        return if used.is_zero() {
            Ok(())
        } else {
            Err(crate::jobs::conflict(&job.id, "holding privacy loss", "without any"))
        };
    };
    for (holder, name) in holders(job) {
        let id = account_id(&job.dataset, holder, &name);
        let mut row: PrivacyRow = changes.known(Table::PrivacyAccounts, &id)?;
        row.account.commit(reserved, used);
        changes.update(Table::PrivacyAccounts, &id, &row)?;
    }
    Ok(())
}

fn holders(job: &JobRow) -> [(PrivacyHolder, String); 3] {
    [
        (PrivacyHolder::Dataset, job.dataset.to_string()),
        (PrivacyHolder::Grant, job.grant.to_string()),
        (PrivacyHolder::Developer, job.organisation.to_string()),
    ]
}

/// `<dataset>`, `<dataset>/developer/<organisation>` or `<dataset>/grant/<grant>`; an id holds no slash.
fn account_id(dataset: &DatasetId, holder: PrivacyHolder, name: &str) -> String {
    match holder {
        PrivacyHolder::Dataset => dataset.to_string(),
        PrivacyHolder::Grant => format!("{dataset}/grant/{name}"),
        PrivacyHolder::Developer => format!("{dataset}/developer/{name}"),
    }
}
