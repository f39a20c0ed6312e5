//! Runs the case table that stands beside each disclosure profile.

use std::collections::BTreeSet;

use glovebox_gate::{Profile, Verdict};
use serde::Deserialize;

use crate::harness::{Given, all_shown, manifest, verdict};

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
    /// Expected values or codes, row-major.
    cells: Vec<String>,
    #[serde(default)]
    margins: Vec<String>,
}

/// `persons` persons, each contributing `value` to `cell` `times` times.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    cell: u32,
    persons: u32,
    #[serde(default)]
    value: f64,
    #[serde(default = "one")]
    times: u32,
    /// Ordinal of the first person; those who follow the last group when absent.
    from: Option<u32>,
}

fn one() -> u32 {
    1
}

#[test]
fn the_default_profile_does_what_its_case_table_says() {
    let profile = Profile::parse(include_str!("../../../../policies/disclosure/default.toml")).unwrap();
    let cases: Cases = toml::from_str(include_str!("../../../../policies/disclosure/default.cases.toml")).unwrap();
    let mut codes = BTreeSet::new();
    for case in &cases.case {
        let (cells, margins) = run(case, &profile);
        assert_eq!(cells, case.cells, "cells of `{}`", case.name);
        assert_eq!(margins, case.margins, "margins of `{}`", case.name);
        codes.extend(cells.into_iter().chain(margins).filter(|shown| shown.starts_with("gate.")));
    }
    // p% can't be met before NK with these numbers: less than a tenth of the largest is less than a tenth of all.
    let expected = ["gate.all-cells-withheld", "gate.cell-below-threshold", "gate.complementary", "gate.dominance-nk"];
    assert_eq!(codes.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn every_code_is_explained() {
    let page = include_str!("../../../../docs/disclosure.md");
    let sources = [
        include_str!("../../src/rules/threshold.rs"),
        include_str!("../../src/rules/dominance.rs"),
        include_str!("../../src/rules/complementary.rs"),
        include_str!("../../src/disclose.rs"),
    ];
    let codes: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.split('"'))
        .filter(|literal| literal.starts_with("gate.") && !literal.contains(' '))
        .collect();
    assert_eq!(codes.len(), 5, "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("### `{code}`")), "docs/disclosure.md does not explain {code}");
    }
}

/// Cells and margins as shown; for a job of which nothing leaves, the codes of the reasons.
fn run(case: &Case, profile: &Profile) -> (Vec<String>, Vec<String>) {
    let manifest = manifest(case.reducer.clone(), &case.sizes, case.contributions_per_person_max);
    match verdict(&manifest, &case.given(), profile) {
        Verdict::Release(release) => {
            let table = &release.tables()[0];
            (all_shown(&table.cells), all_shown(&table.margins))
        }
        Verdict::Withheld { reasons, .. } => (reasons.into_iter().map(|reason| reason.code).collect(), Vec::new()),
    }
}

impl Case {
    fn given(&self) -> Vec<Given> {
        let mut next = 0;
        let mut given = Vec::new();
        for group in &self.groups {
            let from = group.from.unwrap_or(next);
            next = from + group.persons;
            for person in from..next {
                given.extend((0..group.times).map(|_| (person, group.cell, group.value)));
            }
        }
        given
    }
}
