//! Isolation `cohort`: one guest sees everything, stretch by stretch, and answers with tables that leave only after review.
//!
//! A stretch is a number of rows (whole persons) that one instance takes in batches and sums up as a *partial*: bytes that
//! mean something to the guest alone. At the end a fresh instance merges the partials in their order and gives the tables.
//! Batches and stretches are cut by rows, not by the batches of the view, so that a run is the same however these fall.

use wasmtime::{Engine, Store};

use crate::caps::{COHORT_BASE_ROWS, COHORT_BATCH_ROWS, COHORT_STRETCH_ROWS, RECORD_FUEL_UNITS};
use crate::door::{Door, Live};
use crate::gather::Gathered;
use crate::guest::{Ending, Guest, store};
use crate::record::{Record, contributions};
use crate::run::{Frame, Person};
use crate::{ContributionSink, FailureClass, RunError};

/// A `cohort` job under way.
pub(crate) struct CohortRun {
    gathered: Gathered,
    /// The instance of the stretch at hand, and rows that it was given.
    live: Option<(Store<Guest>, Live)>,
    stretch_rows: usize,
    partials: Vec<Vec<u8>>,
    /// Fuel that the rows so far have brought and that is not burnt: the cohort is one unit, with one measure.
    fuel: u64,
    /// A fault happened, and faults drop the unit: the tables are empty, as if the guest had said so itself.
    is_dropped: bool,
}

impl CohortRun {
    pub(crate) fn start(frame: &Frame) -> Self {
        Self {
            gathered: Gathered::default(),
            live: None,
            stretch_rows: 0,
            partials: Vec::new(),
            fuel: frame.limits.fuel_per_unit.saturating_mul(COHORT_BASE_ROWS),
            is_dropped: false,
        }
    }

    pub(crate) fn person(
        &mut self,
        engine: &Engine,
        door: &Door,
        frame: &mut Frame,
        person: &Person<'_>,
    ) -> Result<(), RunError> {
        if self.is_dropped {
            return Ok(());
        }
        self.gathered.push(person);
        if self.gathered.bytes() > frame.limits.memory_bytes {
            return self.drop_unit(frame, Ending::Fault(FailureClass::Memory));
        }
        if self.gathered.len() < COHORT_BATCH_ROWS {
            return Ok(());
        }
        let result = self.batch(engine, door, frame);
        self.settle(frame, result)
    }

    /// Merges the partials and passes the tables on.
    pub(crate) fn complete(
        &mut self,
        engine: &Engine,
        door: &Door,
        frame: &mut Frame,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        if self.is_dropped {
            return Ok(());
        }
        let records = match self.tables(engine, door, frame) {
            Ok(records) => records,
            Err(ending) => return self.drop_unit(frame, ending),
        };
        match contributions(&frame.shapes, &records) {
            None => self.drop_unit(frame, Ending::Fault(FailureClass::BadOutput)),
            Some(contributions) => contributions.pass_on(0, sink),
        }
    }

    fn tables(&mut self, engine: &Engine, door: &Door, frame: &mut Frame) -> Result<Vec<Record>, Ending> {
        if self.gathered.len() > 0 {
            self.batch(engine, door, frame)?;
        }
        self.end_stretch(frame)?;
        let mut store = self.store(engine, frame)?;
        let result = self.merge(door, frame, &mut store);
        self.burn(frame, &mut store)?;
        result
    }

    fn merge(&mut self, door: &Door, frame: &Frame, store: &mut Store<Guest>) -> Result<Vec<Record>, Ending> {
        let mut guest = door.instantiate(store)?;
        for partial in self.partials.drain(..) {
            frame.watch.check().map_err(|interrupted| Ending::Run(interrupted.into()))?;
            guest.merge(store, &partial)?;
        }
        let records = guest.finish(store, &frame.arguments, frame.records_max)?;
        let left = store.get_fuel().map_err(|error| Ending::Run(RunError::host("read fuel", error)))?;
        let charged = RECORD_FUEL_UNITS.saturating_mul(records.len() as u64);
        let left = left.checked_sub(charged).ok_or(Ending::Fault(FailureClass::OutOfFuel))?;
        store.set_fuel(left).map_err(|error| Ending::Run(RunError::host("set fuel", error)))?;
        Ok(records)
    }

