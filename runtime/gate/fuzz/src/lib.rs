//! The rules for one cell, written a second time: slowly, from the contributions themselves, after docs/disclosure.md.
//!
//! The gate works on integers, on persons who ascend and on statistics that it keeps while rows go by. Here every person's
//! contributions are kept and looked at once more.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use glovebox_catalog::JobManifest;
use glovebox_gate::{Cell, Contribution, Endless, Profile, Reduction, Unguarded, Verdict, disclose};
use serde_json::json;

const CELLS: u32 = 4;
const UPPER: f64 = 10.0;

/// A table to be: who contributes what to which cell, and under which rules.
struct Case {
    is_sum: bool,
    contributions_max: u32,
    /// Person, cell, value; persons ascend.
    given: Vec<(u32, u32, f64)>,
    threshold: u32,
    zeros_disclosive: bool,
    nk: Option<(u32, f64)>,
    p_percent: Option<f64>,
    round_base: u32,
}

impl Case {
    fn draw(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut given = Vec::new();
        for person in 0..u.int_in_range(0..=40)? {
            for _ in 0..u.int_in_range(0..=4)? {
                let value = f64::from(u.int_in_range(0..=240_u8)?) / 20.0;
                given.push((person, u.int_in_range(0..=CELLS - 1)?, value));
            }
        }
        Ok(Self {
            is_sum: u.arbitrary()?,
            contributions_max: u.int_in_range(1..=3)?,
            given,
            threshold: u.int_in_range(2..=8)?,
            zeros_disclosive: u.arbitrary()?,
            nk: if u.arbitrary()? { Some((u.int_in_range(1..=2)?, *u.choose(&[0.3, 0.5, 0.9])?)) } else { None },
            p_percent: if u.arbitrary()? { Some(*u.choose(&[5.0, 10.0, 50.0])?) } else { None },
            round_base: *u.choose(&[1, 5])?,
        })
    }

    fn manifest(&self) -> JobManifest {
        let codes: Vec<String> = (0..CELLS).map(|code| code.to_string()).collect();
        let mut output = json!({"name": "out", "reducer": "count", "keys": ["k"]});
        if self.is_sum {
            output = json!({"name": "out", "reducer": "sum", "lower": 0.0, "upper": UPPER, "keys": ["k"]});
        }
        let manifest = json!({
            "abi": "glovebox:job@0.1.0", "name": "random", "version": "1", "description": "", "isolation": "person",
            "inputs": [{"name": "x", "type": "float64"}], "keys": [{"name": "k", "domain": {"codes": codes}}],
            "outputs": [output], "contributions_per_person_max": self.contributions_max,
        });
        JobManifest::parse(manifest.to_string().as_bytes()).expect("a manifest")
    }

    fn profile(&self) -> Profile {
        let mut text = format!(
            "name = \"random\"\nthreshold = {}\nzeros_disclosive = {}\nround_base = {}\nvalue_digits = 6\ndof_min = 0\n\
             complementary = false\n",
            self.threshold, self.zeros_disclosive, self.round_base
        );
        if let Some((n, k)) = self.nk {
            text += &format!("nk = {{ n = {n}, k = {k:?} }}\n");
        }
        if let Some(p) = self.p_percent {
            text += &format!("p_percent = {p:?}\n");
        }
        Profile::parse(&text).expect("a profile")
    }

    /// What each person brings into a cell, contributions beyond the bound left out.
    fn persons(&self, cell: u32) -> Vec<(u32, f64)> {
        let mut made: BTreeMap<u32, u32> = BTreeMap::new();
        let mut brought: BTreeMap<u32, (u32, f64)> = BTreeMap::new();
        for (person, to, value) in &self.given {
            let count = made.entry(*person).or_default();
            *count += 1;
            if *count <= self.contributions_max && *to == cell {
                let (count, sum) = brought.entry(*person).or_default();
                (*count, *sum) = (*count + 1, *sum + value.min(UPPER));
            }
        }
        brought.into_values().collect()
    }

    /// Whether the cell is hidden; none where it hangs by the last digit of a share.
    fn is_hidden(&self, persons: &[(u32, f64)]) -> Option<bool> {
        if persons.is_empty() {
            return Some(self.zeros_disclosive);
        }
        if (persons.len() as u32) < self.threshold {
            return Some(true);
        }
        // A count in which everybody is once is nobody's.
        if !self.is_sum && self.contributions_max == 1 {
            return Some(false);
        }
        let weight = |(count, value): &(u32, f64)| if self.is_sum { *value } else { f64::from(*count) };
        let mut values: Vec<f64> = persons.iter().map(weight).collect();
        values.sort_by(|one, other| other.total_cmp(one));
        let (all, first) = (values.iter().sum::<f64>(), values[0]);
        let second = values.get(1).copied().unwrap_or(0.0);
        let mut is_dominated = false;
        for (larger, smaller) in [
            self.nk.map(|(n, k)| (if n == 1 { first } else { first + second }, k * all)),
            self.p_percent.map(|p| (p / 100.0 * first, all - first - second)),
        ]
        .into_iter()
        .flatten()
        {
            // Zeros alone are dominated by either rule.
            if first > 0.0 && (larger - smaller).abs() < 1e-6 {
                return None;
            }
            is_dominated |= first == 0.0 || larger > smaller;
        }
        Some(is_dominated)
    }

    fn assert_figure(&self, cell: &Cell, persons: &[(u32, f64)]) {
        let (count, sum) = persons.iter().fold((0, 0.0), |(count, sum), (own, value)| (count + own, sum + value));
        let exact = if self.is_sum { sum } else { f64::from(count) };
        let (value, step) = (cell.value.expect("a figure"), cell.rounded_to.unwrap_or(1.0));
        assert!((value - exact).abs() <= step / 2.0 + 1e-6, "{value} for {exact}, by steps of {step}");
        if !self.is_sum {
            let width = f64::from(self.contributions_max.div_ceil(self.round_base) * self.round_base);
            assert_eq!((step, value % width), (width, 0.0), "counts are rounded to what one person can add");
        }
    }
}

/// Every cell of a random table is shown or hidden as the plain reading says, and what is shown is right.
///
/// # Errors
/// When `u` has too little data for a table.
pub fn check_rules(u: &mut Unstructured<'_>) -> Result<()> {
    let case = Case::draw(u)?;
    let mut reduction = Reduction::new(&case.manifest()).expect("a reduction");
    for (person, cell, value) in &case.given {
        let values = if case.is_sum { std::slice::from_ref(value) } else { &[] };
        reduction.contribute(*person, Contribution { output: 0, cell: *cell, values }).expect("a contribution");
    }
    let verdict = disclose(&reduction.finish(), &case.profile(), &mut Unguarded, &Endless).expect("a verdict");
    for cell in 0..CELLS {
        let persons = case.persons(cell);
        let shown = match &verdict {
            Verdict::Release(release) => {
                Some(&release.tables()[0].cells[cell as usize]).filter(|cell| cell.value.is_some())
            }
            Verdict::Withheld { .. } => None,
        };
        if let Some(is_hidden) = case.is_hidden(&persons) {
            assert_eq!(shown.is_none(), is_hidden, "cell {cell} of {persons:?} under {:?}", case.profile());
        }
        if let Some(cell) = shown {
            case.assert_figure(cell, &persons);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_tables_are_judged_alike() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let mut judged = 0;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..128).flat_map(|_| next()).collect();
            judged += u32::from(check_rules(&mut Unstructured::new(&bytes)).is_ok());
        }
        assert!(judged > 15_000, "{judged}");
    }
}
