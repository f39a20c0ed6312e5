//! Isolations `person` and `block`: every unit has an instance as it was in the beginning, whose records become contributions.

use wasmtime::{Engine, Store};

use crate::caps::{RECORD_FUEL_UNITS, RECORDS_PER_PERSON_MAX};
use crate::chamber::{Chamber, Ready};
use crate::door::{Door, Entry, Rows};
use crate::guest::{Ending, Guest};
use crate::record::{Record, contributions};
use crate::run::Frame;
use crate::{ContributionSink, FailureClass, RunError};

/// Gives the rows of one unit to an instance that has seen no other, and passes its contributions on: all of them, or after
/// a fault none.
pub(crate) fn run_unit(
    (engine, door, entry): (&Engine, &Door, Entry),
    chamber: &mut Chamber,
    frame: &mut Frame,
    unit: u32,
    rows: &Rows<'_>,
    sink: &mut dyn ContributionSink,
) -> Result<(), RunError> {
    let fuel = frame.fuel()?;
    let Ready { mut store, live } = chamber.enter(engine, door, frame, fuel)?;
    let (live, result) = match live {
        Ok(mut guest) => {
            let result = guest.map(&mut store, entry, rows, &frame.arguments, RECORDS_PER_PERSON_MAX);
            (Some(guest), result)
        }
        Err(ending) => (None, Err(ending)),
    };
    let is_clean = result.is_ok();
    frame.close(&mut store, fuel, result, unit, sink)?;
    if let (true, Some(live)) = (is_clean, live) {
        chamber.leave(store, live);
    }
    Ok(())
}

impl Frame {
    /// Counts what a unit's instance used, then passes its contributions on.
    fn close(
        &mut self,
        store: &mut Store<Guest>,
        fuel: u64,
        result: Result<Vec<Record>, Ending>,
        unit: u32,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        let left = store.get_fuel().map_err(|error| RunError::host("read fuel", error))?;
        let records = result.as_ref().map_or(0, Vec::len) as u64;
        let charged =
            RECORD_FUEL_UNITS.saturating_mul(records).saturating_add(store.data_mut().take_memory_fuel_units());
        // Whatever is charged on top, a unit uses up no more than its measure.
        let used = fuel.saturating_sub(left).saturating_add(charged).min(fuel);
        self.meters.fuel_units = self.meters.fuel_units.saturating_add(used);
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
