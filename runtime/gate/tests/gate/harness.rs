//! Small jobs and their verdicts.

use glovebox_catalog::{ABI_VERSION, JobManifest};
use glovebox_gate::{
    Cell, Contribution, Endless, Guard, Interrupted, Patience, Profile, Reduced, Reduction, Release, Table, Unguarded,
    Verdict, disclose,
};
use roaring::RoaringBitmap;
use serde_json::{Value, json};

/// One contribution: person, cell, value.
pub(crate) type Given = (u32, u32, f64);

/// A manifest with one output over keys of these sizes; `reducer` holds the reducer and its numbers.
pub(crate) fn manifest(reducer: Value, sizes: &[usize], contributions_per_person_max: u32) -> JobManifest {
    let names: Vec<String> = (0..sizes.len()).map(|key| format!("k{key}")).collect();
    let keys = names.iter().zip(sizes).map(|(name, size)| {
        let codes: Vec<String> = (0..*size).map(|code| format!("{name}-{code}")).collect();
        json!({"name": name, "domain": {"codes": codes}})
    });
    let mut output = json!({"name": "out", "keys": names});
    output.as_object_mut().unwrap().extend(reducer.as_object().unwrap().clone());
    let manifest = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "row",
        "inputs": [{"name": "x", "type": "float64"}], "keys": keys.collect::<Vec<_>>(), "outputs": [output],
        "contributions_per_person_max": contributions_per_person_max,
    });
    JobManifest::parse(manifest.to_string().as_bytes()).unwrap()
}

pub(crate) fn default_profile() -> Profile {
    Profile::parse(include_str!("../../../../policies/disclosure/default.toml")).unwrap()
}

/// Reduces and discloses; `given` is sorted by person here.
pub(crate) fn verdict(manifest: &JobManifest, given: &[Given], profile: &Profile) -> Verdict {
    let given: Vec<_> = given.iter().map(|(person, cell, value)| (*person, *cell, vec![*value])).collect();
    guarded(manifest, &given, profile, &mut Unguarded)
}

/// The same of contributions with several values, under a guard.
pub(crate) fn guarded(
    manifest: &JobManifest,
    given: &[(u32, u32, Vec<f64>)],
    profile: &Profile,
    guard: &mut dyn Guard,
) -> Verdict {
    disclose(&reduced(manifest, given), profile, guard, &Endless).unwrap()
}

pub(crate) fn reduced(manifest: &JobManifest, given: &[(u32, u32, Vec<f64>)]) -> Reduced {
    let mut given = given.to_vec();
    given.sort_by_key(|(person, ..)| *person);
    let mut reduction = Reduction::new(manifest).unwrap();
    for (person, cell, values) in &given {
        reduction.contribute(*person, Contribution { output: 0, cell: *cell, values }).unwrap();
    }
    reduction.finish()
}

/// A guard that compares with each released set by itself, and notes what it is asked.
pub(crate) struct Earlier {
    pub(crate) released: Vec<RoaringBitmap>,
    pub(crate) persons: u32,
}

impl Guard for Earlier {
    fn admit(&mut self, persons: &RoaringBitmap, _: &dyn Patience) -> Result<bool, Interrupted> {
        let few = |other: &RoaringBitmap| {
            let differ = (persons - other).len().max((other - persons).len());
            differ > 0 && differ < u64::from(self.persons)
        };
        let admits = !self.released.iter().any(few);
        if admits {
            self.released.push(persons.clone());
        }
        Ok(admits)
    }
}

pub(crate) fn release(verdict: Verdict) -> Release {
    match verdict {
        Verdict::Release(release) => release,
        Verdict::Withheld { reasons, .. } => panic!("withheld: {reasons:?}"),
    }
}

pub(crate) fn table(verdict: Verdict) -> Table {
    release(verdict).tables()[0].clone()
}

/// `populations[cell]` persons contribute `value` once to each cell.
pub(crate) fn populations(populations: &[u32], value: f64) -> Vec<Given> {
    let mut person = 0;
    let mut given = Vec::new();
    for (cell, population) in populations.iter().enumerate() {
        for _ in 0..*population {
            given.push((person, cell as u32, value));
            person += 1;
        }
    }
    given
}

/// A cell as a case table writes it: its value, or the code of its suppression.
pub(crate) fn shown(cell: &Cell) -> String {
    match (&cell.value, &cell.suppression) {
        (Some(value), None) => value.to_string(),
        (None, Some(refusal)) => refusal.code.clone(),
        both => panic!("a cell has a value or a suppression: {both:?}"),
    }
}

pub(crate) fn all_shown(cells: &[Cell]) -> Vec<String> {
    cells.iter().map(shown).collect()
}
