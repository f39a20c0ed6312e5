//! Isolations `person` and `block`: a fresh instance for every unit, whose records become contributions.

use wasmtime::{Engine, Store};

use crate::caps::{RECORD_FUEL_UNITS, RECORDS_PER_PERSON_MAX};
use crate::door::{Door, Entry, Rows};
use crate::guest::{Ending, Guest, store};
use crate::record::{Record, contributions};
use crate::run::Frame;
use crate::{ContributionSink, FailureClass, RunError};

/// Gives the rows of one unit to a fresh instance and passes its contributions on: all of them, or after a fault none.
pub(crate) fn run_unit(
    (engine, door, entry): (&Engine, &Door, Entry),
    frame: &mut Frame,
    unit: u32,
    rows: &Rows<'_>,
    sink: &mut dyn ContributionSink,
) -> Result<(), RunError> {
    let fuel = frame.fuel()?;
    let mut store = store(engine, frame.limits.memory_bytes, &frame.watch);
    store.set_fuel(fuel).map_err(|error| RunError::host("set fuel", error))?;
    let result = match door.instantiate(&mut store) {
        Ok(mut guest) => guest.map(&mut store, entry, rows, &frame.arguments, RECORDS_PER_PERSON_MAX),
        Err(ending) => Err(ending),
    };
    frame.close(&store, fuel, result, unit, sink)
}

impl Frame {
    /// Counts what a unit's instance used, then passes its contributions on.
    fn close(
        &mut self,
        store: &Store<Guest>,
        fuel: u64,
        result: Result<Vec<Record>, Ending>,
        unit: u32,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        let left = store.get_fuel().map_err(|error| RunError::host("read fuel", error))?;
        let charged = result.as_ref().map_or(0, |records| RECORD_FUEL_UNITS.saturating_mul(records.len() as u64));
        self.meters.fuel_units =
            self.meters.fuel_units.saturating_add(fuel.saturating_sub(left)).saturating_add(charged);
        self.meters.instances += 1;
        self.meters.memory_peak_bytes = self.meters.memory_peak_bytes.max(store.data().memory_bytes());
        let records = match result {
            Ok(_) if charged > left => return self.fault(Ending::Fault(FailureClass::OutOfFuel)),
            Ok(records) => records,
            Err(ending) => return self.fault(ending),
        };
        match contributions(&self.shapes, &records) {
            None => self.fault(Ending::Fault(FailureClass::BadOutput)),
            Some(contributions) => contributions.pass_on(unit, sink),
        }
    }
}
