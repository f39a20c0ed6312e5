//! The privacy ledger of a dataset: what was lost, to whom, and what is left.

use glovebox_api::{LedgerEntry, PrivacyLedger};
use glovebox_catalog::{Dataset, DatasetId, Role};
use glovebox_meter::{PrivacyAccount, PrivacyHolder};
use glovebox_policy::{Action, ResourceRef};
use glovebox_store::PrivacyRow;

use crate::{Caller, Engine, EngineError};

impl Engine {
    /// The privacy ledger of a dataset, as far as the caller may see it. Losses follow from what was asked for, never
    /// from rows; but who spends how much is between them and the supplier. So a developer sees the accounts of its own
    /// organisation and grants, a reviewer the dataset's, and whoever sees its snapshots all.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn privacy_ledger(&self, caller: &Caller, id: &DatasetId) -> Result<PrivacyLedger, EngineError> {
        let dataset: Dataset = self.sought(caller, Action::DatasetRead, id)?;
        self.has_read(caller, Action::DatasetRead, &ResourceRef::dataset(&dataset).path(), "privacy-ledger")?;
        let Some(limit) = dataset.privacy else {
            return Ok(PrivacyLedger { dataset: dataset.id, limit: None, entries: Vec::new() });
        };
        let mut rows = self.store().privacy_accounts(id)?;
        if !rows.iter().any(|row| row.holder == PrivacyHolder::Dataset) {
            let account = PrivacyAccount::of_dataset(&limit);
            rows.push(PrivacyRow {
                dataset: id.clone(),
                holder: PrivacyHolder::Dataset,
                name: id.to_string(),
                account,
            });
        }
        let mut entries = Vec::new();
        for row in rows {
            if self.sees_account(caller, &dataset, &row)? {
                entries.push(LedgerEntry::new(row.holder, row.name, row.account));
            }
        }
        entries.sort_by(|a, b| (a.holder, &a.id).cmp(&(b.holder, &b.id)));
        Ok(PrivacyLedger { dataset: dataset.id, limit: Some(limit), entries })
    }

    fn sees_account(&self, caller: &Caller, dataset: &Dataset, row: &PrivacyRow) -> Result<bool, EngineError> {
        if self.may_see(caller, Action::SnapshotRead, ResourceRef::dataset(dataset)) {
            return Ok(true);
        }
        match row.holder {
            PrivacyHolder::Dataset => Ok(caller.has(Role::Reviewer)),
            PrivacyHolder::Developer => {
                Ok(caller.has(Role::Developer) && row.name == caller.principal.organisation.as_str())
            }
            PrivacyHolder::Grant => {
                let id = row.name.parse().map_err(|error| EngineError::internal("read the id of a grant", error))?;
                Ok(self.may_see(caller, Action::MeterRead, ResourceRef::grant(&self.found_grant(&id)?)))
            }
        }
    }
}
