//! The linear audit: does one more set let a combination of sets isolate 1 to k−1 persons?
//!
//! After Chin and Özsoyoğlu ("Auditing and inference control in statistical databases", IEEE TSE 8(6), 1982): whatever sums over
//! sets an attacker has, what follows from them linearly is the span of the sets' indicator rows. Sums over the sets tell a sum
//! over some 1 to k−1 persons exactly if the span has a row that is zero on everyone else.

use std::collections::HashMap;

use super::atoms::Atom;
use super::field::{FIELDS, Field};
use super::search::{Finding, Rows, Search};
use crate::{Interrupted, Patience};

/// More small atoms than this are not looked through one by one.
const COLUMNS_MAX: usize = 8192;

/// Whether set number `subject`, the last of the sets in the atoms' signatures, makes a new combination that isolates 1 to
/// `k`−1 persons. A set that is itself a combination of the others makes none.
pub(super) fn audit(atoms: &[Atom], subject: usize, k: u64, patience: &dyn Patience) -> Result<Finding, Interrupted> {
    if atoms.iter().all(|atom| atom.persons >= k) {
        return Ok(Finding::Safe);
    }
    // The first prime that finds something decides; all must agree that there is nothing.
    for field in FIELDS {
        match (Audit { field, subject, k, patience }).run(atoms)? {
            Outcome::Safe => {}
            Outcome::Certain => return Ok(Finding::Safe),
            Outcome::Found(finding) => return Ok(finding),
        }
    }
    Ok(Finding::Safe)
}

/// More disjoint sets of atoms than this are not gathered at once.
const GATHERED_MAX: usize = 16;

/// What one prime says.
enum Outcome {
    /// Nothing isolates modulo this prime.
    Safe,
    /// Nothing isolates modulo any prime, nor over the rationals: rows that are independent modulo one prime are independent.
    Certain,
    /// Something does, or may.
    Found(Finding),
}

struct Audit<'a> {
    field: Field,
    subject: usize,
    k: u64,
    patience: &'a dyn Patience,
}

