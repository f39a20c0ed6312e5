//! Tables of `cohort` jobs: a guest that saw everything claims them, the host checks what can be checked, people decide.
//!
//! The host has counted nothing here, so no rule proves anything: it types and clamps every value, suppresses rows that
//! claim too few persons, and states in bits what the whole could carry. [`release_reviewed`] is called once reviewers
//! have approved.

use glovebox_catalog::{ColumnType, JobManifest, Output, Reducer, Refusal, TableColumn};
use serde::{Deserialize, Serialize};

use crate::disclose::CELL_UNITS;
use crate::leakage::leakage_of_tables;
use crate::release::{Cell, Leakage, Mechanism, Model, Release, Table};
use crate::rules::{count_step, round_claim};
use crate::{Dimension, GateError, Interrupted, Patience, Profile};

/// Name of the first column of every table: the persons that the guest claims for a row.
pub(crate) const PERSONS: &str = "persons";

/// Tables while a guest fills them. Plaintext of a guest that saw everything: no `Debug`, no `Serialize`.
pub struct ClaimedTables {
    outputs: Vec<ClaimedOutput>,
}

struct ClaimedOutput {
    name: String,
    columns: Vec<TableColumn>,
    /// Row-major, column 0 the claimed persons; none where nothing was claimed.
    values: Vec<Option<f64>>,
    dropped: u64,
}

/// One thing that reviewers should know, with the rule that it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RuleFinding {
    /// Where.
    pub place: String,
    /// Stable code of the rule.
    pub code: String,
    /// What was found. Reviewers alone see it.
    pub finding: String,
}

/// What reviewers judge; it leaves as it is or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReviewCandidate {
    /// The tables, as they would leave.
    pub tables: Vec<Table>,
    /// Name of the profile that they were made under.
    pub profile: String,
    /// What the rules found.
    pub report: Vec<RuleFinding>,
    /// What it can carry at most.
    pub leakage: Leakage,
    /// How privacy was kept before review.
    #[serde(flatten)]
    pub mechanism: Mechanism,
    /// What an iterative job fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
}

impl ClaimedTables {
    /// Tables without a value.
    ///
    /// # Errors
    /// [`GateError::Manifest`] for a faulty manifest.
    pub fn new(manifest: &JobManifest) -> Result<Self, GateError> {
        manifest.check()?;
        Ok(Self { outputs: manifest.outputs.iter().map(ClaimedOutput::new).collect() })
    }

    /// Takes one value: of column `cell` modulo the number of columns, where column 0 holds the claimed persons. A value
    /// that is not finite is dropped; one that is claimed twice is the last.
    ///
    /// # Errors
    /// [`GateError::UnknownOutput`] and [`GateError::UnknownCell`], both faults of the guest. The job must then end
    /// without a release.
    pub fn take(&mut self, output: u32, cell: u32, value: f64) -> Result<(), GateError> {
        let outputs = self.outputs.len();
        let table = self.outputs.get_mut(output as usize).ok_or(GateError::UnknownOutput { output, outputs })?;
        let cells = table.values.len();
        let unknown = || GateError::UnknownCell { output: table.name.clone(), cells };
        let slot = table.values.get_mut(cell as usize).ok_or_else(unknown)?;
        if value.is_finite() {
            *slot = Some(value);
        } else {
            table.dropped = table.dropped.saturating_add(1);
        }
        Ok(())
    }
}

impl ClaimedOutput {
    fn new(output: &Output) -> Self {
        let (columns, rows_max) = match &output.reducer {
            Reducer::Table { columns, rows_max } => (columns.clone(), *rows_max as usize),
            _ => (Vec::new(), 0),
        };
        let values = vec![None; rows_max.saturating_mul(columns.len() + 1)];
        Self { name: output.name.clone(), columns, values, dropped: 0 }
    }
}

/// Types, clamps and judges what a guest claims.
///
/// # Errors
/// [`Interrupted`] when `patience` ends. Nothing then goes to reviewers.
pub fn review_table(
    claims: &ClaimedTables,
    manifest: &JobManifest,
    profile: &Profile,
    patience: &dyn Patience,
) -> Result<ReviewCandidate, Interrupted> {
    let mut report = Vec::new();
    let tables = claims.outputs.iter().map(|output| output.judge(profile, &mut report, patience));
    let tables = tables.collect::<Result<_, _>>()?;
    let leakage = leakage_of_tables(manifest);
    report.push(RuleFinding {
        place: "release".into(),
        code: "gate.leakage-bound".into(),
        finding: format!("whatever the module is, this can carry {} bits, all of them about one person", leakage.bits),
    });
    Ok(ReviewCandidate {
        tables,
        profile: profile.name.clone(),
        report,
        leakage,
        mechanism: Mechanism::Reviewed,
        model: None,
    })
}

