//! Is there a combination that misses all but a few persons? An exact search, bounded in work.

use super::field::Field;
use crate::{Interrupted, Patience};

/// What an audit found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// No new combination isolates 1 to k−1 persons.
    Safe,
    /// One does.
    Isolated,
    /// The bound on work was met first. The guard takes it for isolated.
    Undecided,
}

/// Row operations, in field multiplications, after which the search gives up: some tenths of a second.
const WORK_MAX: u64 = 30_000_000;
/// Sets of vectors that are gathered at once.
const OPEN_MAX: usize = 16;

/// Linear combinations of sets, as rows of their values on atoms.
pub(super) struct Rows {
    /// One row a combination: values on each atom, then how often the asked set is in it.
    pub(super) rows: Vec<Vec<u64>>,
    /// Persons of each atom.
    pub(super) weights: Vec<u64>,
}

/// Looks for a row in the span of `rows`, in which the asked set takes part, that is not zero on 1 to `k`−1 persons.
///
/// Every such row is a sum of rows of minimal support within its own support (Rockafellar's elementary vectors), and the asked
/// set takes part in one of those. A row of minimal support is found by deciding for atoms in turn: either the row is zero there,
/// which leaves a space of one dimension less, or it is not, which costs the atom's persons, of which fewer than `k` may
/// be spent.
pub(super) struct Search<'a> {
    field: Field,
    k: u64,
    work: u64,
    patience: &'a dyn Patience,
}

impl<'a> Search<'a> {
    pub(super) fn new(field: Field, k: u64, patience: &'a dyn Patience) -> Self {
        Self { field, k, work: 0, patience }
    }

    pub(super) fn run(&mut self, rows: &Rows) -> Result<Finding, Interrupted> {
        let touched = vec![false; rows.weights.len()];
        self.descend(&rows.rows, &rows.weights, &touched, 0)
    }

    /// `touched` atoms are decided to be non-zero; their persons are `spent`.
    fn descend(
        &mut self,
        rows: &[Vec<u64>],
        weights: &[u64],
        touched: &[bool],
        spent: u64,
    ) -> Result<Finding, Interrupted> {
        let columns = weights.len();
        let work = (rows.len() as u64).saturating_mul(columns as u64);
        self.work = self.work.saturating_add(work);
        self.patience.spend(work)?;
        if self.work > WORK_MAX {
            return Ok(Finding::Undecided);
        }
        if rows.iter().all(|row| row.get(columns).is_none_or(|part| *part == 0)) {
            return Ok(Finding::Safe);
        }
        let is_zero = |column: usize| rows.iter().all(|row| row.get(column).is_none_or(|value| *value == 0));
        // An atom decided to be non-zero that has become zero: the other branch has this case.
        if (0..columns).any(|column| touched.get(column) == Some(&true) && is_zero(column)) {
            return Ok(Finding::Safe);
        }
        let open: Vec<usize> =
            (0..columns).filter(|column| touched.get(*column) == Some(&false) && !is_zero(*column)).collect();
        if open.is_empty() {
            return Ok(Finding::Isolated);
        }
        if let [row] = rows {
            let rest: u64 = open.iter().filter_map(|column| weights.get(*column)).sum();
            let is_full = touched.iter().zip(row).all(|(touched, value)| !touched || *value != 0);
            return Ok(if is_full && spent + rest < self.k { Finding::Isolated } else { Finding::Safe });
        }
        if self.least(rows, weights, &open, self.k - spent)? >= self.k - spent {
            return Ok(Finding::Safe);
        }
        let heaviest = open.iter().max_by_key(|column| weights.get(**column).copied().unwrap_or(0));
        let Some((column, weight)) = heaviest.and_then(|column| Some((*column, *weights.get(*column)?))) else {
            return Ok(Finding::Safe);
        };
        let zeroed = self.descend(&self.zeroed(rows, column), weights, touched, spent)?;
        if zeroed != Finding::Safe || spent + weight >= self.k {
            return Ok(zeroed);
        }
        let mut touched = touched.to_vec();
        if let Some(touched) = touched.get_mut(column) {
            *touched = true;
        }
        self.descend(rows, weights, &touched, spent + weight)
    }

