//! The differencing guard: what was released before bounds what may be released now.
//!
//! Two tables that are harmless one by one can be subtracted; if their persons differ by one, the difference is that
//! person's record. [`Guard`] is asked for each set of persons before a figure about them is shown.
//! docs/differencing.md says what is proved and what is not.

use roaring::RoaringBitmap;

/// Decides whether a figure about a set of persons may stand beside everything released before it.
pub trait Guard {
    /// True if a figure about `persons` (ordinals of the snapshot) may be shown. An admitted set counts as released from
    /// then on, so that the sets of one release are guarded against one another, too.
    fn admit(&mut self, persons: &RoaringBitmap) -> bool;
}

/// Admits every set: for profiles whose `differencing` is off, for releases with noise, and for dummy data.
pub struct Unguarded;

impl Guard for Unguarded {
    fn admit(&mut self, _persons: &RoaringBitmap) -> bool {
        true
    }
}
