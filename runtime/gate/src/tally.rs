//! Cells while they fill: what every reducer adds up, a contribution at a time.

use crate::cell::{CellStatistics, Detail};
use crate::contributors::Contributors;

/// Persons kept aside before they go to the set of contributors together.
const PENDING: usize = 16;
/// No person's ordinal.
const NOBODY: u64 = u64::MAX;

/// Cells on their way to [`CellStatistics`].
pub(crate) struct Tallies {
    near: Vec<Near>,
    far: Vec<Far>,
}

/// What every contribution changes, on two lines of the processor's cache.
#[derive(Clone)]
#[repr(align(64))]
struct Near {
    /// Since the last flush. A person contributes 65,536 times at most (`contributions_per_person_max`), each of 2^32 steps,
    /// and a flush comes after 16 persons: this stays below 2^53.
    offset_sum: u64,
    magnitude: u64,
    /// Of the person who contributed last.
    person_magnitude: u64,
    largest: [u64; 2],
    /// Who contributed last, or [`NOBODY`].
    person: u64,
    count: u32,
    pending_len: u32,
    pending: [u32; PENDING],
}

/// What a flush changes.
#[derive(Clone, Default)]
struct Far {
    offset_sum: u128,
    magnitude: u128,
    count: u64,
    persons: Contributors,
}

impl Tallies {
    /// So many empty cells.
    pub(crate) fn new(cells: usize) -> Self {
        Self { near: vec![Near::EMPTY; cells], far: vec![Far::default(); cells] }
    }

    /// Adds one contribution to `cell`. Persons come clustered and ascending; the caller has checked it.
    #[inline]
    pub(crate) fn add(&mut self, cell: usize, person: u32, offset: u64, magnitude: u64) {
        let Some(near) = self.near.get_mut(cell) else { return };
        near.add(person, offset, magnitude);
        if near.pending_len as usize == PENDING
            && let Some(far) = self.far.get_mut(cell)
        {
            near.flush(far);
        }
    }

    /// Whether `person` has not contributed last to `cell`.
    #[inline]
    pub(crate) fn is_new(&self, cell: usize, person: u32) -> bool {
        self.near.get(cell).is_some_and(|near| near.is_new(person))
    }

    /// Whether nobody has contributed to `cell`.
    #[inline]
    pub(crate) fn is_empty(&self, cell: usize) -> bool {
        self.near.get(cell).is_none_or(|near| near.person == NOBODY)
    }

    /// Ends them, each with a detail.
    pub(crate) fn finish(self, details: impl IntoIterator<Item = Detail>) -> Vec<CellStatistics> {
        let cells = self.near.into_iter().zip(self.far);
        cells.zip(details).map(|((near, far), detail)| near.finish(far, detail)).collect()
    }
}

impl Near {
    const EMPTY: Self = Self {
        offset_sum: 0,
        magnitude: 0,
        person_magnitude: 0,
        largest: [0; 2],
        person: NOBODY,
        count: 0,
        pending_len: 0,
        pending: [0; PENDING],
    };

    #[inline]
    fn is_new(&self, person: u32) -> bool {
        self.person != u64::from(person)
    }

    /// Whether a person is new to a cell is a coin toss to the branch predictor, so nothing here branches on it.
    #[inline]
    fn add(&mut self, person: u32, offset: u64, magnitude: u64) {
        let is_new = self.is_new(person);
        self.person = u64::from(person);
        if let Some(slot) = self.pending.get_mut(self.pending_len as usize) {
            *slot = person;
        }
        self.pending_len += u32::from(is_new);
        // Ranking a magnitude of 0 changes nothing.
        self.rank(if is_new { self.person_magnitude } else { 0 });
        self.person_magnitude = magnitude + if is_new { 0 } else { self.person_magnitude };
        self.count += 1;
        self.offset_sum += offset;
        self.magnitude += magnitude;
    }

    #[inline]
    fn rank(&mut self, own: u64) {
        let [first, second] = self.largest;
        self.largest = [first.max(own), second.max(first.min(own))];
    }

    #[inline]
    fn flush(&mut self, far: &mut Far) {
        far.offset_sum += u128::from(std::mem::take(&mut self.offset_sum));
        far.magnitude += u128::from(std::mem::take(&mut self.magnitude));
        far.count += u64::from(std::mem::take(&mut self.count));
        far.persons.extend(self.pending.get(..self.pending_len as usize).unwrap_or_default());
        self.pending_len = 0;
    }

    fn finish(mut self, mut far: Far, detail: Detail) -> CellStatistics {
        self.rank(self.person_magnitude);
        self.flush(&mut far);
        CellStatistics {
            persons: far.persons.finish(),
            count: far.count,
            offset_sum: far.offset_sum,
            magnitude: far.magnitude,
            largest: self.largest,
            detail,
        }
    }
}
