//! The differencing guard: what was released before bounds what may be released now.
//!
//! Two tables that are harmless one by one can be subtracted; if their persons differ by one, the difference is that
//! person's record. [`Guard`] is asked for each set of persons before a figure about them is shown.
//! docs/differencing.md says what is proved and what is not.

mod atoms;
mod audit;
mod completion;
mod field;
mod index;
mod search;
mod session;
mod sketch;
mod space;
mod unions;

use std::sync::Arc;

use roaring::RoaringBitmap;
use thiserror::Error;

use crate::{Interrupted, Patience};

pub use index::GuardIndex;
pub use session::{GuardSession, NewCohort};
pub use sketch::Sketch;

/// Decides whether a figure about a set of persons may stand beside everything released before it.
pub trait Guard {
    /// True if a figure about `persons` (ordinals of the snapshot) may be shown. An admitted set counts as released from
    /// then on, so that the sets of one release are guarded against one another, too.
    ///
    /// # Errors
    /// [`Interrupted`] when `patience` ends. Nothing of the release may then leave.
    fn admit(&mut self, persons: &RoaringBitmap, patience: &dyn Patience) -> Result<bool, Interrupted>;
}

/// Admits every set: for profiles whose `differencing` is off, for releases with noise, and for dummy data.
pub struct Unguarded;

impl Guard for Unguarded {
    fn admit(&mut self, _persons: &RoaringBitmap, _patience: &dyn Patience) -> Result<bool, Interrupted> {
        Ok(true)
    }
}

/// From a snapshot's ordinals to ids that mean the same person in every snapshot.
#[derive(Clone)]
pub enum PersonIds {
    /// Ordinals are ids already: a dataset that never changes, or a test.
    Identity,
    /// By ordinal, as the vault keeps them. Both are told apart because either may open a difference: a person who is
    /// missing from the next snapshot, and a person whose rows changed between two.
    Registry {
        /// The person's id.
        persons: Arc<[u32]>,
        /// The id of the person's rows as they stand in this snapshot. The first version has the person's own id.
        versions: Arc<[u32]>,
    },
}

/// Why the guard could not judge. The whole release then fails: a guard that can't see must not say yes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GuardFault {
    /// The persons of a released cohort could not be read.
    #[error("the persons of released cohort {cohort} can't be read ({reason}); restore the store from a backup")]
    Load {
        /// Its number.
        cohort: u64,
        /// Why; speaks of storage alone.
        reason: String,
    },
    /// Bytes that are no cohort.
    #[error("a stored cohort is damaged; restore the store from a backup")]
    Damaged,
    /// Contributors that the snapshot does not have.
    #[error(
        "a cell has contributors outside the snapshot's persons; the view and its person ids do not belong together"
    )]
    UnknownPerson,
    /// The caller's patience ended.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Reads the persons of a [`NewCohort`] back.
///
/// # Errors
/// [`GuardFault::Damaged`].
pub fn read_cohort(bytes: &[u8]) -> Result<RoaringBitmap, GuardFault> {
    RoaringBitmap::deserialize_from(bytes).map_err(|_| GuardFault::Damaged)
}

#[cfg(test)]
mod tests;
