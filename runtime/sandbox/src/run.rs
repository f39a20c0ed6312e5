//! A run: batches of a view in, contributions out, limits and meters kept.

use arrow::array::RecordBatch;
use glovebox_catalog::{Isolation, JobManifest};

use crate::block::BlockRun;
use crate::chamber::Chamber;
use crate::cohort::CohortRun;
use crate::columns::{Column, columns};
use crate::door::{Entry, Rows};
use crate::guest::{Ending, Watch};
use crate::host::{Compiled, Job, Sandbox};
use crate::record::{Shape, shapes};
use crate::row::RowRun;
use crate::unit::run_unit;
use crate::{CancelFlag, FailureClass, Faults, Limits, Progress, RunError, RunMeters, SinkError};

/// Takes contributions. Outputs and cells are within the manifest, NaNs are canonical; the gate checks once more.
pub trait ContributionSink {
    /// One contribution of a unit: a person of a `person` job, a block of a `block` job, or 0 for a `cohort` job. There
    /// are as many values as the reducer takes, none where it only counts.
    ///
    /// # Errors
    /// [`SinkError`] ends the run.
    fn contribute(&mut self, unit: u32, output: u32, cell: u32, values: &[f64]) -> Result<(), SinkError>;

    /// Contributions of rows to one output, from a `row` job. `persons` and `cells` are equally long; cell -1 contributes
    /// nothing. `values` holds one stretch of that length for each value that the reducer takes: value `k` of row `r`
    /// is at `k * persons.len() + r`.
    ///
    /// # Errors
    /// [`SinkError`] ends the run.
    fn contribute_rows(&mut self, output: u32, persons: &[u32], cells: &[i32], values: &[f64])
    -> Result<(), SinkError>;
}

/// What a run is given beside its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan<'a> {
    /// The numbers that the guest gets after its columns, in manifest order: parameters, then the state of the rounds.
    pub arguments: &'a [f64],
    /// Persons of the snapshot: ordinals are below it. It alone cuts the blocks of a `block` job; no other job heeds it.
    pub persons: u64,
}

/// A job under way. It is driven from a blocking thread, one batch after another.
pub struct Run {
    frame: Frame,
    units: Units,
    compiled: Compiled,
    sandbox: Sandbox,
}

/// What stands between two resets of the sandbox.
enum Units {
    Row(Box<RowRun>),
    Person(Box<Chamber>),
    Block(Box<BlockRun>),
    Cohort(Box<CohortRun>),
}

impl Run {
    /// Starts a run.
    ///
    /// # Errors
    /// [`RunError::Input`] when the number of arguments differs, one lies outside its bounds, or a `block` job has no
    /// persons; [`RunError::Host`] when no instance can be made; [`RunError::Failed`] when a `row` guest's initialisation fails.
    pub fn start(
        sandbox: &Sandbox,
        compiled: &Compiled,
        plan: &Plan<'_>,
        limits: &Limits,
        cancel: &CancelFlag,
        progress: &Progress,
    ) -> Result<Self, RunError> {
        let (manifest, Plan { arguments, persons }) = (compiled.manifest(), *plan);
        check_arguments(manifest, arguments)?;
        let mut frame = Frame {
            limits: *limits,
            watch: Watch::new(limits, cancel),
            progress: progress.clone(),
            meters: RunMeters::default(),
            arguments: arguments.to_vec(),
            shapes: shapes(manifest),
            records_max: manifest.outputs.iter().map(|output| manifest.cell_count(output)).sum(),
            cpu_ns: 0,
            last_person: None,
        };
        let units = match (compiled.job(), manifest.isolation) {
            (Job::Row(job), _) => Units::Row(Box::new(RowRun::start(sandbox.engine(), job, manifest, &mut frame)?)),
            (Job::Door(_), Isolation::Block) => {
                Units::Block(Box::new(BlockRun::start(manifest.blocks.unwrap_or_default(), persons)?))
            }
            (Job::Door(_), Isolation::Cohort) => Units::Cohort(Box::new(CohortRun::start(&frame))),
            (Job::Door(_), _) => Units::Person(Box::default()),
        };
        Ok(Self { frame, units, compiled: compiled.clone(), sandbox: sandbox.clone() })
    }

