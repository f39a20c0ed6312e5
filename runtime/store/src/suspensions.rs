//! Suspensions by the zone, of whatever it can stop.

use glovebox_audit::{Draft, Event};
use glovebox_catalog::{DatasetId, Suspended, SuspendedKind, suspended_path};

use crate::changes::Changes;
use crate::jobs::JobRow;
use crate::records::{self, Table};
use crate::{Page, Slice, Store, StoreError};

impl Store {
    /// Writes what stands against a thing, if it still is what the step was taken from.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when someone else changed it meanwhile: read it again and decide anew.
    pub fn update_suspended(&self, before: &Suspended, after: &Suspended, audit: Draft) -> Result<Event, StoreError> {
        let id = before.path();
        let changed = self.write(audit, |changes| {
            let found: Option<Suspended> = changes.find(Table::Suspensions, &id)?;
            let is_new = found.is_none();
            let found = found.unwrap_or_else(|| Suspended::none(before.kind, before.id.clone()));
            if &found != before || after.path() != id {
                let expected = "unchanged since it was read".into();
                let kind = Table::Suspensions.kind();
                return Err(StoreError::Conflict { kind, id: id.clone(), expected, found: "changed".into() });
            }
            if is_new {
                changes.insert(Table::Suspensions, &id, after)
            } else {
                changes.update(Table::Suspensions, &id, after)
            }
        });
        changed.map(|((), event)| event)
    }

    /// What stands against a thing.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn suspended(&self, kind: SuspendedKind, id: &str) -> Result<Suspended, StoreError> {
        let found = self.read(|connection| records::find(connection, Table::Suspensions, &suspended_path(kind, id)))?;
        Ok(found.unwrap_or_else(|| Suspended::none(kind, id)))
    }

    /// Lists everything that was ever suspended, also what goes on again, by kind and id.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn suspensions(&self, slice: &Slice) -> Result<Page<Suspended>, StoreError> {
        self.read(|connection| records::list(connection, Table::Suspensions, &[], slice))
    }
}

/// The first thing under which this job runs that is suspended.
pub(crate) fn stopped(changes: &Changes<'_>, job: &JobRow) -> Result<Option<Suspended>, StoreError> {
    let things = [
        (SuspendedKind::Zone, "zone"),
        (SuspendedKind::Grant, job.grant.as_str()),
        (SuspendedKind::Dataset, job.dataset.as_str()),
        (SuspendedKind::Module, job.module.as_str()),
        (SuspendedKind::Organisation, job.organisation.as_str()),
    ];
    first_suspended(changes, &things)
}

/// Refuses rows for a dataset while it or the zone is suspended, be it since the upload began.
pub(crate) fn check_intake(changes: &Changes<'_>, dataset: &DatasetId) -> Result<(), StoreError> {
    let things = [(SuspendedKind::Zone, "zone"), (SuspendedKind::Dataset, dataset.as_str())];
    let Some(stopped) = first_suspended(changes, &things)? else { return Ok(()) };
    let (expected, found) = ("not suspended".to_owned(), format!("{} suspended", stopped.path()));
    Err(StoreError::Conflict { kind: Table::Datasets.kind(), id: dataset.to_string(), expected, found })
}

fn first_suspended(changes: &Changes<'_>, things: &[(SuspendedKind, &str)]) -> Result<Option<Suspended>, StoreError> {
    for (kind, id) in things {
        let found: Option<Suspended> = changes.find(Table::Suspensions, &suspended_path(*kind, id))?;
        if let Some(found) = found.filter(|found| !found.standing.is_empty()) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