    /// The rows that are zero at `column`: one dimension less.
    fn zeroed(&self, rows: &[Vec<u64>], column: usize) -> Vec<Vec<u64>> {
        let at = |row: &Vec<u64>| row.get(column).copied().unwrap_or(0);
        let Some(pivot) = rows.iter().position(|row| at(row) != 0) else { return rows.to_vec() };
        let Some(pivot_row) = rows.get(pivot) else { return rows.to_vec() };
        let inverse = self.field.inverse(at(pivot_row));
        let others = rows.iter().enumerate().filter(|(index, _)| *index != pivot);
        others
            .map(|(_, row)| {
                let mut row = row.clone();
                let factor = self.field.mul(at(&row), inverse);
                if factor != 0 {
                    self.field.subtract(&mut row, factor, pivot_row);
                }
                row
            })
            .collect()
    }

    /// A lower bound on the persons of any row: a row that is not zero is non-zero somewhere on every set of atoms that spans
    /// the space, so disjoint spanning sets each cost their smallest atom. Stops at `enough`.
    fn least(&mut self, rows: &[Vec<u64>], weights: &[u64], open: &[usize], enough: u64) -> Result<u64, Interrupted> {
        let weight = |column: &usize| weights.get(*column).copied().unwrap_or(0);
        let mut heaviest = open.to_vec();
        heaviest.sort_by_key(|column| std::cmp::Reverse(weight(column)));
        let mut packing = Packing::new(self.field, rows.len());
        for column in &heaviest {
            let vector = rows.iter().map(|row| row.get(*column).copied().unwrap_or(0)).collect();
            let work = (rows.len() as u64).saturating_mul(rows.len() as u64);
            self.work = self.work.saturating_add(work);
            self.patience.spend(work)?;
            if packing.add(vector, weight(column)) >= enough {
                break;
            }
        }
        Ok(packing.least)
    }
}

/// Disjoint sets of vectors, each spanning the space, gathered greedily.
pub(super) struct Packing {
    field: Field,
    dimension: usize,
    open: Vec<Basis>,
    least: u64,
}

impl Packing {
    /// An empty packing of a space of `dimension` dimensions.
    pub(super) fn new(field: Field, dimension: usize) -> Self {
        Self { field, dimension, open: Vec::new(), least: 0 }
    }

    /// Adds the values on an atom. Atoms come heaviest first. Answers the persons that any non-zero row costs at least, so far.
    pub(super) fn add(&mut self, vector: Vec<u64>, persons: u64) -> u64 {
        if vector.iter().all(|value| *value == 0) {
            return self.least;
        }
        for at in 0..self.open.len() {
            let Some(basis) = self.open.get_mut(at) else { break };
            if basis.take(vector.clone()) {
                if basis.is_full() {
                    self.open.remove(at);
                    self.least += persons;
                }
                return self.least;
            }
        }
        let mut basis = Basis::new(self.field, self.dimension);
        basis.take(vector);
        if basis.is_full() {
            self.least += persons;
        } else if self.open.len() < OPEN_MAX {
            self.open.push(basis);
        }
        self.least
    }
}
/// Independent vectors, reduced as they come.
struct Basis {
    field: Field,
    dimension: usize,
    /// Each with the place of its leading one.
    vectors: Vec<(usize, Vec<u64>)>,
}

impl Basis {
    fn new(field: Field, dimension: usize) -> Self {
        Self { field, dimension, vectors: Vec::with_capacity(dimension) }
    }

    fn is_full(&self) -> bool {
        self.vectors.len() == self.dimension
    }

    /// Takes `vector` if it is independent of those taken before.
    fn take(&mut self, mut vector: Vec<u64>) -> bool {
        for (lead, other) in &self.vectors {
            let factor = vector.get(*lead).copied().unwrap_or(0);
            if factor != 0 {
                self.field.subtract(&mut vector, factor, other);
            }
        }
        let Some(lead) = vector.iter().position(|value| *value != 0) else { return false };
        let inverse = self.field.inverse(vector.get(lead).copied().unwrap_or(1));
        self.field.scale(&mut vector, inverse);
        self.vectors.push((lead, vector));
        true
    }
}
