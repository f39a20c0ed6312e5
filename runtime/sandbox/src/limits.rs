//! Limits of a run, what it used, and the flags through which other threads watch and stop it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::FailureClass;

/// What happens when a guest faults on a row or a person (trap, fuel, memory, stack, bad output).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// The row or person contributes nothing, is counted, and the run goes on. What the developer sees then depends on a
    /// single person no more than if the guest had chosen not to contribute: a trap is no signal.
    Drop,
    /// The run ends with the class of the fault. For dummy data only: on real data the ending is a bit about one person.
    Stop,
}

/// Limits of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fuel that a single row (isolation `row`) or person (isolation `person`) may use.
    pub fuel_per_unit: u64,
    /// Fuel that the run may use in all. Reaching it ends the run whatever `faults` says.
    pub fuel_total_units: u64,
    /// Memory that one guest instance may have.
    pub memory_bytes: usize,
    /// Wall time of the run from its start; checked about every 10 ms.
    pub wall: Duration,
    /// What a fault does.
    pub faults: Faults,
}

impl Limits {
    /// 10 million units per row or person, 1 trillion in all, 64 MiB, 10 minutes; faults drop the row or person.
    #[must_use]
    pub fn on_real_data() -> Self {
        Self {
            fuel_per_unit: 10_000_000,
            fuel_total_units: 1_000_000_000_000,
            memory_bytes: 64 << 20,
            wall: Duration::from_secs(600),
            faults: Faults::Drop,
        }
    }

    /// As [`Limits::on_real_data`], but the first fault ends the run and is told.
    #[must_use]
    pub fn on_dummy_data() -> Self {
        Self { faults: Faults::Stop, ..Self::on_real_data() }
    }
}

/// Ends a run from another thread: within about 10 ms, also in the middle of a guest's loop.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of a running job, readable from other threads.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    rows: AtomicU64,
    persons: AtomicU64,
    fuel_units: AtomicU64,
}

impl Progress {
    /// Counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows done.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// Persons done.
    #[must_use]
    pub fn persons(&self) -> u64 {
        self.0.persons.load(Ordering::Relaxed)
    }

    /// Fuel used.
    #[must_use]
    pub fn fuel_units(&self) -> u64 {
        self.0.fuel_units.load(Ordering::Relaxed)
    }

    pub(crate) fn show(&self, meters: &RunMeters) {
        self.0.rows.store(meters.rows, Ordering::Relaxed);
        self.0.persons.store(meters.persons, Ordering::Relaxed);
        self.0.fuel_units.store(meters.fuel_units, Ordering::Relaxed);
    }
}

/// What a run used. Fuel, rows, persons, instances and faults are the same for the same module, view and parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunMeters {
    /// Fuel burnt by guest and driver, and charged for records.
    pub fuel_units: u64,
    /// Rows that the guest was given.
    pub rows: u64,
    /// Persons that the guest was given.
    pub persons: u64,
    /// Instances that were made or put back: one for each unit.
    pub instances: u64,
    /// Largest memory of a guest instance, in bytes; the driver's is not counted.
    pub memory_peak_bytes: u64,
    /// CPU time of the thread, in milliseconds.
    pub cpu_ms: u64,
    /// Rows (per output) or persons that contributed nothing because the guest faulted. For the operator: to a developer
    /// these counts are cells like any other, and subject to the same threshold.
    pub faults: BTreeMap<FailureClass, u64>,
}
