//! Released tables as people read them: a grid an output, withheld cells marked and explained below.

use std::collections::BTreeMap;

use glovebox_catalog::Refusal;
use glovebox_gate::{Cell, ReleaseDocument, Table};

use crate::failure::explained;
use crate::text;

/// Key of the total over a dimension.
const TOTAL: &str = "*";

/// Every table of a release.
pub(crate) fn document(document: &ReleaseDocument) -> String {
    let mut marks = Marks::default();
    let mut text = String::new();
    for table in &document.tables {
        text.push_str(&format!("{} ({})\n{}\n\n", table.output, table.reducer, grid(table, &mut marks)));
    }
    let ReleaseDocument { profile, cells_released, cells_withheld, .. } = document;
    text.push_str(&format!("{cells_released} cells released, {cells_withheld} withheld under profile `{profile}`"));
    text.push_str(&marks.legend());
    text
}

/// One table: the last dimension across, the others down, totals under `*`.
pub(crate) fn grid(table: &Table, marks: &mut Marks) -> String {
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
    let is_estimate = matches!(table.reducer.as_str(), "mean" | "sum");
    let lines = rows.iter().map(|row| {
        let values = columns
            .iter()
            .map(|column| by_key.get(&(*row, *column)).map_or_else(String::new, |c| marks.show(c, is_estimate)));
        row.iter().map(|label| total_or(label)).chain(values).collect()
    });
    let lines = lines.collect();
    text::grid(heading, lines, numbers_from)
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

    fn show(&mut self, cell: &Cell, is_estimate: bool) -> String {
        match (cell.value, &cell.suppression) {
            (Some(value), _) => rounded(value, cell.rounded_to, is_estimate),
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
