//! Isolation `block`: disjoint stretches of persons, cut by ordinals alone, each in an instance that has seen no other.

use wasmtime::Engine;

use crate::chamber::Chamber;
use crate::door::{Door, Entry};
use crate::gather::Gathered;
use crate::guest::Ending;
use crate::run::{Frame, Person};
use crate::unit::run_unit;
use crate::{ContributionSink, FailureClass, RunError};

/// A `block` job under way. The persons of block `b` are those with ordinals from `b * persons / blocks` to below
/// `(b + 1) * persons / blocks`: where a block ends depends on the size of the snapshot and on no row, so that a person
/// is in one block, and changes that block alone.
pub(crate) struct BlockRun {
    blocks: u64,
    persons: u64,
    /// The block at hand.
    block: u32,
    gathered: Gathered,
    chamber: Chamber,
    /// The block's rows exceed the memory of an instance: they are not gathered any further.
    is_too_large: bool,
}

impl BlockRun {
    pub(crate) fn start(blocks: u32, persons: u64) -> Result<Self, RunError> {
        if blocks == 0 || persons == 0 {
            let detail = format!("{blocks} blocks of {persons} persons: neither may be 0");
            return Err(RunError::Input { detail });
        }
        let (gathered, chamber) = (Gathered::default(), Chamber::default());
        Ok(Self { blocks: u64::from(blocks), persons, block: 0, gathered, chamber, is_too_large: false })
    }

    pub(crate) fn person(
        &mut self,
        engine: &Engine,
        door: &Door,
        frame: &mut Frame,
        person: &Person<'_>,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        let ordinal = u64::from(person.ordinal);
        if ordinal >= self.persons {
            let detail = format!("a person beyond the {} of the plan", self.persons);
            return Err(RunError::Input { detail });
        }
        while ordinal >= self.end() {
            self.flush(engine, door, frame, sink)?;
            self.block += 1;
        }
        if self.is_too_large {
            return Ok(());
        }
        self.gathered.push(person);
        // What does not fit the guest's memory need not fit the host's.
        if self.gathered.bytes() > frame.limits.memory_bytes {
            self.gathered = Gathered::default();
            self.is_too_large = true;
        }
        Ok(())
    }

    /// Runs the block at hand. One without rows has no instance.
    pub(crate) fn flush(
        &mut self,
        engine: &Engine,
        door: &Door,
        frame: &mut Frame,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        if std::mem::take(&mut self.is_too_large) {
            return frame.fault(Ending::Fault(FailureClass::Memory));
        }
        if self.gathered.len() == 0 {
            return Ok(());
        }
        let unit = (engine, door, Entry::Block);
        run_unit(unit, &mut self.chamber, frame, self.block, &self.gathered.rows(), sink)?;
        self.gathered.clear();
        Ok(())
    }

    /// The ordinal at which the block at hand ends.
    fn end(&self) -> u64 {
        // Ordinals are below 2^32 and blocks below 2^32: the product fits.
        (u64::from(self.block) + 1) * self.persons.min(u64::from(u32::MAX) + 1) / self.blocks
    }
}