impl ClaimedOutput {
    fn judge(
        &self,
        profile: &Profile,
        report: &mut Vec<RuleFinding>,
        patience: &dyn Patience,
    ) -> Result<Table, Interrupted> {
        let width = self.columns.len() + 1;
        let place = format!("output `{}`", self.name);
        let mut find = |code: &str, finding: String| {
            report.push(RuleFinding { place: place.clone(), code: code.into(), finding });
        };
        find(
            "gate.claims-unchecked",
            "persons are claimed by the module, not counted by the host; dominance, overlap with earlier releases and what \
             the values mean can't be checked"
                .into(),
        );
        let rows: Vec<_> =
            self.values.chunks(width).enumerate().filter(|(_, row)| row.iter().any(Option::is_some)).collect();
        let mut tally = Tally::default();
        let mut cells = Vec::with_capacity(rows.len() * width);
        for (number, row) in &rows {
            patience.spend(CELL_UNITS.saturating_mul(width as u64))?;
            cells.extend(self.row(*number, row, profile, &mut tally));
        }
        if tally.small > 0 {
            let finding =
                format!("{} of {} rows claim fewer than {} persons", tally.small, rows.len(), profile.threshold);
            find("gate.cell-below-threshold", finding);
        }
        if tally.adjusted + self.dropped > 0 {
            let finding = format!("{} values clamped or rounded, {} dropped", tally.adjusted, self.dropped);
            find("gate.value-adjusted", finding);
        }
        let labels = std::iter::once(PERSONS.to_owned()).chain(self.columns.iter().map(|column| column.name.clone()));
        let row = Dimension { name: "row".into(), labels: rows.iter().map(|(number, _)| number.to_string()).collect() };
        let column = Dimension { name: "column".into(), labels: labels.collect() };
        Ok(Table {
            output: self.name.clone(),
            reducer: "table".into(),
            dimensions: vec![row, column],
            cells,
            margins: Vec::new(),
        })
    }

    /// One row: all of it is suppressed where it claims too few persons, or none.
    fn row(&self, number: usize, row: &[Option<f64>], profile: &Profile, tally: &mut Tally) -> Vec<Cell> {
        let persons = row.first().copied().flatten().unwrap_or_default().floor();
        let is_small = persons < f64::from(profile.threshold);
        tally.small += u64::from(is_small);
        let claimed =
            std::iter::once((PERSONS, Some((round_claim(persons, profile), count_step(profile, 1).width as f64))));
        let others = self.columns.iter().zip(row.iter().skip(1)).map(|(column, value)| {
            let shown = value.map(|value| typed(&column.column_type, value));
            tally.adjusted += u64::from(shown.is_some_and(|(shown, _)| Some(shown) != *value));
            (column.name.as_str(), shown)
        });
        claimed
            .chain(others)
            .map(|(column, shown)| {
                let place = format!("output `{}`, row {number}, column `{column}`", self.name);
                let keys = vec![number.to_string(), column.to_owned()];
                match shown {
                    Some((value, step)) if !is_small => Cell {
                        keys,
                        value: Some(value),
                        rounded_to: Some(step),
                        half_width_95: None,
                        suppression: None,
                    },
                    None if !is_small => suppressed(keys, no_value(place)),
                    _ => suppressed(keys, below_threshold(profile, place)),
                }
            })
            .collect()
    }
}

#[derive(Default)]
struct Tally {
    small: u64,
    adjusted: u64,
}

/// `value` as its column's type has it, and what it is a multiple of above the lower bound.
fn typed(column_type: &ColumnType, value: f64) -> (f64, f64) {
    match column_type {
        ColumnType::Code { codes } => (value.clamp(0.0, codes.len().saturating_sub(1) as f64).floor(), 1.0),
        ColumnType::Number { lower, upper, step } => {
            let steps = ((value.clamp(*lower, *upper) - lower) / step).round();
            let most = ((upper - lower) / step).floor();
            (short(lower + steps.min(most) * step, decimals(*lower).max(decimals(*step))), *step)
        }
    }
}

/// Digits behind the point of the shortest decimal form.
fn decimals(value: f64) -> usize {
    value.to_string().split_once('.').map_or(0, |(_, digits)| digits.len())
}

/// `value` with so many digits behind the point; never a negative zero.
fn short(value: f64, decimals: usize) -> f64 {
    format!("{value:.decimals$}").parse::<f64>().unwrap_or(value) + 0.0
}

fn suppressed(keys: Vec<String>, refusal: Refusal) -> Cell {
    Cell { keys, value: None, rounded_to: None, half_width_95: None, suppression: Some(refusal) }
}

fn below_threshold(profile: &Profile, place: String) -> Refusal {
    Refusal::new(
        "gate.cell-below-threshold",
        format!("at least {} persons, as the module claims, behind a row", profile.threshold),
        place,
        "merge categories, widen bands or use fewer rows",
    )
}

fn no_value(place: String) -> Refusal {
    Refusal::new(
        "gate.no-value",
        "a number that is finite, for every column of a row",
        place,
        "give the column a value in every row that has any, or declare another type",
    )
}

/// What leaves, once reviewers have approved `candidate`.
#[must_use]
pub fn release_reviewed(candidate: ReviewCandidate) -> Release {
    let ReviewCandidate { tables, profile, leakage, mechanism, model, .. } = candidate;
    let release = Release::new(tables, profile, mechanism, leakage);
    match model {
        Some(model) => release.with_model(model),
        None => release,
    }
}

/// A release that could leave by itself, for grants that want every release reviewed.
impl From<&Release> for ReviewCandidate {
    fn from(release: &Release) -> Self {
        Self {
            tables: release.tables().to_vec(),
            profile: release.profile().into(),
            report: release.tables().iter().flat_map(suppressions).collect(),
            leakage: release.leakage(),
            mechanism: release.mechanism(),
            model: release.model().cloned(),
        }
    }
}

/// How many figures of `table` each rule suppressed.
fn suppressions(table: &Table) -> Vec<RuleFinding> {
    let mut found: Vec<(&str, &str, u64)> = Vec::new();
    let all = table.cells.iter().chain(&table.margins).filter_map(|cell| cell.suppression.as_ref());
    for refusal in all {
        match found.iter_mut().find(|(code, ..)| *code == refusal.code) {
            Some((.., count)) => *count += 1,
            None => found.push((&refusal.code, &refusal.rule, 1)),
        }
    }
    let finding = |(code, rule, count): (&str, &str, u64)| RuleFinding {
        place: format!("output `{}`", table.output),
        code: code.into(),
        finding: format!("{count} figures suppressed: {rule}"),
    };
    found.into_iter().map(finding).collect()
}
