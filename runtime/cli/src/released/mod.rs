//! Released tables as people read them: a grid an output, withheld cells marked and explained below; beside it what
//! follows from the released figures alone, such as a survival curve.

mod correlation;
mod survival;

use std::collections::BTreeMap;

use glovebox_catalog::Refusal;
use glovebox_gate::{Cell, Leakage, Mechanism, Model, ReleaseDocument, Table};

use crate::failure::explained;
use crate::text;

/// Key of the total over a dimension.
const TOTAL: &str = "*";
/// Labels of the last dimension that still stand side by side; more stand below each other.
const ACROSS_MAX: usize = 12;
/// Rounds of a model that are shown.
const ROUNDS_SHOWN: usize = 5;

/// Every table of a release.
pub(crate) fn document(document: &ReleaseDocument) -> String {
    let mut marks = Marks::default();
    let mut text = String::new();
    for table in &document.tables {
        text.push_str(&format!("{} ({})\n{}\n\n", table.output, table.reducer, grid(table, &mut marks)));
        let derived = match table.reducer.as_str() {
            "survival-table" => survival::curves(table),
            "cross-product" => correlation::matrices(table),
            _ => String::new(),
        };
        text.push_str(&derived);
    }
    if let Some(model) = &document.model {
        text.push_str(&fitted(model));
    }
    let ReleaseDocument { profile, cells_released, cells_withheld, .. } = document;
    text.push_str(&format!("{cells_released} cells released, {cells_withheld} withheld under profile `{profile}`"));
    text.push_str(&format!("\n{}\n{}", kept(document.mechanism), carried(document.leakage)));
    text.push_str(&marks.legend());
    text
}

/// How privacy was kept, in a sentence.
fn kept(mechanism: Mechanism) -> String {
    let noise = "; the figure without noise lies within ± of each in 95 of 100 releases";
    match mechanism {
        Mechanism::DisclosureRules => "exact figures under disclosure rules".to_owned(),
        Mechanism::Laplace { epsilon } => format!("discrete Laplace noise, ε {epsilon} in all{noise}"),
        Mechanism::Gaussian { rho } => format!("discrete Gaussian noise, ρ {rho} in all{noise}"),
        Mechanism::Reviewed => "claimed by the module, judged and let go by reviewers".to_owned(),
    }
}

fn carried(leakage: Leakage) -> String {
    let (bits, each) = (text::number(leakage.bits), text::number(leakage.bits_per_person));
    format!("carries at most {bits} bits, {each} about any one person")
}

/// What an iterative job fitted: the last rounds, one a line.
fn fitted(model: &Model) -> String {
    let end = if model.stopped { "stopped by itself" } else { "ran out of rounds" };
    let skipped = model.states.len().saturating_sub(ROUNDS_SHOWN);
    let heading = std::iter::once("round".to_owned()).chain(model.names.iter().cloned());
    let rows = model.states.iter().enumerate().skip(skipped).map(|(index, state)| {
        std::iter::once((index + 1).to_string()).chain(state.iter().map(|value| short(*value))).collect()
    });
    let rounds = text::grid(heading.collect(), rows.collect(), 0);
    format!("model: {} rounds, {end}\n{rounds}\n\n", model.rounds)
}

/// Six digits, without zeros at the end.
fn short(value: f64) -> String {
    let text = format!("{value:.6}");
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:.3e}") } else { trimmed(&text).to_owned() }
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// One table: the last dimension across, the others down, totals under `*`.
pub(crate) fn grid(table: &Table, marks: &mut Marks) -> String {
    if table.dimensions.last().is_some_and(|dimension| dimension.labels.len() > ACROSS_MAX) {
        return listed(table, marks);
    }
    let cells: Vec<&Cell> = table.cells.iter().chain(&table.margins).collect();
    let mut by_key = BTreeMap::new();
    let mut rows: Vec<&[String]> = Vec::new();
    for cell in &cells {
        let (last, first) = cell.keys.split_last().map_or(("", &[][..]), |(last, first)| (last.as_str(), first));
        if !rows.contains(&first) {
            rows.push(first);
        }
        by_key.insert((first, last), *cell);
    }
    let mut columns: Vec<&str> =
        table.dimensions.last().map_or(vec![""], |d| d.labels.iter().map(String::as_str).collect());
    if by_key.keys().any(|(_, last)| *last == TOTAL) {
        columns.push(TOTAL);
    }
    let names = table.dimensions.iter().rev().skip(1).rev().map(|dimension| dimension.name.clone());
    let heading: Vec<_> = names.chain(columns.iter().map(|label| total_or(label))).collect();
    let numbers_from = heading.len() - columns.len();
    let is_estimate = is_estimate(table);
    let lines = rows.iter().map(|row| {
        let values = columns
            .iter()
            .map(|column| by_key.get(&(*row, *column)).map_or_else(String::new, |c| marks.show(c, is_estimate)));
        row.iter().map(|label| total_or(label)).chain(values).collect()
    });
    let lines = lines.collect();
    text::grid(heading, lines, numbers_from)
}