    /// Gives the gathered rows to the stretch's instance.
    fn batch(&mut self, engine: &Engine, door: &Door, frame: &mut Frame) -> Result<(), Ending> {
        self.fuel = self.fuel.saturating_add(frame.limits.fuel_per_unit.saturating_mul(self.gathered.len() as u64));
        let (mut store, live) = match self.live.take() {
            Some((store, live)) => (store, Some(live)),
            None => (self.store(engine, frame)?, None),
        };
        let result = self.feed(door, frame, &mut store, live);
        self.burn(frame, &mut store)?;
        self.stretch_rows += self.gathered.len();
        self.gathered.clear();
        self.live = Some((store, result?));
        if self.stretch_rows >= COHORT_STRETCH_ROWS { self.end_stretch(frame) } else { Ok(()) }
    }

    fn feed(&self, door: &Door, frame: &Frame, store: &mut Store<Guest>, live: Option<Live>) -> Result<Live, Ending> {
        self.fill(frame, store)?;
        let mut guest = match live {
            Some(guest) => guest,
            None => door.instantiate(store)?,
        };
        guest.batch(store, &self.gathered.rows(), &frame.arguments)?;
        Ok(guest)
    }

    /// Takes the partial of the stretch at hand, and ends its instance.
    fn end_stretch(&mut self, frame: &mut Frame) -> Result<(), Ending> {
        let Some((mut store, mut guest)) = self.live.take() else { return Ok(()) };
        self.stretch_rows = 0;
        self.fill(frame, &mut store)?;
        let held: usize = self.partials.iter().map(Vec::len).sum();
        let result = guest.partial(&mut store, frame.limits.memory_bytes.saturating_sub(held));
        self.burn(frame, &mut store)?;
        self.partials.push(result?);
        Ok(())
    }

    fn store(&self, engine: &Engine, frame: &mut Frame) -> Result<Store<Guest>, Ending> {
        frame.meters.instances += 1;
        let mut store = store(engine, frame.limits.memory_bytes, &frame.watch);
        self.fill(frame, &mut store)?;
        Ok(store)
    }

    /// Gives a store all the fuel that is left.
    fn fill(&self, frame: &Frame, store: &mut Store<Guest>) -> Result<(), Ending> {
        let total = frame.fuel_left().map_err(Ending::Run)?;
        let fuel = self.fuel.min(total);
        store.data_mut().fuel_given = fuel;
        store.set_fuel(fuel).map_err(|error| Ending::Run(RunError::host("set fuel", error)))
    }

    /// Counts what was burnt since the store was filled.
    fn burn(&mut self, frame: &mut Frame, store: &mut Store<Guest>) -> Result<(), Ending> {
        let left = store.get_fuel().map_err(|error| Ending::Run(RunError::host("read fuel", error)))?;
        let given = store.data().fuel_given;
        // Memory is charged on top, as far as there is something left.
        let burnt = given.saturating_sub(left).saturating_add(store.data_mut().take_memory_fuel_units()).min(given);
        self.fuel = self.fuel.saturating_sub(burnt);
        frame.meters.fuel_units = frame.meters.fuel_units.saturating_add(burnt);
        frame.meters.memory_peak_bytes = frame.meters.memory_peak_bytes.max(store.data().memory_bytes());
        Ok(())
    }

    fn settle(&mut self, frame: &mut Frame, result: Result<(), Ending>) -> Result<(), RunError> {
        match result {
            Ok(()) => Ok(()),
            Err(ending) => self.drop_unit(frame, ending),
        }
    }

    /// Counts the fault and drops everything, or ends the run.
    fn drop_unit(&mut self, frame: &mut Frame, ending: Ending) -> Result<(), RunError> {
        self.is_dropped = true;
        self.live = None;
        self.partials = Vec::new();
        self.gathered = Gathered::default();
        frame.fault(ending)
    }
}
