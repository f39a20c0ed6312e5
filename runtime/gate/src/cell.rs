//! What the host knows of one cell: who contributed, how often, how much, and how much the two largest did.

use roaring::RoaringBitmap;

use crate::persons::union;
use crate::{Interrupted, Patience};

/// Exact statistics of one cell. Plaintext of persons: no `Debug`, no `Serialize`.
///
/// Everything is an integer, whatever the order of contributions. `persons` and `count` are those of every reducer. The
/// three fields after them are those of the first component of the values; where there are more, [`Detail::Moments`] has
/// all of them, the first included, and [`CellStatistics::components`] gives them for every reducer alike.
#[derive(Clone, Default)]
pub(crate) struct CellStatistics {
    /// Ordinals of the contributors.
    pub(crate) persons: RoaringBitmap,
    /// Contributions.
    pub(crate) count: u64,
    /// Sum of offsets above the lower bound, in steps of the scale; 0 where the reducer adds up no value.
    pub(crate) offset_sum: u128,
    /// Sum of magnitudes: steps of the scale where values are added up, else contributions.
    pub(crate) magnitude: u128,
    /// Magnitudes of the two persons with the most, largest first.
    pub(crate) largest: [u64; 2],
    /// What the reducer needs besides.
    pub(crate) detail: Detail,
}

/// What some reducers know of a cell besides.
#[derive(Clone, Default)]
pub(crate) enum Detail {
    /// Nothing: count, distinct persons, sum, mean, histogram, contingency table.
    #[default]
    None,
    /// Variance, ratio, cross-product, gradient.
    Moments(Moments),
    /// Quantile.
    Grid(Grid),
    /// Survival table: who left, for every interval in order.
    Exits(Vec<Exits>),
}

/// One component of the values of a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Component {
    /// Sum of offsets above the lower bound, in steps of the component's scale.
    pub(crate) offset_sum: u128,
    /// Sum of magnitudes in steps.
    pub(crate) magnitude: u128,
    /// Magnitudes of the two persons with the most, largest first.
    pub(crate) largest: [u64; 2],
}

/// Sums over vectors of values.
#[derive(Clone, Default)]
pub(crate) struct Moments {
    /// One for each component: variance 1, ratio 2 (numerator, denominator), cross-product one a variable, gradient one a
    /// component. `ReducedOutput::scales` has the scale of each.
    pub(crate) components: Vec<Component>,
    /// Sums of products of offsets, of components i ≤ j, the upper triangle row after row (see [`product_index`]).
    /// Variance: one, the squares. Cross-product: all. Ratio and gradient: none.
    pub(crate) products: Vec<u128>,
}

/// Values of a cell per step of a grid.
#[derive(Clone, Default)]
pub(crate) struct Grid {
    /// Contributions whose value lies in each step.
    pub(crate) counts: Vec<u64>,
    /// Persons whose lowest value lies in each step; empty where a person contributes once, as `counts` are these.
    pub(crate) lowest: Vec<u32>,
    /// Persons whose highest value lies in each step; empty where a person contributes once.
    pub(crate) highest: Vec<u32>,
}

/// Who left in one interval. A person leaves once.
#[derive(Clone, Default)]
pub(crate) struct Exits {
    /// By an event.
    pub(crate) events: RoaringBitmap,
    /// Censored.
    pub(crate) censored: RoaringBitmap,
}

/// Where [`Moments::products`] has the product of components `i` and `j` of `components`.
pub(crate) fn product_index(i: usize, j: usize, components: usize) -> usize {
    let (i, j) = (i.min(j), i.max(j));
    // Rows before row i hold components, components - 1, … products.
    (i * (2 * components + 1 - i)) / 2 + (j - i)
}

impl Grid {
    /// Counts a person whose lowest and highest steps are these.
    pub(crate) fn close_person(&mut self, (lowest, highest): (usize, usize)) {
        for (persons, step) in [(&mut self.lowest, lowest), (&mut self.highest, highest)] {
            if let Some(persons) = persons.get_mut(step) {
                *persons += 1;
            }
        }
    }

    /// Contributions in the first `steps` steps.
    pub(crate) fn count_below(&self, steps: usize) -> u64 {
        self.counts.iter().take(steps).sum()
    }

    /// Persons with a value in the first `steps` steps.
    pub(crate) fn persons_below(&self, steps: usize) -> u64 {
        if self.lowest.is_empty() {
            return self.count_below(steps);
        }
        self.lowest.iter().take(steps).map(|persons| u64::from(*persons)).sum()
    }

