//! How an enclave is set up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glovebox_audit::WitnessPolicy;
use glovebox_catalog::PrincipalId;

use crate::Step;

/// Settings of an enclave. [`Config::new`] lists the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder that holds everything the enclave keeps: database, vault, keys. Opened once, then used through
    /// capabilities.
    pub state: PathBuf,
    /// Jobs that run at once.
    pub workers: usize,
    /// Jobs that may wait in all.
    pub queue_jobs_max: usize,
    /// Jobs of one organisation that may wait.
    pub queue_jobs_per_organisation_max: usize,
    /// Limits of one job.
    pub limits: JobLimits,
    /// Step of the coarse clock at which ends of jobs show: after 1, 2, 4, … steps. The longer, the less can be told from
    /// how long a run took. Zero: at once, for tests and benches of the work itself.
    pub pace_step: Duration,
    /// Limits of reviews.
    pub reviews: ReviewLimits,
    /// Who has to cosign the log before a job reads rows and before its end is told.
    pub witnesses: Option<WitnessPolicy>,
    /// Disclosure profiles beside those of this repository, each the text of a TOML file. A name that is taken is an error.
    pub profiles: Vec<String>,
    /// Rounds of PBKDF2 with which [`crate::Engine::create`] stretches the passphrase, 10,000 at least; an enclave keeps
    /// its number. Only a passphrase that people thought up needs many: fewer will do for a random one.
    pub passphrase_iterations: u32,
    /// Memory that one ingestion may use for rows, in bytes.
    pub ingest_memory_bytes: usize,
    /// Who wants the enclave to start although the host's clock is earlier than the latest event; see [`EarlierClock`].
    pub earlier_clock: Option<EarlierClock>,
    /// Told after every step that leaves something on disk; with it tests stop the process between two steps.
    pub on_step: Option<StepWatcher>,
}

/// An order to go on at the host's time, although events have later ones: the clock was ahead, and is right now. It is an
/// event of the log. Terms that were over may run again, so it takes a security officer.
#[derive(Debug, Clone)]
pub struct EarlierClock {
    /// The security officer who says so.
    pub officer: PrincipalId,
    /// Why.
    pub reason: String,
}

/// A function that is told of steps.
#[derive(Clone)]
pub struct StepWatcher(Arc<dyn Fn(Step) + Send + Sync>);

impl StepWatcher {
    /// A watcher that calls `told`.
    pub fn new(told: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    pub(crate) fn call(&self, step: Step) {
        (self.0)(step);
    }
}

impl std::fmt::Debug for StepWatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StepWatcher")
    }
}

/// Limits of one job on the enclave's machine; a grant's budget may be tighter.
#[derive(Debug, Clone)]
pub struct JobLimits {
    /// Fuel for one row, in wasmtime units.
    pub fuel_per_row_units: u64,
    /// Fuel for one person, beside that of the rows, in wasmtime units.
    pub fuel_per_person_units: u64,
    /// Fuel for one block of persons, in wasmtime units.
    pub fuel_per_block_units: u64,
    /// Fuel for a job that sees the whole cohort, for each row of it, in wasmtime units.
    pub fuel_per_cohort_row_units: u64,
    /// Fuel for one `update` between two rounds, in wasmtime units.
    pub fuel_per_update_units: u64,
    /// Linear memory of one guest, in bytes.
    pub memory_bytes: usize,
    /// Memory for the sets of persons behind the cells of a job, in bytes.
    pub tables_memory_bytes: u64,
    /// Wall time of a job.
    pub wall: Duration,
}

/// Limits of reviews and of what they let go.
#[derive(Debug, Clone)]
pub struct ReviewLimits {
    /// Days in which an output can be decided on; the end of the grant's term comes first.
    pub days: u32,
    /// How often a reviewed release can be fetched.
    pub fetches_max: u64,
    /// Days in which it can be fetched.
    pub fetch_days: u32,
    /// How often reviews are looked at whose time may be over.
    pub tended_every: Duration,
}

impl Default for ReviewLimits {
    /// 30 days for a decision; 100 fetches within 90 days; looked at once a minute.
    fn default() -> Self {
        Self { days: 30, fetches_max: 100, fetch_days: 90, tended_every: Duration::from_secs(60) }
    }
}

/// OWASP's count for PBKDF2 with a 256-bit hash (Password Storage Cheat Sheet).
const PASSPHRASE_ITERATIONS: u32 = 600_000;

impl Config {
    /// Defaults: one worker a core but one (at least one), 64 waiting jobs in all and 16 for one organisation,
    /// ends of jobs at steps of 250 ms, no witnesses, no further profiles, no start at an earlier time, 600,000 rounds over the passphrase, 256 MiB for rows of an ingestion, and the limits of [`JobLimits::default`] and [`ReviewLimits::default`].
    #[must_use]
    pub fn new(state: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            state: state.into(),
            workers: cores.saturating_sub(1).max(1),
            queue_jobs_max: 64,
            queue_jobs_per_organisation_max: 16,
            limits: JobLimits::default(),
            pace_step: Duration::from_millis(250),
            reviews: ReviewLimits::default(),
            witnesses: None,
            profiles: Vec::new(),
            passphrase_iterations: PASSPHRASE_ITERATIONS,
            ingest_memory_bytes: 256 << 20,
            earlier_clock: None,
            on_step: None,
        }
    }
}

impl Default for JobLimits {
    /// 10,000 units a row, 5,000,000 a person, 1,000,000,000 a block, 100,000 a row of a cohort,
    /// 1,000,000,000 an update, 64 MiB of guest memory, 1 GiB for sets of persons, one hour.
    fn default() -> Self {
        Self {
            fuel_per_row_units: 10_000,
            fuel_per_person_units: 5_000_000,
            fuel_per_block_units: 1_000_000_000,
            fuel_per_cohort_row_units: 100_000,
            fuel_per_update_units: 1_000_000_000,
            memory_bytes: 64 << 20,
            tables_memory_bytes: 1 << 30,
            wall: Duration::from_secs(3_600),
        }
    }
}