impl Audit<'_> {
    fn run(&self, atoms: &[Atom]) -> Result<Outcome, Interrupted> {
        let sets = self.subject + 1;
        self.spend(sets.saturating_mul(sets), atoms.len().min(sets))?;
        let unit = |index: usize| (0..sets).map(|at| u64::from(at == index)).collect::<Vec<u64>>();
        let large = atoms.iter().filter(|atom| atom.persons >= self.k);
        let combinations = self.vanishing((0..sets).map(unit).collect(), large);
        if combinations.iter().all(|row| self.part(row) == 0) {
            return Ok(Outcome::Safe);
        }
        let small = || atoms.iter().filter(|atom| atom.persons < self.k);
        let nowhere = self.vanishing(combinations.clone(), small());
        if nowhere.iter().any(|row| self.part(row) != 0) {
            // A combination with the asked set is zero on everyone: the asked set follows from the others.
            return Ok(Outcome::Safe);
        }
        self.spend(combinations.len(), atoms.len())?;
        if self.is_spread(&combinations, nowhere.len(), small()) {
            return Ok(if nowhere.is_empty() { Outcome::Certain } else { Outcome::Safe });
        }
        self.spend(combinations.len(), atoms.len())?;
        let columns = self.columns(&combinations, small());
        if columns.len() > COLUMNS_MAX {
            return Ok(Outcome::Found(Finding::Undecided));
        }
        let (values, weights): (Vec<Vec<u64>>, Vec<u64>) = columns.into_iter().unzip();
        let rows = (0..combinations.len()).map(|index| {
            let values = values.iter().map(|column| column.get(index).copied().unwrap_or(0));
            let part = combinations.get(index).map_or(0, |row| self.part(row));
            values.chain([part]).collect::<Vec<u64>>()
        });
        self.spend(combinations.len().saturating_mul(combinations.len()), weights.len())?;
        let rows = self.reduce(rows.collect(), weights.len());
        let mut search = Search::new(self.field, self.k, self.patience);
        let components = components(&rows, &weights);
        let findings: Vec<Finding> =
            components.iter().map(|component| search.run(component)).collect::<Result<_, _>>()?;
        let found = |finding: Finding| findings.contains(&finding).then_some(Outcome::Found(finding));
        Ok(found(Finding::Isolated).or_else(|| found(Finding::Undecided)).unwrap_or(Outcome::Safe))
    }

    /// Notes work on so many combinations over so many atoms.
    fn spend(&self, combinations: usize, atoms: usize) -> Result<(), Interrupted> {
        self.patience.spend((combinations as u64).saturating_mul(atoms as u64))
    }

    /// A basis of the combinations in the span of `basis` that are zero on all of `atoms`.
    fn vanishing<'a>(&self, basis: Vec<Vec<u64>>, atoms: impl Iterator<Item = &'a Atom>) -> Vec<Vec<u64>> {
        let mut remaining = Remaining::new(self.field, basis);
        atoms.for_each(|atom| _ = remaining.strike(atom.signature));
        remaining.rows
    }

    /// Whether every combination that is not zero everywhere must touch `k` persons: disjoint sets of atoms of which each leaves
    /// only the combinations that are zero everywhere (`nowhere` dimensions) are each touched, at the cost of their smallest
    /// atom. Atoms come heaviest first. Quick, and enough in most cases.
    fn is_spread<'a>(&self, combinations: &[Vec<u64>], nowhere: usize, small: impl Iterator<Item = &'a Atom>) -> bool {
        let mut open: Vec<Remaining> = Vec::new();
        let mut least = 0;
        for atom in small {
            let taken = open.iter_mut().position(|remaining| remaining.strike(atom.signature));
            let taken = taken.or_else(|| {
                let mut fresh = Remaining::new(self.field, combinations.to_vec());
                let is_touched = open.len() < GATHERED_MAX && fresh.strike(atom.signature);
                is_touched.then(|| {
                    open.push(fresh);
                    open.len() - 1
                })
            });
            if let Some(at) = taken.filter(|at| open.get(*at).is_some_and(|one| one.rows.len() == nowhere)) {
                open.remove(at);
                least += atom.persons;
            }
            if least >= self.k {
                return true;
            }
        }
        false
    }

    /// Values of every combination on each small atom, atoms on which they are proportional joined: those vanish together.
    fn columns<'a>(&self, combinations: &[Vec<u64>], small: impl Iterator<Item = &'a Atom>) -> Vec<(Vec<u64>, u64)> {
        let mut joined: HashMap<Vec<u64>, u64> = HashMap::new();
        for atom in small {
            let mut values: Vec<u64> = combinations.iter().map(|row| self.value(row, atom.signature)).collect();
            if let Some(lead) = values.iter().find(|value| **value != 0) {
                let inverse = self.field.inverse(*lead);
                self.field.scale(&mut values, inverse);
                *joined.entry(values).or_default() += atom.persons;
            }
        }
        let mut columns: Vec<(Vec<u64>, u64)> = joined.into_iter().collect();
        columns.sort_unstable_by(|(left, left_weight), (right, right_weight)| {
            right_weight.cmp(left_weight).then_with(|| left.cmp(right))
        });
        columns
    }

    /// Reduced row echelon form over the first `columns` columns; heavy atoms come first and so become pivots. Rows that are
    /// zero everywhere are left out.
    fn reduce(&self, mut rows: Vec<Vec<u64>>, columns: usize) -> Vec<Vec<u64>> {
        let mut reduced: Vec<Vec<u64>> = Vec::with_capacity(rows.len());
        for column in 0..columns {
            let at = |row: &Vec<u64>| row.get(column).copied().unwrap_or(0);
            let Some(found) = rows.iter().position(|row| at(row) != 0) else { continue };
            let mut pivot = rows.swap_remove(found);
            let inverse = self.field.inverse(at(&pivot));
            self.field.scale(&mut pivot, inverse);
            for row in reduced.iter_mut().chain(&mut rows) {
                let factor = at(row);
                if factor != 0 {
                    self.field.subtract(row, factor, &pivot);
                }
            }
            reduced.push(pivot);
            if rows.is_empty() {
                break;
            }
        }
        reduced
    }

    /// How often the asked set is in a combination.
    fn part(&self, combination: &[u64]) -> u64 {
        combination.get(self.subject).copied().unwrap_or(0)
    }

    fn value(&self, combination: &[u64], signature: u64) -> u64 {
        value(self.field, combination, signature)
    }
}

