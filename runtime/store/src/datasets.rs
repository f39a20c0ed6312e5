//! Datasets and their snapshots.

use glovebox_audit::{Draft, Event};
use glovebox_catalog::{Dataset, DatasetId, DatasetLimits, Organisation, OrganisationId, Snapshot};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::records::{self, Table};
use crate::{Page, Slice, Store, StoreError, suspensions};

/// A snapshot with the report of its ingestion, as one record.
#[derive(Serialize, Deserialize)]
struct SnapshotRecord {
    #[serde(flatten)]
    snapshot: Snapshot,
    report: Value,
}

impl Store {
    /// Files a dataset of a supplier that is filed.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its id is taken, [`StoreError::NotFound`] for an unknown supplier.
    pub fn put_dataset(&self, dataset: &Dataset, audit: Draft) -> Result<Event, StoreError> {
        let filed = self.write(audit, |changes| {
            changes.known::<Organisation>(Table::Organisations, dataset.supplier.as_str())?;
            changes.insert(Table::Datasets, dataset.id.as_str(), dataset)
        });
        filed.map(|((), event)| event)
    }

    /// Sets what a supplier allows on a dataset.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown dataset.
    pub fn set_limits(&self, id: &DatasetId, limits: DatasetLimits, audit: Draft) -> Result<Dataset, StoreError> {
        let changed = self.write(audit, |changes| {
            let dataset = Dataset { limits, ..changes.known(Table::Datasets, id.as_str())? };
            changes.update(Table::Datasets, id.as_str(), &dataset)?;
            Ok(dataset)
        });
        changed.map(|(dataset, _)| dataset)
    }

    /// Reads a dataset.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn dataset(&self, id: &DatasetId) -> Result<Option<Dataset>, StoreError> {
        self.read(|connection| records::find(connection, Table::Datasets, id.as_str()))
    }

    /// Lists datasets by id, of one supplier or of all.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn datasets(&self, supplier: Option<&OrganisationId>, slice: &Slice) -> Result<Page<Dataset>, StoreError> {
        let conditions = [("supplier = ?", supplier.map(OrganisationId::as_str))];
        self.read(|connection| records::list(connection, Table::Datasets, &conditions, slice))
    }

    /// Publishes a snapshot with the report of its ingestion (counts and field names, never values). Its number is the
    /// latest plus one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown dataset, [`StoreError::Conflict`] when another number comes next, or
    /// while the dataset or the zone is suspended.
    pub fn publish(&self, snapshot: &Snapshot, report: &Value, audit: Draft) -> Result<Event, StoreError> {
        let published = self.write(audit, |changes| {
            changes.known::<Dataset>(Table::Datasets, snapshot.dataset.as_str())?;
            suspensions::check_intake(changes, &snapshot.dataset)?;
            let latest = latest(changes.connection(), &snapshot.dataset)?;
            let next = latest.map_or(1, |latest| latest.number.saturating_add(1));
            let id = snapshot_id(&snapshot.dataset, snapshot.number);
            if snapshot.number != next {
                let (expected, found) = (format!("number {next}"), snapshot.number.to_string());
                return Err(StoreError::Conflict { kind: Table::Snapshots.kind(), id, expected, found });
            }
            let record = SnapshotRecord { snapshot: snapshot.clone(), report: report.clone() };
            changes.insert(Table::Snapshots, &id, &record)
        });
        published.map(|((), event)| event)
    }

    /// The newest snapshot of a dataset.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn latest_snapshot(&self, dataset: &DatasetId) -> Result<Option<Snapshot>, StoreError> {
        self.read(|connection| latest(connection, dataset))
    }

    /// One snapshot and the report of its ingestion.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn snapshot(&self, dataset: &DatasetId, number: u32) -> Result<Option<(Snapshot, Value)>, StoreError> {
        let id = snapshot_id(dataset, number);
        let record: Option<SnapshotRecord> =
            self.read(|connection| records::find(connection, Table::Snapshots, &id))?;
        Ok(record.map(|record| (record.snapshot, record.report)))
    }

    /// Lists a dataset's snapshots, the oldest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn snapshots(&self, dataset: &DatasetId, slice: &Slice) -> Result<Page<Snapshot>, StoreError> {
        let conditions = [("dataset = ?", Some(dataset.as_str()))];
        let page: Page<SnapshotRecord> =
            self.read(|connection| records::list(connection, Table::Snapshots, &conditions, slice))?;
        let items = page.items.into_iter().map(|record| record.snapshot).collect();
        Ok(Page { items, next_cursor: page.next_cursor })
    }
}

/// Padded, so that ids sort as numbers do.
fn snapshot_id(dataset: &DatasetId, number: u32) -> String {
    format!("{dataset}/{number:010}")
}

fn latest(connection: &rusqlite::Connection, dataset: &DatasetId) -> Result<Option<Snapshot>, StoreError> {
    let sql = "SELECT body FROM snapshots WHERE dataset = ?1 ORDER BY id DESC LIMIT 1";
    let body: Option<String> =
        connection.prepare_cached(sql)?.query_row([dataset.as_str()], |row| row.get(0)).optional()?;
    let record: Option<SnapshotRecord> = body.map(|body| serde_json::from_str(&body)).transpose()?;
    Ok(record.map(|record| record.snapshot))
}
