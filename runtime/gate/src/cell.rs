//! What the host knows of one cell: who contributed, how often, how much, and how much the two largest did.

use roaring::{MultiOps, RoaringBitmap};

/// Contributors kept aside before they go to the bitmap together.
const PENDING: usize = 32;

/// Exact statistics of one cell. Plaintext of persons: no `Debug`, no `Serialize`.
#[derive(Clone, Default)]
pub(crate) struct CellStatistics {
    /// Ordinals of the contributors. Complete after [`CellStatistics::close`].
    pub(crate) persons: RoaringBitmap,
    /// Contributions.
    pub(crate) count: u64,
    /// Sum of offsets above the lower bound, in steps of the scale; 0 where the reducer takes no value.
    pub(crate) offset_sum: u128,
    /// Sum of magnitudes: contributions for a count, steps of the scale for a sum or mean.
    pub(crate) magnitude: u128,
    /// Magnitudes of the two persons with the most, largest first. Complete after [`CellStatistics::close`].
    pub(crate) largest: [u64; 2],
    /// Who contributed last, if anyone.
    person: Option<u32>,
    person_magnitude: u64,
    pending: [u32; PENDING],
    pending_len: usize,
}

impl CellStatistics {
    /// Adds one contribution. Persons come clustered and ascending; the caller has checked it.
    ///
    /// Whether a person is new to a cell is a coin toss to the branch predictor, so nothing here branches on it.
    #[inline]
    pub(crate) fn add(&mut self, person: u32, offset: u64, magnitude: u64) {
        let is_new = self.person != Some(person);
        if let Some(slot) = self.pending.get_mut(self.pending_len) {
            *slot = person;
        }
        self.pending_len += usize::from(is_new);
        // Ranking a magnitude of 0 changes nothing.
        self.rank(if is_new { self.person_magnitude } else { 0 });
        self.person_magnitude = if is_new { magnitude } else { self.person_magnitude + magnitude };
        self.person = Some(person);
        self.count += 1;
        self.offset_sum += u128::from(offset);
        self.magnitude += u128::from(magnitude);
        if self.pending_len == PENDING {
            self.flush();
        }
    }

    /// Ranks the person who contributed last and completes the contributors.
    pub(crate) fn close(&mut self) {
        self.rank(self.person_magnitude);
        self.person_magnitude = 0;
        self.flush();
    }

    #[inline]
    fn rank(&mut self, own: u64) {
        let [first, second] = self.largest;
        self.largest = [first.max(own), second.max(first.min(own))];
    }

    fn flush(&mut self) {
        // INVARIANT: every pending person is above every person of this cell, since they ascend; so this never fails.
        let _ = self.persons.append(self.pending.iter().take(self.pending_len).copied());
        self.pending_len = 0;
    }

    /// Distinct contributors.
    pub(crate) fn person_count(&self) -> u64 {
        self.persons.len()
    }

    /// The cells taken together. Where a person may be in several of them, the two largest are bounded from above by
    /// the sum of the cells' largest: dominance may then be found where there is none, never the reverse.
    pub(crate) fn union<'a>(cells: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let mut all = Self { persons: cells.clone().map(|cell| &cell.persons).union(), ..Self::default() };
        let mut persons = 0;
        let mut disjoint = [0_u64; 2];
        let mut bound = [0_u64; 2];
        for cell in cells {
            all.count += cell.count;
            all.offset_sum += cell.offset_sum;
            all.magnitude += cell.magnitude;
            persons += cell.person_count();
            for own in cell.largest {
                let [first, second] = disjoint;
                disjoint = [first.max(own), second.max(first.min(own))];
            }
            for (sum, own) in bound.iter_mut().zip(cell.largest) {
                *sum = sum.saturating_add(own);
            }
        }
        all.largest = if all.person_count() == persons { disjoint } else { bound };
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(contributions: &[(u32, u64)]) -> CellStatistics {
        let mut cell = CellStatistics::default();
        for (person, magnitude) in contributions {
            cell.add(*person, *magnitude, *magnitude);
        }
        cell.close();
        cell
    }

    #[test]
    fn contributions_of_a_person_count_once_as_a_person_and_together_as_a_magnitude() {
        let cell = cell(&[(3, 4), (3, 5), (7, 8), (9, 1), (12, 2)]);
        assert_eq!((cell.person_count(), cell.count, cell.magnitude, cell.largest), (4, 5, 20, [9, 8]));
    }

    #[test]
    fn the_largest_are_exact_over_disjoint_cells_and_bounded_over_others() {
        let (a, b) = (cell(&[(1, 10), (2, 3)]), cell(&[(3, 7), (4, 6)]));
        assert_eq!(CellStatistics::union([&a, &b].into_iter()).largest, [10, 7]);
        let overlapping = cell(&[(1, 7), (4, 6)]);
        let union = CellStatistics::union([&a, &overlapping].into_iter());
        assert_eq!((union.person_count(), union.largest), (3, [17, 9]));
    }
}