/// Every cell on a line of its own.
fn listed(table: &Table, marks: &mut Marks) -> String {
    let names = table.dimensions.iter().map(|dimension| dimension.name.clone());
    let heading = names.chain(std::iter::once("value".to_owned())).collect();
    let is_estimate = is_estimate(table);
    let lines = table.cells.iter().chain(&table.margins).map(|cell| {
        cell.keys.iter().map(|key| total_or(key)).chain(std::iter::once(marks.show(cell, is_estimate))).collect()
    });
    let lines = lines.collect();
    text::grid(heading, lines, table.dimensions.len())
}

/// Whether the rounding step says how far off a figure may be, rather than what persons were counted in.
fn is_estimate(table: &Table) -> bool {
    matches!(table.reducer.as_str(), "mean" | "sum" | "variance" | "ratio" | "cross-product" | "gradient")
}

/// Cells by all of their keys.
fn by_keys(table: &Table) -> BTreeMap<&[String], f64> {
    table.cells.iter().filter_map(|cell| Some((cell.keys.as_slice(), cell.value?))).collect()
}

/// Combinations of the labels of all dimensions but the last `inner`; one empty combination when there are no others.
fn outer_keys(table: &Table, inner: usize) -> Vec<Vec<String>> {
    let outer = table.dimensions.len().saturating_sub(inner);
    table.dimensions.iter().take(outer).fold(vec![Vec::new()], |keys, dimension| {
        let longer = keys.iter().flat_map(|key: &Vec<String>| {
            dimension.labels.iter().map(|label| key.iter().chain(std::iter::once(label)).cloned().collect())
        });
        longer.collect()
    })
}

/// A combination as a heading, e.g. ` of sex=female`.
fn named(table: &Table, keys: &[String]) -> String {
    let pairs = table.dimensions.iter().zip(keys).map(|(dimension, key)| format!("{}={key}", dimension.name));
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    if pairs.is_empty() { pairs } else { format!(" of {}", text::clean(&pairs)) }
}

fn total_or(label: &str) -> String {
    if label == TOTAL { "all".to_owned() } else { label.to_owned() }
}

/// Letters for the reasons why cells are withheld.
#[derive(Default)]
pub(crate) struct Marks {
    reasons: Vec<Refusal>,
}

impl Marks {
    /// The reasons met so far, each with its letter.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (char, &Refusal)> {
        ('a'..='z').zip(&self.reasons)
    }

    /// Forgets the reasons after the last that `text` shows.
    pub(crate) fn only_in(mut self, text: &str) -> Self {
        let shown = self.reasons().filter(|(letter, _)| text.contains(&format!("✗{letter}"))).count();
        self.reasons.truncate(shown);
        self
    }

    fn show(&mut self, cell: &Cell, is_estimate: bool) -> String {
        match (cell.value, &cell.suppression) {
            (Some(value), _) => match cell.half_width_95 {
                Some(half_width) => noisy(value, half_width),
                None => rounded(value, cell.rounded_to, is_estimate),
            },
            (None, Some(reason)) => format!("✗{}", self.letter(reason)),
            (None, None) => "✗".to_owned(),
        }
    }

    fn letter(&mut self, reason: &Refusal) -> char {
        let known = self.reasons.iter().position(|known| known.code == reason.code);
        let index = known.unwrap_or_else(|| {
            self.reasons.push(reason.clone());
            self.reasons.len() - 1
        });
        ('a'..='z').nth(index).unwrap_or('?')
    }

    fn legend(&self) -> String {
        self.reasons().map(|(letter, reason)| format!("\n\n✗{letter}{}", explained(reason))).collect()
    }
}

/// As many digits as two of the half width.
fn noisy(value: f64, half_width: f64) -> String {
    let magnitude = if half_width > 0.0 && half_width.is_finite() { half_width.log10().floor() } else { 0.0 };
    let digits = (1.0 - magnitude).clamp(0.0, 9.0) as usize;
    format!("{value:.digits$}±{half_width:.digits$}")
}

