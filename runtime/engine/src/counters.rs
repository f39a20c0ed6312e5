//! Counts since the start, for operators. None of them is kept by principal or derived from a row's value.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use glovebox_catalog::GrantId;

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
    /// Rows read.
    pub rows_read: u64,
    /// Plaintext bytes decrypted.
    pub bytes_decrypted: u64,
    /// Fuel burnt, in wasmtime units.
    pub fuel_units: u64,
    /// CPU time of guests, in milliseconds.
    pub cpu_ms: u64,
    /// Largest memory of a guest, in bytes.
    pub memory_peak_bytes: u64,
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
    /// Resident memory of the process, in bytes.
    pub resident_bytes: u64,
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
    pub(crate) rows_read: AtomicU64,
    pub(crate) bytes_decrypted: AtomicU64,
    pub(crate) fuel_units: AtomicU64,
    pub(crate) cpu_ms: AtomicU64,
    pub(crate) memory_peak_bytes: AtomicU64,
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

    pub(crate) fn job_ended(&self, state: &str) {
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
            bytes_decrypted: read(&self.bytes_decrypted),
            fuel_units: read(&self.fuel_units),
            cpu_ms: read(&self.cpu_ms),
            memory_peak_bytes: read(&self.memory_peak_bytes),
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

/// Resident memory of this process, in bytes; 0 where the system does not tell.
pub(crate) fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()));
    pages.unwrap_or(0).saturating_mul(u64::try_from(rustix::param::page_size()).unwrap_or(4_096))
}