    /// Runs one batch. `ordinals` are the persons of its rows, ascending; a person's rows never straddle two batches.
    ///
    /// # Errors
    /// [`RunError`]; the run is over then, only [`Run::finish`] may follow.
    pub fn batch(
        &mut self,
        ordinals: &[u32],
        batch: &RecordBatch,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        self.timed(|run| run.batch_inner(ordinals, batch, sink))
    }

    /// Ends the rows, after the last batch: what a `block` or `cohort` job still holds is run and handed to the sink.
    /// `row` and `person` jobs hold nothing.
    ///
    /// # Errors
    /// [`RunError`]; only [`Run::finish`] may follow.
    pub fn complete(&mut self, sink: &mut dyn ContributionSink) -> Result<(), RunError> {
        self.timed(|run| run.complete_inner(sink))
    }

    fn timed(&mut self, work: impl FnOnce(&mut Self) -> Result<(), RunError>) -> Result<(), RunError> {
        let before = thread_cpu_ns();
        let result = work(self);
        self.frame.cpu_ns = self.frame.cpu_ns.saturating_add(thread_cpu_ns().saturating_sub(before));
        self.frame.meters.cpu_ms = self.frame.cpu_ns / 1_000_000;
        self.frame.progress.show(&self.frame.meters);
        result
    }

    fn batch_inner(
        &mut self,
        ordinals: &[u32],
        batch: &RecordBatch,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        let manifest = self.compiled.manifest();
        self.frame.check_persons(ordinals, batch)?;
        let columns = columns(manifest, batch)?;
        let engine = self.sandbox.engine();
        match (&mut self.units, self.compiled.job()) {
            (Units::Row(run), Job::Row(job)) => run.batch(job, &mut self.frame, ordinals, &columns, sink),
            (Units::Person(chamber), Job::Door(door)) => self.frame.each_person(ordinals, &columns, |frame, person| {
                let rows = Rows::of_person(person.columns, person.start, person.end);
                run_unit((engine, door, Entry::Person), chamber, frame, person.ordinal, &rows, sink)
            }),
            (Units::Block(run), Job::Door(door)) => self
                .frame
                .each_person(ordinals, &columns, |frame, person| run.person(engine, door, frame, person, sink)),
            (Units::Cohort(run), Job::Door(door)) => {
                self.frame.each_person(ordinals, &columns, |frame, person| run.person(engine, door, frame, person))
            }
            _ => Err(differ()),
        }
    }

    fn complete_inner(&mut self, sink: &mut dyn ContributionSink) -> Result<(), RunError> {
        let engine = self.sandbox.engine();
        match (&mut self.units, self.compiled.job()) {
            (Units::Row(_) | Units::Person(_), _) => Ok(()),
            (Units::Block(run), Job::Door(door)) => run.flush(engine, door, &mut self.frame, sink),
            (Units::Cohort(run), Job::Door(door)) => run.complete(engine, door, &mut self.frame, sink),
            _ => Err(differ()),
        }
    }

    /// What the run has used so far.
    #[must_use]
    pub fn meters(&self) -> &RunMeters {
        &self.frame.meters
    }

    /// Ends the run.
    #[must_use]
    pub fn finish(self) -> RunMeters {
        self.frame.meters
    }
}

/// What every door shares during a run.
pub(crate) struct Frame {
    pub(crate) limits: Limits,
    pub(crate) watch: Watch,
    pub(crate) progress: Progress,
    pub(crate) meters: RunMeters,
    /// Parameters and state.
    pub(crate) arguments: Vec<f64>,
    /// What a contribution to each output may be.
    pub(crate) shapes: Vec<Shape>,
    /// Cells of all outputs: most records that a `cohort` job gives.
    pub(crate) records_max: usize,
    cpu_ns: u64,
    last_person: Option<u32>,
}

