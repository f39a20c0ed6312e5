//! One guest instance's store: fuel, memory limit, deadline, and how its failures are classified.

use std::time::Instant;

use wasmtime::{Engine, ResourceLimiter, Store, Trap, UpdateDeadline};

use crate::caps::MEMORY_FUEL_UNITS;
use crate::{CancelFlag, FailureClass, Limits, RunError};

/// What a store carries: the limits of its guest and what it tried.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    memory_max_bytes: usize,
    memory_bytes: usize,
    /// Memory that the guest got, at the start or by growth, and was not charged for yet.
    uncharged_bytes: usize,
    /// The guest was refused memory or table space; a trap that follows is put down to that.
    growth_refused: bool,
    /// Fuel that the store had when it was last filled, where an instance is called more than once.
    pub(crate) fuel_given: u64,
}

impl Guest {
    /// Memory of the guest, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes as u64
    }

    /// Fuel that the guest owes for memory that it got, and does not owe any more. Its own code can't be made to pay: there
    /// growth is counted in pages, of 64 KiB or of one byte.
    pub(crate) fn take_memory_fuel_units(&mut self) -> u64 {
        (std::mem::take(&mut self.uncharged_bytes) as u64).div_ceil(65_536).saturating_mul(MEMORY_FUEL_UNITS)
    }

    /// Room for memory that is not the guest's.
    pub(crate) fn allow_more(&mut self, bytes: u64) {
        self.memory_max_bytes = self.memory_max_bytes.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // A guest that asks beyond its own declared maximum, or grows by nothing, is answered without us.
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let allowed = total <= self.memory_max_bytes && maximum.is_none_or(|maximum| desired <= maximum);
        if allowed {
            self.uncharged_bytes = self.uncharged_bytes.saturating_add(desired.saturating_sub(current));
            self.memory_bytes = total;
        } else {
            self.growth_refused = true;
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.growth_refused = true;
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed =
            desired as u64 <= crate::caps::TABLE_ELEMENTS_MAX && maximum.is_none_or(|maximum| desired <= maximum);
        self.growth_refused |= !allowed;
        Ok(allowed)
    }
}

/// Why a run must end though its guest did nothing wrong.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted(FailureClass);

/// When and why a run ends from outside.
#[derive(Clone)]
pub(crate) struct Watch {
    deadline: Instant,
    cancel: CancelFlag,
}

impl Watch {
    pub(crate) fn new(limits: &Limits, cancel: &CancelFlag) -> Self {
        let now = Instant::now();
        // A wall limit beyond what the clock can express is a day; nothing runs for longer.
        let deadline = now.checked_add(limits.wall).unwrap_or(now + std::time::Duration::from_secs(86_400));
        Self { deadline, cancel: cancel.clone() }
    }

    /// Fails once the run is cancelled or out of time.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        if self.cancel.is_cancelled() {
            Err(Interrupted(FailureClass::Cancelled))
        } else if Instant::now() >= self.deadline {
            Err(Interrupted(FailureClass::WallTime))
        } else {
            Ok(())
        }
    }
}

impl From<Interrupted> for RunError {
    fn from(interrupted: Interrupted) -> Self {
        Self::Failed(interrupted.0)
    }
}

/// A store with the limits set: every instance of a guest gets one of its own.
pub(crate) fn store(engine: &Engine, memory_max_bytes: usize, watch: &Watch) -> Store<Guest> {
    let guest = Guest { memory_max_bytes, memory_bytes: 0, uncharged_bytes: 0, growth_refused: false, fuel_given: 0 };
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| guest);
    store.set_epoch_deadline(1);
    let watch = watch.clone();
    store.epoch_deadline_callback(move |_| {
        watch.check()?;
        Ok(UpdateDeadline::Continue(1))
    });
    store
}

/// What an error of a guest call means.
pub(crate) enum Ending {
    /// The guest is at fault.
    Fault(FailureClass),
    /// The run ends: interrupted, or the host failed.
    Run(RunError),
}

/// Classifies an error of a guest call. Whatever is no trap and no interruption is the host's.
pub(crate) fn classify(error: &wasmtime::Error, guest: &Guest) -> Ending {
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return Ending::Run((*interrupted).into());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Ending::Fault(FailureClass::OutOfFuel),
        Some(Trap::StackOverflow) => Ending::Fault(FailureClass::Stack),
        // Also without a trap: an instance whose memory is too large from the start is not made.
        _ if guest.growth_refused => Ending::Fault(FailureClass::Memory),
        Some(_) => Ending::Fault(FailureClass::Trap),
        None => Ending::Run(RunError::host("run the guest", error)),
    }
}