    /// Persons with a value after the first `steps` steps.
    pub(crate) fn persons_from(&self, steps: usize) -> u64 {
        if self.highest.is_empty() {
            return self.counts.iter().skip(steps).sum();
        }
        self.highest.iter().skip(steps).map(|persons| u64::from(*persons)).sum()
    }
}

impl CellStatistics {
    /// All components of the values, each of which a dominance rule judges; of a count, the contributions.
    pub(crate) fn components(&self) -> Vec<Component> {
        match &self.detail {
            Detail::Moments(moments) => moments.components.clone(),
            _ => vec![self.first()],
        }
    }

    /// Distinct contributors.
    pub(crate) fn person_count(&self) -> u64 {
        self.persons.len()
    }

    /// The cells taken together. Where a person may be in several of them, the two largest are bounded from above by
    /// the sum of the cells' largest: dominance may then be found where there is none, never the reverse. Of details,
    /// moments add up; grids and exits have no margins.
    pub(crate) fn union<'a>(
        cells: impl Iterator<Item = &'a Self> + Clone,
        patience: &dyn Patience,
    ) -> Result<Self, Interrupted> {
        let persons = union(cells.clone().map(|cell| &cell.persons), patience)?;
        let are_disjoint = persons.len() == cells.clone().map(Self::person_count).sum::<u64>();
        let mut all = Self { persons, ..Self::default() };
        let mut first = Component::default();
        let mut moments = Moments::default();
        for cell in cells {
            all.count += cell.count;
            first.join(&cell.first(), are_disjoint);
            if let Detail::Moments(other) = &cell.detail {
                moments.join(other, are_disjoint);
            }
        }
        (all.offset_sum, all.magnitude, all.largest) = (first.offset_sum, first.magnitude, first.largest);
        if !moments.components.is_empty() {
            all.detail = Detail::Moments(moments);
        }
        Ok(all)
    }

    fn first(&self) -> Component {
        Component { offset_sum: self.offset_sum, magnitude: self.magnitude, largest: self.largest }
    }
}

impl Component {
    /// Ranks what one person contributed in all.
    #[inline]
    pub(crate) fn rank(&mut self, own: u64) {
        let [first, second] = self.largest;
        self.largest = [first.max(own), second.max(first.min(own))];
    }

    /// Takes in what other contributions come to; `are_disjoint`: no person is in both.
    fn join(&mut self, other: &Self, are_disjoint: bool) {
        self.offset_sum += other.offset_sum;
        self.magnitude += other.magnitude;
        let ([first, second], [third, fourth]) = (self.largest, other.largest);
        self.largest = if are_disjoint {
            [first.max(third), first.min(third).max(second.max(fourth))]
        } else {
            [first.saturating_add(third), second.saturating_add(fourth)]
        };
    }
}

impl Moments {
    fn join(&mut self, other: &Self, are_disjoint: bool) {
        self.components.resize(other.components.len(), Component::default());
        self.products.resize(other.products.len(), 0);
        for (own, other) in self.components.iter_mut().zip(&other.components) {
            own.join(other, are_disjoint);
        }
        for (own, other) in self.products.iter_mut().zip(&other.products) {
            *own += other;
        }
    }
}

#[cfg(test)]
impl CellStatistics {
    /// A cell to which persons, ascending, contributed so much each; a person may come several times in a row.
    pub(crate) fn of(contributions: &[(u32, u64)]) -> Self {
        let mut tallies = crate::tally::Tallies::new(1);
        for (person, magnitude) in contributions {
            tallies.add(0, *person, *magnitude, *magnitude);
        }
        tallies.finish([Detail::None]).remove(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endless;

    #[test]
    fn contributions_of_a_person_count_once_as_a_person_and_together_as_a_magnitude() {
        let cell = CellStatistics::of(&[(3, 4), (3, 5), (7, 8), (9, 1), (12, 2)]);
        assert_eq!((cell.person_count(), cell.count, cell.magnitude, cell.largest), (4, 5, 20, [9, 8]));
    }

    #[test]
    fn the_largest_are_exact_over_disjoint_cells_and_bounded_over_others() {
        let (a, b) = (CellStatistics::of(&[(1, 10), (2, 3)]), CellStatistics::of(&[(3, 7), (4, 6)]));
        assert_eq!(CellStatistics::union([&a, &b].into_iter(), &Endless).unwrap().largest, [10, 7]);
        let overlapping = CellStatistics::of(&[(1, 7), (4, 6)]);
        let union = CellStatistics::union([&a, &overlapping].into_iter(), &Endless).unwrap();
        assert_eq!((union.person_count(), union.largest), (3, [17, 9]));
    }
}