/// As many digits as the rounding left. An estimate that the rounding nearly swallowed says how far off it may be.
fn rounded(value: f64, rounded_to: Option<f64>, is_estimate: bool) -> String {
    let digits = match rounded_to {
        Some(step) if step > 0.0 && step < 1.0 => {
            (0..9).find(|digits| step * 10_f64.powi(*digits) >= 0.999).unwrap_or(9)
        }
        Some(_) => 0,
        None => return value.to_string(),
    };
    let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(0));
    match rounded_to {
        Some(step) if is_estimate && value.abs() < 2.0 * step => format!("{text}±{}", step / 2.0),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use glovebox_gate::Dimension;

    use super::*;

    fn cell(keys: &[&str], value: Option<f64>, rounded_to: f64) -> Cell {
        let suppression =
            value.is_none().then(|| Refusal::new("gate.cell-below-threshold", "ten persons", "", "wider"));
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Cell { keys, value, rounded_to: value.map(|_| rounded_to), half_width_95: None, suppression }
    }

    #[test]
    fn a_grid_has_totals_and_marks() {
        let dimension = |name: &str, labels: &[&str]| Dimension {
            name: name.into(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        };
        let table = Table {
            output: "persons".into(),
            reducer: "distinct-persons".into(),
            dimensions: vec![dimension("sex", &["f", "m"]), dimension("age", &["young", "old"])],
            cells: vec![
                cell(&["f", "young"], Some(20.0), 5.0),
                cell(&["f", "old"], None, 5.0),
                cell(&["m", "young"], Some(15.0), 5.0),
                cell(&["m", "old"], Some(10.0), 5.0),
            ],
            margins: vec![
                cell(&["f", "*"], None, 5.0),
                cell(&["m", "*"], Some(25.0), 5.0),
                cell(&["*", "young"], Some(35.0), 5.0),
                cell(&["*", "old"], None, 5.0),
                cell(&["*", "*"], Some(45.0), 5.0),
            ],
        };
        let mut marks = Marks::default();
        let lines: Vec<Vec<String>> =
            grid(&table, &mut marks).lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect();
        assert_eq!(lines[0], ["sex", "young", "old", "all"]);
        assert_eq!(lines[1], ["f", "20", "✗a", "✗a"]);
        assert_eq!(lines[3], ["all", "35", "✗a", "45"]);
        assert!(marks.legend().contains("gate.cell-below-threshold") && marks.legend().contains("wider"));
    }

    #[test]
    fn a_long_dimension_stands_down_the_page() {
        let labels: Vec<String> = (0..13).map(|label| label.to_string()).collect();
        let cells = labels.iter().map(|label| cell(&[label], Some(5.0), 5.0)).collect();
        let dimensions = vec![Dimension { name: "component".into(), labels }];
        let table = Table { output: "g".into(), reducer: "gradient".into(), dimensions, cells, margins: Vec::new() };
        let text = grid(&table, &mut Marks::default());
        assert_eq!(text.lines().count(), 14, "{text}");
        assert!(text.lines().next().unwrap().contains("value"), "{text}");
    }

    #[test]
    fn figures_with_noise_say_how_far_off_they_may_be() {
        assert_eq!(noisy(1234.4, 36.0), "1234±36");
        assert_eq!(noisy(26.731_9, 0.051), "26.732±0.051");
        assert_eq!(noisy(3.0, 0.0), "3.0±0.0");
        let mut shown = cell(&[], Some(12.0), 1.0);
        shown.half_width_95 = Some(3.0);
        assert_eq!(Marks::default().show(&shown, false), "12.0±3.0");
    }

    #[test]
    fn a_release_says_how_it_was_kept_and_what_it_carries() {
        let release = ReleaseDocument {
            tables: Vec::new(),
            profile: "dp".into(),
            cells_released: 1,
            cells_withheld: 0,
            mechanism: Mechanism::Laplace { epsilon: glovebox_catalog::Epsilon::from_steps(500_000) },
            leakage: Leakage { bits: 1_234, bits_per_person: 7 },
            model: Some(Model {
                rounds: 7,
                stopped: true,
                names: vec!["slope".into()],
                states: (1..=7).map(|round| vec![f64::from(round) / 4.0]).collect(),
            }),
        };
        let text = document(&release);
        for part in ["ε 0.5 in all", "1,234 bits, 7 about any one person", "7 rounds, stopped by itself", "1.75"] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        assert!(!text.contains("0.5\n"), "the first rounds are left out:\n{text}");
    }

    #[test]
    fn a_mean_that_rounding_swallowed_says_so() {
        assert_eq!(rounded(0.0, Some(5.0), true), "0±2.5");
        assert_eq!(rounded(0.0, Some(5.0), false), "0");
    }

    #[test]
    fn digits_are_those_of_the_rounding() {
        assert_eq!(rounded(26.700_000_000_000_003, Some(0.1), true), "26.7");
        assert_eq!(rounded(0.05, Some(0.05), false), "0.05");
        assert_eq!(rounded(1200.0, Some(100.0), true), "1200");
    }
}
