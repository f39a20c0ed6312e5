//! Cells while they fill: what every reducer adds up, a contribution at a time.

use crate::cell::{CellStatistics, Detail};
use crate::contributors::ContributorSets;

/// No person's ordinal.
const NOBODY: u64 = u64::MAX;
/// Contributions after which sums are carried on. Each is of 2^32 steps at most, and before the next 15 persons have
/// contributed their at most 65,536 times each (`contributions_per_person_max`), no sum reaches 2^64.
const CARRIED_AFTER: u32 = 1 << 30;

/// Cells on their way to [`CellStatistics`].
pub(crate) struct Tallies {
    near: Vec<Near>,
    far: Vec<Far>,
    persons: ContributorSets,
}

/// What every contribution changes: one line of the processor's cache.
#[derive(Clone)]
#[repr(align(64))]
struct Near {
    /// Since it was carried on.
    offset_sum: u64,
    magnitude: u64,
    /// Of the person who contributed last.
    person_magnitude: u64,
    largest: [u64; 2],
    /// Who contributed last, or [`NOBODY`].
    person: u64,
    /// Since it was carried on.
    count: u32,
}

/// What was carried on.
#[derive(Clone, Default)]
struct Far {
    offset_sum: u128,
    magnitude: u128,
    count: u64,
}

impl Tallies {
    /// So many empty cells.
    pub(crate) fn new(cells: usize) -> Self {
        let persons = ContributorSets::new(cells);
        Self { near: vec![Near::EMPTY; cells], far: vec![Far::default(); cells], persons }
    }

    /// Adds one contribution to `cell`. Persons come clustered and ascending; the caller has checked it.
    #[inline]
    pub(crate) fn add(&mut self, cell: usize, person: u32, offset: u64, magnitude: u64) {
        let Some(near) = self.near.get_mut(cell) else { return };
        let is_new = near.is_new(person);
        near.add(is_new, person, offset, magnitude);
        if self.persons.push(cell, person, is_new)
            && near.count >= CARRIED_AFTER
            && let Some(far) = self.far.get_mut(cell)
        {
            near.carry(far);
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
        let cells = self.near.into_iter().zip(self.far).zip(self.persons.finish()).zip(details);
        let cell = |(((mut near, mut far), persons), detail): (((Near, Far), _), _)| {
            near.rank(near.person_magnitude);
            near.carry(&mut far);
            let Far { offset_sum, magnitude, count } = far;
            CellStatistics { persons, count, offset_sum, magnitude, largest: near.largest, detail }
        };
        cells.map(cell).collect()
    }
}

impl Near {
    const EMPTY: Self =
        Self { offset_sum: 0, magnitude: 0, person_magnitude: 0, largest: [0; 2], person: NOBODY, count: 0 };

    #[inline]
    fn is_new(&self, person: u32) -> bool {
        self.person != u64::from(person)
    }

    /// Nothing here branches on whether a person is new: see [`ContributorSets::push`].
    #[inline]
    fn add(&mut self, is_new: bool, person: u32, offset: u64, magnitude: u64) {
        self.person = u64::from(person);
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

    fn carry(&mut self, far: &mut Far) {
        far.offset_sum += u128::from(std::mem::take(&mut self.offset_sum));
        far.magnitude += u128::from(std::mem::take(&mut self.magnitude));
        far.count += u64::from(std::mem::take(&mut self.count));
    }
}