/// Combinations that are zero on every atom struck out so far.
struct Remaining {
    field: Field,
    rows: Vec<Vec<u64>>,
    /// A mixture of all rows: where it is not zero, one of them is not.
    probe: Vec<u64>,
}

impl Remaining {
    fn new(field: Field, rows: Vec<Vec<u64>>) -> Self {
        let mut remaining = Self { field, rows, probe: Vec::new() };
        remaining.mix();
        remaining
    }

    /// Leaves the combinations that are zero on an atom: one dimension less, or none if all were. That the mixture is zero where
    /// a row is not has one chance in 2⁶¹; a combination is then left that should be gone, which can only make the audit
    /// refuse more.
    fn strike(&mut self, signature: u64) -> bool {
        if value(self.field, &self.probe, signature) == 0 {
            return false;
        }
        let mut values: Vec<u64> = self.rows.iter().map(|row| value(self.field, row, signature)).collect();
        let Some(pivot) = values.iter().position(|value| *value != 0) else { return false };
        let inverse = self.field.inverse(values.swap_remove(pivot));
        let pivot_row = self.rows.swap_remove(pivot);
        for (row, value) in self.rows.iter_mut().zip(values).filter(|(_, value)| *value != 0) {
            self.field.subtract(row, self.field.mul(value, inverse), &pivot_row);
        }
        self.mix();
        true
    }

    fn mix(&mut self) {
        let mut probe = vec![0; self.rows.first().map_or(0, Vec::len)];
        let mut factor = 0x0234_5678_9abc_def1;
        for row in &self.rows {
            factor = self.field.mul(factor, 0x0fed_cba9_8765_4321);
            for (sum, value) in probe.iter_mut().zip(row) {
                *sum = self.field.add(*sum, self.field.mul(factor, *value));
            }
        }
        self.probe = probe;
    }
}

/// What a combination gives on an atom: the sum of its factors of the sets that the atom is in.
fn value(field: Field, combination: &[u64], signature: u64) -> u64 {
    let mut bits = signature;
    let mut value = 0;
    while bits != 0 {
        value = field.add(value, combination.get(bits.trailing_zeros() as usize).copied().unwrap_or(0));
        bits &= bits - 1;
    }
    value
}

/// The parts of `rows` that share no atom. A row of minimal support lies in one of them. Those without the asked set are left out.
fn components(rows: &[Vec<u64>], weights: &[u64]) -> Vec<Rows> {
    let mut part_of: Vec<usize> = (0..rows.len()).collect();
    for column in 0..weights.len() {
        let here =
            (0..rows.len()).filter(|row| rows.get(*row).and_then(|row| row.get(column)).is_some_and(|v| *v != 0));
        let parts: Vec<usize> = here.filter_map(|row| part_of.get(row).copied()).collect();
        if let Some(first) = parts.first().copied() {
            part_of.iter_mut().filter(|part| parts.contains(part)).for_each(|part| *part = first);
        }
    }
    let mut components = Vec::new();
    for part in 0..rows.len() {
        let of_part: Vec<&Vec<u64>> =
            rows.iter().zip(&part_of).filter(|(_, of)| **of == part).map(|(row, _)| row).collect();
        if of_part.iter().all(|row| row.last().is_none_or(|share| *share == 0)) {
            continue;
        }
        let columns: Vec<usize> = (0..weights.len())
            .filter(|column| of_part.iter().any(|row| row.get(*column).is_some_and(|value| *value != 0)))
            .collect();
        let narrow = |row: &&Vec<u64>| {
            let values = columns.iter().filter_map(|column| row.get(*column).copied());
            values.chain(row.last().copied()).collect::<Vec<u64>>()
        };
        components.push(Rows {
            rows: of_part.iter().map(narrow).collect(),
            weights: columns.iter().filter_map(|column| weights.get(*column).copied()).collect(),
        });
    }
    components
}
