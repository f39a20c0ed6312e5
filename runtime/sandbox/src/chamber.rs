//! Where the units of a run follow one another: in one instance that is put back between them, or each in a fresh one.
//!
//! Before every unit the host overwrites the whole memory and every mutable global from an image that it took of the first
//! instance of the run, before any row was seen. It asks neither the kernel nor wasmtime what has changed. Inspection admits
//! only modules of which that is all that can change (inspect/resettable.rs). After a fault, and when the memory has grown,
//! the instance is thrown away and a fresh one made. Fuel, deadline and limits are set anew for each unit and are the same
//! in both cases, so that nothing tells a unit, or anyone who reads meters, which of them it had.

use wasmtime::{Engine, Global, Store, Val};

use crate::RunError;
use crate::columnar::LiveModule;
use crate::door::{Door, Live};
use crate::guest::{Ending, Guest, store};
use crate::run::Frame;

/// A store with an instance in it, as it was before any row was seen, or why it could not be made.
pub(crate) struct Ready {
    pub(crate) store: Store<Guest>,
    pub(crate) live: Result<Live, Ending>,
}

/// The place where units are run.
#[derive(Default)]
pub(crate) struct Chamber {
    image: Option<Image>,
    kept: Option<(Store<Guest>, Live)>,
}

impl Chamber {
    /// An instance for the next unit, with `fuel` less what its start took.
    pub(crate) fn enter(&mut self, engine: &Engine, door: &Door, frame: &Frame, fuel: u64) -> Result<Ready, RunError> {
        if let Some(ready) = self.put_back(fuel)? {
            return Ok(ready);
        }
        let mut store = store(engine, frame.limits.memory_bytes, &frame.watch);
        set_fuel(&mut store, fuel)?;
        let live = door.instantiate(&mut store);
        if let Ok(Live::Columnar(module)) = &live
            && let Some(globals) = module.mutable_globals()
        {
            match &self.image {
                None => self.image = Some(Image::take(module, globals, &mut store, fuel)?),
                // Fresh from the pool, and overwritten all the same: every unit of a run starts from the same bytes.
                Some(image) if image.restore(module, globals, &mut store)? => {}
                Some(_) => return Err(RunError::host("make an instance", "another memory than the first one's")),
            }
        }
        Ok(Ready { store, live })
    }

    /// Keeps the instance of a unit that ended without a fault, if it can be put back.
    pub(crate) fn leave(&mut self, store: Store<Guest>, live: Live) {
        if self.image.is_some() {
            self.kept = Some((store, live));
        }
    }

    /// The instance that was kept, as it was in the beginning; none when there is none that can be put back.
    fn put_back(&mut self, fuel: u64) -> Result<Option<Ready>, RunError> {
        let (Some((mut store, live)), Some(image)) = (self.kept.take(), &self.image) else { return Ok(None) };
        // Too little for the start: a fresh instance runs out of it in its own way.
        let Some(fuel) = fuel.checked_sub(image.fuel_units) else { return Ok(None) };
        let Live::Columnar(module) = &live else { return Ok(None) };
        let Some(globals) = module.mutable_globals() else { return Ok(None) };
        if !image.restore(module, globals, &mut store)? {
            return Ok(None);
        }
        *store.data_mut() = image.guest;
        store.set_epoch_deadline(1);
        set_fuel(&mut store, fuel)?;
        Ok(Some(Ready { store, live: Ok(live) }))
    }
}

/// All that units can change of an instance, as it was before the first of them.
struct Image {
    memory: Vec<u8>,
    globals: Vec<Val>,
    /// What the store said of its guest: memory that it had got, and no growth refused.
    guest: Guest,
    /// Fuel that the start took. Every unit pays it, though the start runs once.
    fuel_units: u64,
}

impl Image {
    fn take(module: &LiveModule, globals: &[Global], store: &mut Store<Guest>, fuel: u64) -> Result<Self, RunError> {
        let left = store.get_fuel().map_err(|error| RunError::host("read fuel", error))?;
        let memory = module.memory().data(&*store).to_vec();
        let globals = globals.iter().map(|global| global.get(&mut *store)).collect();
        Ok(Self { memory, globals, guest: *store.data(), fuel_units: fuel.saturating_sub(left) })
    }

    /// Overwrites all of it. False when the memory has grown, which can't be taken back.
    fn restore(&self, module: &LiveModule, globals: &[Global], store: &mut Store<Guest>) -> Result<bool, RunError> {
        let memory = module.memory().data_mut(&mut *store);
        if memory.len() != self.memory.len() {
            return Ok(false);
        }
        memory.copy_from_slice(&self.memory);
        for (global, value) in globals.iter().zip(&self.globals) {
            global.set(&mut *store, *value).map_err(|error| RunError::host("restore a global", error))?;
        }
        Ok(true)
    }
}

fn set_fuel(store: &mut Store<Guest>, fuel: u64) -> Result<(), RunError> {
    store.set_fuel(fuel).map_err(|error| RunError::host("set fuel", error))
}
