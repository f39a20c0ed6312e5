//! Counts since the start, for operators. None of them is kept by principal or derived from a row's value: what a run took
//! of the machine (time, memory, bytes) is not counted at all, since whoever runs one job at a time could read it off.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use glovebox_catalog::GrantId;
use glovebox_meter::Amounts;

use crate::witnesses::WitnessFigures;

/// What the metrics of the admin address show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Jobs that wait.
    pub jobs_queued: u64,
    /// Jobs that run.
    pub jobs_running: u64,
    /// Ended jobs by state.
    pub jobs_ended: BTreeMap<String, u64>,
    /// Rows that ended jobs were charged for, by the size of snapshots.
    pub rows_read: u64,
    /// Fuel that ended jobs were charged for, in wasmtime units, by the size of snapshots.
    pub fuel_units: u64,
    /// Workers that panicked over a job. Each is a fault of the enclave: an alarm.
    pub worker_panics: u64,
    /// Releases.
    pub releases: u64,
    /// Cells that left.
    pub cells_released: u64,
    /// Cells withheld.
    pub cells_withheld: u64,
    /// Rows published by ingestion.
    pub rows_ingested: u64,
    /// Rows quarantined by ingestion.
    pub rows_quarantined: u64,
    /// Entries of the audit log.
    pub audit_events: u64,
    /// Refusals by code.
    pub refusals: BTreeMap<String, u64>,
    /// What active grants have left of each budget.
    pub budgets_left: Vec<BudgetLeft>,
    /// Entries of the audit log that enough witnesses cosigned; none without witnesses.
    pub audit_events_witnessed: Option<u64>,
    /// How each witness stands.
    pub witnesses: Vec<WitnessFigures>,
}

/// What a grant has left of one budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetLeft {
    /// The grant.
    pub grant: GrantId,
    /// Name of the meter, e.g. `cells`.
    pub meter: &'static str,
    /// What a new reservation may take of it.
    pub left: u64,
}

/// Counters behind [`Figures`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    rows_read: AtomicU64,
    fuel_units: AtomicU64,
    pub(crate) worker_panics: AtomicU64,
    pub(crate) releases: AtomicU64,
    pub(crate) cells_released: AtomicU64,
    pub(crate) cells_withheld: AtomicU64,
    pub(crate) rows_ingested: AtomicU64,
    pub(crate) rows_quarantined: AtomicU64,
    jobs_ended: Mutex<BTreeMap<String, u64>>,
    refusals: Mutex<BTreeMap<String, u64>>,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, code: &str) {
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(code.to_owned()).or_default() += 1;
    }

    /// Counts an ended job, with what it was charged.
    pub(crate) fn job_ended(&self, state: &str, used: Option<Amounts>) {
        let used = used.unwrap_or_default();
        Self::add(&self.rows_read, used.rows_read);
        Self::add(&self.fuel_units, used.fuel_units);
        *self.jobs_ended.lock().unwrap_or_else(PoisonError::into_inner).entry(state.to_owned()).or_default() += 1;
    }

    pub(crate) fn refusals(&self) -> BTreeMap<String, u64> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counters as figures; gauges are filled in by the engine.
    pub(crate) fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            jobs_ended: self.jobs_ended.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            rows_read: read(&self.rows_read),
            fuel_units: read(&self.fuel_units),
            worker_panics: read(&self.worker_panics),
            releases: read(&self.releases),
            cells_released: read(&self.cells_released),
            cells_withheld: read(&self.cells_withheld),
            rows_ingested: read(&self.rows_ingested),
            rows_quarantined: read(&self.rows_quarantined),
            refusals: self.refusals(),
            ..Figures::default()
        }
    }
}