/// The rows of one person in a batch.
pub(crate) struct Person<'a> {
    pub(crate) ordinal: u32,
    pub(crate) columns: &'a [Column<'a>],
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Frame {
    /// Fuel for one row, person or block: its limit, or what is left of the total.
    pub(crate) fn fuel(&self) -> Result<u64, RunError> {
        self.fuel_left().map(|left| left.min(self.limits.fuel_per_unit))
    }

    /// What is left of the total.
    pub(crate) fn fuel_left(&self) -> Result<u64, RunError> {
        match self.limits.fuel_total_units.saturating_sub(self.meters.fuel_units) {
            0 => Err(RunError::Failed(FailureClass::OutOfFuel)),
            left => Ok(left),
        }
    }

    /// Counts a fault of a unit, or ends the run.
    pub(crate) fn fault(&mut self, ending: Ending) -> Result<(), RunError> {
        match ending {
            Ending::Run(error) => Err(error),
            // Less fuel than a full share was given: it is the total that ran out, and the run with it.
            Ending::Fault(FailureClass::OutOfFuel) if self.is_fuel_spent() => {
                Err(RunError::Failed(FailureClass::OutOfFuel))
            }
            Ending::Fault(class) => match self.limits.faults {
                Faults::Stop => Err(RunError::Failed(class)),
                Faults::Drop => {
                    *self.meters.faults.entry(class).or_default() += 1;
                    Ok(())
                }
            },
        }
    }

    fn is_fuel_spent(&self) -> bool {
        self.meters.fuel_units >= self.limits.fuel_total_units
    }

    fn check_persons(&mut self, ordinals: &[u32], batch: &RecordBatch) -> Result<(), RunError> {
        if ordinals.len() != batch.num_rows() {
            let detail = format!("{} ordinals for {} rows", ordinals.len(), batch.num_rows());
            return Err(RunError::Input { detail });
        }
        let clustered = ordinals.iter().zip(ordinals.iter().skip(1)).all(|(a, b)| a <= b);
        let apart = self.last_person.is_none_or(|last| ordinals.first().is_none_or(|first| last < *first));
        if !(clustered && apart) {
            return Err(RunError::Input { detail: "persons do not ascend, or straddle two batches".to_owned() });
        }
        self.last_person = ordinals.last().copied().or(self.last_person);
        Ok(())
    }

    /// Calls `run` for each person of a batch, counting persons and rows.
    fn each_person(
        &mut self,
        ordinals: &[u32],
        columns: &[Column<'_>],
        mut run: impl FnMut(&mut Self, &Person<'_>) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let mut start = 0;
        for rows in ordinals.chunk_by(|a, b| a == b) {
            let end = start + rows.len();
            let ordinal = rows.first().copied().unwrap_or_default();
            self.watch.check()?;
            run(self, &Person { ordinal, columns, start, end })?;
            self.meters.persons += 1;
            self.meters.rows += rows.len() as u64;
            self.progress.show(&self.meters);
            start = end;
        }
        Ok(())
    }
}

fn differ() -> RunError {
    RunError::host("find the job's door", "guest and module differ")
}

/// NaN in its one canonical form: the other 2^52 would carry bits out.
pub(crate) fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

fn check_arguments(manifest: &JobManifest, arguments: &[f64]) -> Result<(), RunError> {
    let count = manifest.arguments().count();
    if count != arguments.len() {
        let detail = format!("{} arguments, expected {count}", arguments.len());
        return Err(RunError::Input { detail });
    }
    let outside = manifest.arguments().zip(arguments).find(|(p, value)| !(p.min..=p.max).contains(value));
    match outside {
        None => Ok(()),
        Some((parameter, _)) => {
            let detail = format!("argument `{}` outside {} to {}", parameter.name, parameter.min, parameter.max);
            Err(RunError::Input { detail })
        }
    }
}

/// CPU time of this thread so far.
fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000) + u64::try_from(time.tv_nsec).unwrap_or(0)
}
