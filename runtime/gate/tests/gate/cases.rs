//! Runs the case table that stands beside each disclosure profile.

use std::collections::BTreeSet;

use glovebox_gate::{Profile, Verdict};
use serde::Deserialize;

use crate::harness::{Earlier, all_shown, guarded, manifest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Reducer with its numbers, as in a manifest.
    reducer: serde_json::Value,
    /// Sizes of the key dimensions.
    #[serde(default)]
    sizes: Vec<usize>,
    #[serde(default = "one")]
    contributions_per_person_max: u32,
    groups: Vec<Group>,
    /// Figures released before, under a guard with the profile's number of persons.
    #[serde(default)]
    released: Vec<Released>,
    /// Expected values or codes, row-major.
    cells: Vec<String>,
    #[serde(default)]
    margins: Vec<String>,
}

/// `persons` persons, each contributing `value` (or `values`) to `cell` `times` times.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    cell: u32,
    persons: u32,
    #[serde(default)]
    value: f64,
    values: Option<Vec<f64>>,
    #[serde(default = "one")]
    times: u32,
    /// Ordinal of the first person; those who follow the last group when absent.
    from: Option<u32>,
}

/// Persons of a figure that was released before: so many from an ordinal on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Released {
    from: u32,
    persons: u32,
}

fn one() -> u32 {
    1
}

macro_rules! profile {
    ($name:literal) => {
        (
            include_str!(concat!("../../../../policies/disclosure/", $name, ".toml")),
            include_str!(concat!("../../../../policies/disclosure/", $name, ".cases.toml")),
        )
    };
}
/// Profiles with their case tables.
const PROFILES: [(&str, &str); 7] = [
    profile!("default"),
    profile!("acro"),
    profile!("opensafely"),
    profile!("opensafely-midpoint6"),
    profile!("datashield"),
    profile!("nhs-digital"),
    profile!("dp"),
];

#[test]
fn every_profile_does_what_its_case_table_says() {
    let mut faults = Vec::new();
    let mut codes = BTreeSet::new();
    for (profile, cases) in PROFILES {
        let profile = Profile::parse(profile).unwrap();
        let cases: Cases = toml::from_str(cases).unwrap();
        for case in &cases.case {
            let (cells, margins) = run(case, &profile);
            if (&cells, &margins) != (&case.cells, &case.margins) {
                faults.push(format!("{}: {}\ncells = {cells:?}\nmargins = {margins:?}", profile.name, case.name));
            }
            codes.extend(cells.into_iter().chain(margins).filter(|shown| shown.starts_with("gate.")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    // Every rule is met by some case.
    let expected = [
        "gate.all-cells-withheld",
        "gate.cell-below-threshold",
        "gate.complementary",
        "gate.differencing",
        "gate.dominance-nk",
        "gate.dominance-p-percent",
        "gate.profile-needs-noise",
        "gate.subset-difference",
        "gate.too-many-rows",
    ];
    assert_eq!(codes.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn every_code_is_explained() {
    let page = include_str!("../../../../docs/disclosure.md");
    let sources = [
        include_str!("../../src/rules/threshold.rs"),
        include_str!("../../src/rules/dominance.rs"),
        include_str!("../../src/rules/complementary.rs"),
        include_str!("../../src/rules/difference.rs"),
        include_str!("../../src/rules/size.rs"),
        include_str!("../../src/disclose.rs"),
        include_str!("../../src/review.rs"),
    ];
    let codes: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.split('"'))
        .filter(|literal| literal.starts_with("gate.") && !literal.contains(' '))
        .collect();
    assert!(codes.len() >= 12, "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("### `{code}`")), "docs/disclosure.md does not explain {code}");
    }
}

/// Cells and margins as shown; for a job of which nothing leaves, the codes of the reasons.
fn run(case: &Case, profile: &Profile) -> (Vec<String>, Vec<String>) {
    let manifest = manifest(case.reducer.clone(), &case.sizes, case.contributions_per_person_max);
    let released = case.released.iter().map(|set| (set.from..set.from + set.persons).collect()).collect();
    let mut guard = Earlier { released, persons: profile.differencing_persons() };
    match guarded(&manifest, &case.given(), profile, &mut guard) {
        Verdict::Release(release) => {
            let table = &release.tables()[0];
            (all_shown(&table.cells), all_shown(&table.margins))
        }
        Verdict::Withheld { reasons, .. } => (reasons.into_iter().map(|reason| reason.code).collect(), Vec::new()),
    }
}

impl Case {
    fn given(&self) -> Vec<(u32, u32, Vec<f64>)> {
        let mut next = 0;
        let mut given = Vec::new();
        for group in &self.groups {
            let from = group.from.unwrap_or(next);
            next = from + group.persons;
            for person in from..next {
                let values = group.values.clone().unwrap_or_else(|| vec![group.value]);
                given.extend((0..group.times).map(|_| (person, group.cell, values.clone())));
            }
        }
        given
    }
}
