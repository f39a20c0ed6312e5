//! Complementary suppression for tables that show the margins of every order: hypercubes.
//!
//! Take a suppressed cell and, in each dimension, one other value: the 2^d combinations are the corners of a hypercube.
//! Adding t to every corner with an even number of other values and subtracting t from every other corner changes no
//! margin of any order. So when all corners are hidden, no margin tells how large t is, as far as every corner has room
//! for it: the cell can be anything below the threshold when each odd corner can give way, and each even one too.
//!
//! What is decided from values is decided from sums (cell + odd corner) and differences (even corner − cell), which t
//! does not change; hypercubes share no cell, so none changes another. Hence every table along t is published the same,
//! decisions included: what is shown, what is hidden, what is withheld. Source: Repsilber's hypercube method (Hundepool et
//! al., Statistical Disclosure Control, section 4.4.3), made simulatable (Kenthapadi, Mishra and Nissim 2005).

use crate::shape::Shape;
use crate::{Interrupted, Patience};

/// Choices of other values that are tried for one cell, and for all cells of a table.
const TRIES_EACH: usize = 1_024;
const TRIES: usize = 200_000;

/// The corners of a hypercube about one suppressed cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hypercube {
    /// The suppressed cell.
    pub(crate) cell: usize,
    /// Corners that differ from it in an even number of dimensions.
    pub(crate) even: Vec<usize>,
    /// Corners that differ from it in an odd number of dimensions.
    pub(crate) odd: Vec<usize>,
}

/// What is known of a hidden figure before any margin is seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Least and most that a cell below the threshold shows.
    pub(crate) small: (f64, f64),
    /// Least that a cell shows which passes.
    pub(crate) passing_least: f64,
}

/// One hypercube for each cell of `suppressed` (ascending), no two sharing a cell; none when there is not one for each.
/// `fit` tells whether a cell passes every rule. Follows from which cells are suppressed and which fit, from nothing else.
pub(crate) fn hypercubes(
    shape: &Shape,
    suppressed: &[usize],
    fit: impl Fn(usize) -> bool,
    patience: &dyn Patience,
) -> Result<Option<Vec<Hypercube>>, Interrupted> {
    patience.spend(shape.len() as u64)?;
    let mut is_free: Vec<bool> = (0..shape.len()).map(fit).collect();
    let mut found = Vec::with_capacity(suppressed.len());
    let mut tries = TRIES;
    for cell in suppressed {
        patience.spend(TRIES_EACH as u64)?;
        let Some(hypercube) = Search::about(shape, *cell).first(&is_free, &mut tries) else { return Ok(None) };
        for corner in hypercube.cells() {
            if let Some(free) = is_free.get_mut(corner) {
                *free = false;
            }
        }
        found.push(hypercube);
    }
    Ok(Some(found))
}

/// The hypercubes about one cell, in the order of going round every dimension from the cell on.
struct Search {
    cell: usize,
    sizes: Vec<usize>,
    own: Vec<usize>,
    others: Vec<usize>,
}

impl Search {
    fn about(shape: &Shape, cell: usize) -> Self {
        let dimensions = || 0..shape.dimensions.len();
        let sizes = dimensions().map(|dimension| shape.size(dimension)).collect();
        let own: Vec<usize> = dimensions().map(|dimension| shape.index(cell, dimension)).collect();
        Self { cell, sizes, others: own.clone(), own }
    }

    /// The first hypercube whose corners but the cell itself are free.
    fn first(&mut self, is_free: &[bool], tries: &mut usize) -> Option<Hypercube> {
        let choices = self.sizes.iter().fold(1_usize, |choices, size| choices.saturating_mul(size.saturating_sub(1)));
        for choice in 0..choices.min(TRIES_EACH) {
            *tries = tries.checked_sub(1)?;
            self.choose(choice);
            if self.corners().all(|corner| is_free.get(self.index(corner)) == Some(&true)) {
                return Some(self.hypercube());
            }
        }
        None
    }

    /// Sets the other value of every dimension.
    fn choose(&mut self, choice: usize) {
        let mut left = choice;
        for ((other, own), size) in self.others.iter_mut().zip(&self.own).zip(&self.sizes) {
            let turns = size.saturating_sub(1).max(1);
            *other = (own + 1 + left % turns) % size;
            left /= turns;
        }
    }

