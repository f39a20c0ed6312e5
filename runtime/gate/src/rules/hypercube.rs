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

/// Choices of other values that are tried for one cell.
const TRIES: usize = 4_096;

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
pub(crate) fn hypercubes(shape: &Shape, suppressed: &[usize], fit: impl Fn(usize) -> bool) -> Option<Vec<Hypercube>> {
    let mut is_taken = vec![false; shape.len()];
    let mut found = Vec::with_capacity(suppressed.len());
    for cell in suppressed {
        let is_free = |corner: usize| fit(corner) && is_taken.get(corner) == Some(&false);
        let hypercube = about(shape, *cell, is_free)?;
        for corner in hypercube.even.iter().chain(&hypercube.odd) {
            if let Some(taken) = is_taken.get_mut(*corner) {
                *taken = true;
            }
        }
        found.push(hypercube);
    }
    Some(found)
}

/// The first hypercube about `cell` whose other corners are free, going round every dimension from the cell on.
fn about(shape: &Shape, cell: usize, is_free: impl Fn(usize) -> bool) -> Option<Hypercube> {
    let own: Vec<usize> = (0..shape.dimensions.len()).map(|dimension| shape.index(cell, dimension)).collect();
    let sizes: Vec<usize> = (0..shape.dimensions.len()).map(|dimension| shape.size(dimension)).collect();
    let choices = sizes.iter().fold(1_usize, |choices, size| choices.saturating_mul(size.saturating_sub(1)));
    for choice in 0..choices.min(TRIES) {
        let mut left = choice;
        let others: Vec<usize> = own
            .iter()
            .zip(&sizes)
            .map(|(own, size)| {
                let turn = 1 + left % (size - 1);
                left /= size - 1;
                (own + turn) % size
            })
            .collect();
        let hypercube = corners(cell, &own, &others, &sizes);
        if hypercube.even.iter().chain(&hypercube.odd).all(|corner| is_free(*corner)) {
            return Some(hypercube);
        }
    }
    None
}

fn corners(cell: usize, own: &[usize], others: &[usize], sizes: &[usize]) -> Hypercube {
    let mut hypercube = Hypercube { cell, even: Vec::new(), odd: Vec::new() };
    for corner in 1..1_usize << own.len() {
        let mut index = 0;
        for (dimension, ((own, other), size)) in own.iter().zip(others).zip(sizes).enumerate() {
            index = index * size + if corner & (1 << dimension) == 0 { own } else { other };
        }
        let side = if corner.count_ones() % 2 == 0 { &mut hypercube.even } else { &mut hypercube.odd };
        side.push(index);
    }
    hypercube
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
    use crate::shape::Dimension;

    fn shape(sizes: &[usize]) -> Shape {
        let dimension =
            |size: &usize| Dimension { name: "d".into(), labels: (0..*size).map(|value| value.to_string()).collect() };
        Shape { dimensions: sizes.iter().map(dimension).collect() }
    }

    #[test]
    fn corners_alternate() {
        let found = hypercubes(&shape(&[3, 4]), &[5], |cell| cell != 5).unwrap();
        // Cell 5 is (1, 1); the others are row 2 and column 2.
        assert_eq!(found, [Hypercube { cell: 5, even: vec![10], odd: vec![9, 6] }]);
        let found = hypercubes(&shape(&[2, 2, 2]), &[0], |cell| cell != 0).unwrap();
        assert_eq!(found, [Hypercube { cell: 0, even: vec![6, 5, 3], odd: vec![4, 2, 1, 7] }]);
    }

    #[test]
    fn hypercubes_share_no_cell() {
        let suppressed = [0, 7, 14];
        let found = hypercubes(&shape(&[5, 6]), &suppressed, |cell| !suppressed.contains(&cell)).unwrap();
        let mut cells: Vec<usize> = found.iter().flat_map(Hypercube::cells).collect();
        cells.sort_unstable();
        let count = cells.len();
        cells.dedup();
        assert_eq!((count, cells.len()), (12, 12));
    }

    #[test]
    fn where_there_is_no_room_there_is_none() {
        assert_eq!(hypercubes(&shape(&[2, 2]), &[0, 1], |cell| cell > 1), None);
        assert_eq!(hypercubes(&shape(&[1, 4]), &[0], |cell| cell > 0), None);
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
