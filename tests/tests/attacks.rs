//! Attacks from the literature, each run twice: with the defence that is to stop it, and with only that defence off, so
//! that the attack is seen to work. docs/attacks.md explains them and has the table of what was measured here.

pub(crate) mod arena;
mod covert;
mod differencing;
mod dominance;
mod edges;
pub(crate) mod guest;
mod keys;
mod search;
mod statistical;
mod timing;

use std::path::PathBuf;
use std::sync::Mutex;

use crate::rest::zone::repository;

/// A share that follows from fixed seeds alone, as the table shows it.
pub(crate) fn exactly(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A share that noise or the machine moves: at least `bound`.
pub(crate) fn at_least(share: f64, bound: f64) -> String {
    assert!(share >= bound, "{share} is less than {bound}");
    format!("≥ {}", exactly(bound))
}

/// A share that noise or the machine moves: at most `bound`.
pub(crate) fn at_most(share: f64, bound: f64) -> String {
    assert!(share <= bound, "{share} is more than {bound}");
    format!("≤ {}", exactly(bound))
}

fn page() -> PathBuf {
    repository("docs/attacks.md")
}

/// The line of the table that a test answers for, as cells: attack, defence, guessing, without, with, test.
fn cells(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
    (cells.len() == 6 && cells[5].starts_with('`')).then_some(cells)
}

/// Compares what a test measured with its line in docs/attacks.md: how often guessing succeeds, and the attack without
/// and with the defence. `GLOVEBOX_BLESS=1 cargo test -p glovebox-tests -- attacks::` rewrites the lines.
pub(crate) fn measured(test: &str, guessing: &str, without: &str, with: &str) {
    static PAGE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = PAGE.lock();
    let text = std::fs::read_to_string(page()).unwrap();
    let name = format!("`{test}`");
    let line = text.lines().find(|line| cells(line).is_some_and(|cells| cells[5] == name));
    let line = line.unwrap_or_else(|| panic!("docs/attacks.md has no line for {name}"));
    let found = cells(line).unwrap();
    let measured = [found[0], found[1], guessing, without, with, found[5]];
    if std::env::var_os("GLOVEBOX_BLESS").is_some() {
        let rewritten = format!("| {} |", measured.join(" | "));
        std::fs::write(page(), text.replace(line, &rewritten)).unwrap();
    } else {
        assert_eq!(found, measured, "docs/attacks.md says otherwise; look at it, and run with GLOVEBOX_BLESS=1");
    }
}

/// Every test has its line, and every line its test.
#[test]
fn the_table_of_attacks_is_whole() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let mut tests = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let calls =
            text.split("measured(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        for name in calls {
            assert!(text.contains(&format!("fn {name}()")), "{name} is measured outside a test of that name");
            tests.push(name.to_owned());
        }
    }
    let text = std::fs::read_to_string(page()).unwrap();
    let mut lines: Vec<_> = text.lines().filter_map(cells).map(|cells| cells[5].trim_matches('`').to_owned()).collect();
    tests.sort();
    lines.sort();
    assert!(tests.len() >= 20, "{tests:?}");
    assert_eq!(lines, tests);
}