    /// The corners but the cell itself, each as the set of dimensions in which it has the other value.
    fn corners(&self) -> std::ops::Range<usize> {
        1..1 << self.own.len()
    }

    fn index(&self, corner: usize) -> usize {
        let values = self.own.iter().zip(&self.others).zip(&self.sizes).enumerate();
        values.fold(0, |index, (dimension, ((own, other), size))| {
            index * size + if corner & (1 << dimension) == 0 { own } else { other }
        })
    }

    fn hypercube(&self) -> Hypercube {
        let (even, odd): (Vec<_>, Vec<_>) = self.corners().partition(|corner| corner.count_ones().is_multiple_of(2));
        let indexes = |corners: Vec<usize>| corners.into_iter().map(|corner| self.index(corner)).collect();
        Hypercube { cell: self.cell, even: indexes(even), odd: indexes(odd) }
    }
}

impl Hypercube {
    /// Whether its cell can be anything below the threshold, whatever margins are shown; `figure` gives rounded figures.
    pub(crate) fn leaves_free(&self, figure: impl Fn(usize) -> f64, bounds: Bounds) -> bool {
        let (least, most) = bounds.small;
        let own = figure(self.cell);
        let up = self.odd.iter().all(|corner| own + figure(*corner) >= most + bounds.passing_least);
        let down = self.even.iter().all(|corner| figure(*corner) - own >= bounds.passing_least - least);
        up && down
    }

    /// All cells.
    pub(crate) fn cells(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.cell).chain(self.even.iter().chain(&self.odd).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endless;
    use crate::shape::Dimension;

    fn shape(sizes: &[usize]) -> Shape {
        let dimension =
            |size: &usize| Dimension { name: "d".into(), labels: (0..*size).map(|value| value.to_string()).collect() };
        Shape { dimensions: sizes.iter().map(dimension).collect() }
    }

    #[test]
    fn corners_alternate() {
        let found = hypercubes(&shape(&[3, 4]), &[5], |cell| cell != 5, &Endless).unwrap().unwrap();
        // Cell 5 is (1, 1); the others are row 2 and column 2.
        assert_eq!(found, [Hypercube { cell: 5, even: vec![10], odd: vec![9, 6] }]);
        let found = hypercubes(&shape(&[2, 2, 2]), &[0], |cell| cell != 0, &Endless).unwrap().unwrap();
        assert_eq!(found, [Hypercube { cell: 0, even: vec![6, 5, 3], odd: vec![4, 2, 1, 7] }]);
    }

    #[test]
    fn hypercubes_share_no_cell() {
        let suppressed = [0, 7, 14];
        let found =
            hypercubes(&shape(&[5, 6]), &suppressed, |cell| !suppressed.contains(&cell), &Endless).unwrap().unwrap();
        let mut cells: Vec<usize> = found.iter().flat_map(Hypercube::cells).collect();
        cells.sort_unstable();
        let count = cells.len();
        cells.dedup();
        assert_eq!((count, cells.len()), (12, 12));
    }

    #[test]
    fn where_there_is_no_room_there_is_none() {
        assert_eq!(hypercubes(&shape(&[2, 2]), &[0, 1], |cell| cell > 1, &Endless), Ok(None));
        assert_eq!(hypercubes(&shape(&[1, 4]), &[0], |cell| cell > 0, &Endless), Ok(None));
    }

    #[test]
    fn decisions_are_the_same_all_along() {
        let bounds = Bounds { small: (0.0, 10.0), passing_least: 10.0 };
        let hypercube = Hypercube { cell: 0, even: vec![3], odd: vec![1, 2] };
        for start in [[5.0, 15.0, 20.0, 25.0], [5.0, 10.0, 20.0, 25.0], [5.0, 15.0, 20.0, 10.0]] {
            let along = [-5.0, 0.0, 5.0].map(|t| {
                let values = [start[0] + t, start[1] - t, start[2] - t, start[3] + t];
                hypercube.leaves_free(|cell| values[cell], bounds)
            });
            assert!(along.iter().all(|free| *free == along[0]));
        }
        assert!(hypercube.leaves_free(|cell| [5.0, 15.0, 20.0, 25.0][cell], bounds));
        assert!(!hypercube.leaves_free(|cell| [5.0, 10.0, 20.0, 25.0][cell], bounds));
        assert!(!hypercube.leaves_free(|cell| [5.0, 15.0, 20.0, 10.0][cell], bounds));
    }
}
