//! The linear audit: does one more set let a combination of sets isolate 1 to k−1 persons?
//!
//! After Chin and Özsoyoğlu ("Auditing and inference control in statistical databases", IEEE TSE 8(6), 1982): whatever sums over
//! sets an attacker has, what follows from them linearly is the span of the sets' indicator rows. Sums over the sets tell a sum
//! over some 1 to k−1 persons exactly if the span has a row that is zero on everyone else.

use std::collections::HashMap;

use super::atoms::Atom;
use super::field::{FIELDS, Field};
use super::search::{Finding, Rows, Search};

/// More small atoms than this are not looked through one by one.
const COLUMNS_MAX: usize = 8192;

/// Whether set number `subject`, the last of the sets in the atoms' signatures, makes a new combination that isolates 1 to
/// `k`−1 persons. A set that is itself a combination of the others makes none.
pub(super) fn audit(atoms: &[Atom], subject: usize, k: u64) -> Finding {
    if atoms.iter().all(|atom| atom.persons >= k) {
        return Finding::Safe;
    }
    let found = |field: &Field| Audit { field: *field, subject, k }.run(atoms);
    // The first prime that finds something decides; all must agree that there is nothing.
    FIELDS.iter().map(found).find(|finding| *finding != Finding::Safe).unwrap_or(Finding::Safe)
}

struct Audit {
    field: Field,
    subject: usize,
    k: u64,
}

impl Audit {
    fn run(&self, atoms: &[Atom]) -> Finding {
        let combinations = self.vanishing(atoms.iter().filter(|atom| atom.persons >= self.k));
        if combinations.iter().all(|row| self.part(row) == 0) {
            return Finding::Safe;
        }
        let columns = self.columns(&combinations, atoms.iter().filter(|atom| atom.persons < self.k));
        if columns.len() > COLUMNS_MAX {
            return Finding::Undecided;
        }
        let (values, weights): (Vec<Vec<u64>>, Vec<u64>) = columns.into_iter().unzip();
        let rows = (0..combinations.len()).map(|index| {
            let values = values.iter().map(|column| column.get(index).copied().unwrap_or(0));
            let part = combinations.get(index).map_or(0, |row| self.part(row));
            values.chain([part]).collect::<Vec<u64>>()
        });
        let (rows, is_spanned) = self.reduce(rows.collect(), weights.len());
        if is_spanned {
            return Finding::Safe;
        }
        let mut search = Search::new(self.field, self.k);
        let findings = components(&rows, &weights).into_iter().map(|component| search.run(&component));
        findings.fold(Finding::Safe, |worst, finding| match (worst, finding) {
            (Finding::Isolated, _) | (_, Finding::Isolated) => Finding::Isolated,
            (Finding::Undecided, _) | (_, Finding::Undecided) => Finding::Undecided,
            _ => Finding::Safe,
        })
    }

    /// A basis of the combinations of sets that are zero on every atom of `large`.
    fn vanishing<'a>(&self, large: impl Iterator<Item = &'a Atom>) -> Vec<Vec<u64>> {
        let sets = self.subject + 1;
        let unit = |index: usize| (0..sets).map(|at| u64::from(at == index)).collect::<Vec<u64>>();
        let mut basis: Vec<Vec<u64>> = (0..sets).map(unit).collect();
        let mut probe = self.probe(&basis);
        for atom in large {
            // A mixture of all combinations that is zero there says that all are, but for one chance in 2⁶¹. A wrong yes leaves
            // a combination that should be gone: it can only make the audit refuse more.
            if self.value(&probe, atom.signature) == 0 {
                continue;
            }
            let values: Vec<u64> = basis.iter().map(|row| self.value(row, atom.signature)).collect();
            let Some(pivot) = values.iter().position(|value| *value != 0) else { continue };
            let inverse = self.field.inverse(values.get(pivot).copied().unwrap_or(1));
            let pivot_row = basis.swap_remove(pivot);
            let mut values = values;
            values.swap_remove(pivot);
            for (row, value) in basis.iter_mut().zip(values).filter(|(_, value)| *value != 0) {
                self.field.subtract(row, self.field.mul(value, inverse), &pivot_row);
            }
            if basis.iter().all(|row| self.part(row) == 0) {
                break;
            }
            probe = self.probe(&basis);
        }
        basis
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

    /// Reduced row echelon form over the first `columns` columns; heavy atoms come first and so become pivots. Also whether a
    /// combination with the asked set is zero on everyone: the asked set then follows from the others.
    fn reduce(&self, mut rows: Vec<Vec<u64>>, columns: usize) -> (Vec<Vec<u64>>, bool) {
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
        let is_spanned = rows.iter().any(|row| row.get(columns).is_some_and(|part| *part != 0));
        (reduced, is_spanned)
    }

    /// How often the asked set is in a combination.
    fn part(&self, combination: &[u64]) -> u64 {
        combination.get(self.subject).copied().unwrap_or(0)
    }

    /// What a combination gives on an atom.
    fn value(&self, combination: &[u64], signature: u64) -> u64 {
        let mut bits = signature;
        let mut value = 0;
        while bits != 0 {
            value = self.field.add(value, combination.get(bits.trailing_zeros() as usize).copied().unwrap_or(0));
            bits &= bits - 1;
        }
        value
    }

    /// A combination of `basis` with factors that follow no pattern, the same in every run.
    fn probe(&self, basis: &[Vec<u64>]) -> Vec<u64> {
        let mut probe = vec![0; self.subject + 1];
        let mut factor = 0x1234_5678_9abc_def1 % (1 << 60);
        for row in basis {
            factor = self.field.mul(factor, 0x0fed_cba9_8765_4321);
            for (sum, value) in probe.iter_mut().zip(row) {
                *sum = self.field.add(*sum, self.field.mul(factor, *value));
            }
        }
        probe
    }
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
