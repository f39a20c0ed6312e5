//! What a module says of itself: the job manifest in the custom section `glovebox.job`, as JSON.
//!
//! The manifest is fixed before any row is read, so its domains, bounds and lists carry nothing about the data.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::reducer::{check_isolation, refused_reducer};
use crate::text::{self, TextError};
use crate::{KeyDimension, KeyDomain, Purpose, Reducer};

/// Name of the custom section.
pub const MANIFEST_SECTION: &str = "glovebox.job";
/// Version of the job interface that this runtime speaks; see sdk/wit.
pub const ABI_VERSION: &str = "glovebox:job@0.1.0";

const INPUTS_MAX: usize = 64;
const PARAMETERS_MAX: usize = 32;
const OUTPUTS_MAX: usize = 64;
const DIMENSIONS_MAX: usize = 8;
const CELLS_MAX: usize = 100_000;
const CONTRIBUTIONS_MAX: u32 = 65_536;
/// Steps of the grids of all quantiles together: what the host keeps numbers for, 64 MB of them.
const GRID_STEPS_MAX: usize = 4_000_000;

/// What a guest sees between two resets of its sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// One row.
    Row,
    /// All rows of one person.
    Person,
    /// All rows of a disjoint block of persons.
    Block,
    /// Everything in the view, streamed.
    Cohort,
}

/// How a module takes its rows; told from the module's bytes, not from the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// A core module: scalars for `row`, columns in its memory for the others.
    Columnar,
    /// A component of a world of sdk/wit.
    Component,
}

/// What keeps one unit's rows from the next: a row's, person's or block's. Told from the module's bytes, never from rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Separation {
    /// The module is proven to keep nothing.
    StatelessProof,
    /// Between units the host overwrites all that the module can have changed.
    Reset,
    /// Every unit gets an instance of its own.
    FreshInstance,
    /// Nothing: the module sees all rows at once, and reviewers judge what it gives.
    None,
}

/// Type of an input column as the guest sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InputType {
    /// 0 or 1.
    Boolean,
    /// 64-bit signed integer.
    Int64,
    /// 64-bit number.
    Float64,
    /// Days since 1970-01-01.
    Date,
    /// Index into this list of codes; codes of the dataset that are not listed come as missing.
    Code(Vec<String>),
}

/// One column that the job reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InputColumn {
    /// Name of the dataset's field.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub input_type: InputType,
    /// True: missing values reach the guest, with a validity flag. False: rows in which it is missing are left out.
    #[serde(default)]
    pub nullable: bool,
}

/// A number that the submitter of a job may set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Value when the submitter sets none.
    pub default: f64,
    /// Smallest value allowed.
    pub min: f64,
    /// Largest value allowed.
    pub max: f64,
}

/// One output of the job: a table with a cell for every combination of its keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What the host computes.
    #[serde(flatten)]
    pub reducer: Reducer,
    /// Names of its key dimensions, outermost first; empty for one overall cell.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// Rounds of an iterative job: after each, `update` gets what was released of it and gives the next state, or stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rounds {
    /// Most rounds, 1 to 1,000. All are paid before the first.
    pub rounds_max: u32,
    /// The numbers that go from round to round, 1 to 256. The guest gets them after its parameters; the first round has
    /// the defaults, and the host clamps what `update` gives to the bounds.
    pub state: Vec<Parameter>,
}

/// The manifest of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobManifest {
    /// [`ABI_VERSION`].
    pub abi: String,
    /// Short name, `[a-z][a-z0-9_-]*`.
    pub name: String,
    /// Version of the job.
    pub version: String,
    /// What it computes, for reviewers.
    pub description: String,
    /// The purpose that it serves; it runs under no grant with another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Its isolation.
    pub isolation: Isolation,
    /// Columns that it reads, in the order in which the guest gets them.
    pub inputs: Vec<InputColumn>,
    /// Parameters, in the order in which the guest gets them.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// Key dimensions.
    #[serde(default)]
    pub keys: Vec<KeyDimension>,
    /// Outputs; contributions name them by index.
    pub outputs: Vec<Output>,
    /// Most contributions of one person to one output. The host drops what goes beyond.
    pub contributions_per_person_max: u32,
    /// Disjoint blocks of persons, 10 to 10,000; only and always for isolation `block`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u32>,
    /// Rounds; only for isolations `row` and `person`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<Rounds>,
}

/// Why a manifest can't be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Not JSON of the expected shape.
    #[error("the manifest is not valid: {detail}")]
    Shape {
        /// What the parser said; a manifest holds no data of persons.
        detail: String,
    },
    /// Another version of the interface.
    #[error("the manifest asks for `{found}`; this runtime speaks `{ABI_VERSION}`")]
    Abi {
        /// The version asked for.
        found: String,
    },
    /// A name outside the alphabet, or used twice.
    #[error("{what} `{name}`: names are `[a-z][a-z0-9_-]*`, at most 64 characters, none twice")]
    Name {
        /// Kind of thing named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A text outside of the repertoire.
    #[error("{what}: {fault}")]
    Text {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        fault: TextError,
    },
    /// Too many or none of something.
    #[error("the manifest has {found} {what}; expected {min} to {max}")]
    Number {
        /// What is counted.
        what: &'static str,
        /// How many were found.
        found: usize,
        /// Least.
        min: usize,
        /// Most.
        max: usize,
    },
    /// An output names a dimension that is not declared.
    #[error("output `{output}` names key `{key}`, which is not declared")]
    UnknownKey {
        /// The output.
        output: String,
        /// The key.
        key: String,
    },
    /// A statistic that no reducer gives, because it is a row in disguise.
    #[error("output `{output}`: `{reducer}` is no reducer: {remedy}")]
    NoReducer {
        /// The output.
        output: String,
        /// What it asks for.
        reducer: &'static str,
        /// What to use instead.
        remedy: &'static str,
    },
    /// A reducer, blocks or rounds that the isolation does not have.
    #[error(
        "output `{output}`: `{reducer}` does not fit the isolation; see docs/isolation.md for what each can release"
    )]
    Isolation {
        /// The output.
        output: String,
        /// Its reducer.
        reducer: &'static str,
    },
    /// Blocks or rounds where the isolation has none, or the reverse.
    #[error("`{what}` goes with isolation {isolations}, and with no other")]
    Member {
        /// The member.
        what: &'static str,
        /// Where it belongs.
        isolations: &'static str,
    },
    /// Bounds that sums can't be exact between: too far out, or too close to one another for the digits of a float.
    #[error(
        "{place}: bounds lie within ±1e100, at least 1e-100 and a millionth of the larger one apart; take the smallest bound \
         off every value, or widen the range"
    )]
    Range {
        /// Where.
        place: String,
    },
    /// Bounds or edges that are not finite and ascending.
    #[error("{place}: numbers must be finite and ascending")]
    Bounds {
        /// Where.
        place: String,
    },
}

impl JobManifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] with the first fault.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        let shape = |error: serde_json::Error| ManifestError::Shape { detail: text::visible(&error.to_string()) };
        let manifest: Self = match serde_json::from_slice(json) {
            Ok(manifest) => manifest,
            Err(error) => {
                let json: serde_json::Value = serde_json::from_slice(json).map_err(shape)?;
                return Err(refused_reducer(&json).unwrap_or_else(|| shape(error)));
            }
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks everything that can be checked without the module's code.
    ///
    /// # Errors
    /// [`ManifestError`] with the first fault.
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.abi != ABI_VERSION {
            return Err(ManifestError::Abi { found: text::visible(&self.abi.chars().take(40).collect::<String>()) });
        }
        let text = |what, fault: Result<(), TextError>| fault.map_err(|fault| ManifestError::Text { what, fault });
        text("version", text::check_line(&self.version, 1, 64))?;
        text("description", text::check_lines(&self.description, 4_000))?;
        check_names("job", [self.name.as_str()])?;
        check_names("input", self.inputs.iter().map(|input| input.name.as_str()))?;
        check_names("parameter", self.parameters.iter().map(|parameter| parameter.name.as_str()))?;
        check_names("key", self.keys.iter().map(|key| key.name.as_str()))?;
        check_names("output", self.outputs.iter().map(|output| output.name.as_str()))?;
        check_number("inputs", self.inputs.len(), 1, INPUTS_MAX)?;
        check_number("parameters", self.parameters.len(), 0, PARAMETERS_MAX)?;
        check_number("keys", self.keys.len(), 0, DIMENSIONS_MAX)?;
        check_number("outputs", self.outputs.len(), 1, OUTPUTS_MAX)?;
        let contributions = self.contributions_per_person_max as usize;
        check_number("contributions per person", contributions, 1, CONTRIBUTIONS_MAX as usize)?;
        self.inputs.iter().try_for_each(check_input)?;
        self.parameters.iter().try_for_each(check_parameter)?;
        self.keys.iter().try_for_each(check_key)?;
        self.outputs.iter().try_for_each(|output| self.check_output(output))?;
        check_isolation(self)?;
        self.check_blocks()?;
        self.check_rounds()?;
        let cells = self.outputs.iter().fold(0_usize, |sum, output| sum.saturating_add(self.cell_count(output)));
        check_number("cells", cells, 1, CELLS_MAX)?;
        let steps = |output: &Output| match output.reducer {
            Reducer::Quantile { steps, .. } => self.guest_cell_count(output).saturating_mul(steps as usize),
            _ => 0,
        };
        let steps = self.outputs.iter().map(steps).fold(0, usize::saturating_add);
        check_number("steps of quantiles in all cells", steps, 0, GRID_STEPS_MAX)
    }

    /// The dimensions of `output`, outermost first.
    #[must_use]
    pub fn dimensions<'a>(&'a self, output: &'a Output) -> Vec<&'a KeyDimension> {
        output.keys.iter().filter_map(|name| self.keys.iter().find(|key| &key.name == name)).collect()
    }

    /// How many cells the guest can address in `output`: the product of its dimensions' sizes, 1 without dimensions.
    /// Cell numbers are row-major, the first dimension outermost. Histogram bins are not counted: the host makes them.
    #[must_use]
    pub fn guest_cell_count(&self, output: &Output) -> usize {
        self.dimensions(output).iter().fold(1_usize, |product, key| product.saturating_mul(key.domain.len()))
    }

    /// How many cells `output` has in the released table, histogram bins included.
    #[must_use]
    pub fn cell_count(&self, output: &Output) -> usize {
        self.guest_cell_count(output).saturating_mul(output.reducer.inner_cell_count())
    }

    /// The numbers that a guest gets after its columns: parameters, then the state of the rounds.
    pub fn arguments(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().chain(self.rounds.iter().flat_map(|rounds| &rounds.state))
    }

    /// Rounds at most; 1 for a job without.
    #[must_use]
    pub fn rounds_max(&self) -> u32 {
        self.rounds.as_ref().map_or(1, |rounds| rounds.rounds_max)
    }

    fn check_blocks(&self) -> Result<(), ManifestError> {
        match (self.isolation, self.blocks) {
            (Isolation::Block, Some(blocks)) => check_number("blocks", blocks as usize, 10, 10_000)?,
            (Isolation::Block, None) | (_, Some(_)) => {
                return Err(ManifestError::Member { what: "blocks", isolations: "`block`" });
            }
            _ => {}
        }
        let is_whole = matches!(self.isolation, Isolation::Block | Isolation::Cohort);
        match self.outputs.iter().find(|output| is_whole && !output.keys.is_empty()) {
            Some(_) => Err(ManifestError::Member { what: "keys of an output", isolations: "`row` or `person`" }),
            None => Ok(()),
        }
    }

    fn check_rounds(&self) -> Result<(), ManifestError> {
        let Some(rounds) = &self.rounds else { return Ok(()) };
        if !matches!(self.isolation, Isolation::Row | Isolation::Person) {
            return Err(ManifestError::Member { what: "rounds", isolations: "`row` or `person`" });
        }
        check_number("rounds", rounds.rounds_max as usize, 1, 1_000)?;
        check_number("state variables", rounds.state.len(), 1, 256)?;
        check_names("parameter or state variable", self.arguments().map(|argument| argument.name.as_str()))?;
        rounds.state.iter().try_for_each(check_parameter)
    }

    fn check_output(&self, output: &Output) -> Result<(), ManifestError> {
        let mut seen = BTreeSet::new();
        for key in &output.keys {
            if !self.keys.iter().any(|declared| &declared.name == key) || !seen.insert(key) {
                return Err(ManifestError::UnknownKey { output: output.name.clone(), key: key.clone() });
            }
        }
        output.reducer.check(&output.name, output.keys.len())
    }
}

fn check_input(input: &InputColumn) -> Result<(), ManifestError> {
    match &input.input_type {
        InputType::Code(codes) => check_codes("codes of an input", codes),
        _ => Ok(()),
    }
}

fn check_parameter(parameter: &Parameter) -> Result<(), ManifestError> {
    let Parameter { name, default, min, max } = parameter;
    let holds = min.is_finite() && max.is_finite() && min <= default && default <= max;
    if holds {
        Ok(())
    } else {
        Err(ManifestError::Bounds { place: format!("parameter `{name}` (min ≤ default ≤ max)") })
    }
}

fn check_key(key: &KeyDimension) -> Result<(), ManifestError> {
    match &key.domain {
        KeyDomain::Codes(codes) => check_codes("codes of a key", codes),
        KeyDomain::Bands(edges) => {
            check_number("edges of a key", edges.len(), 2, 10_001)?;
            check_ascending(edges, || format!("key `{}`", key.name))
        }
        KeyDomain::Integers { first, last } => {
            let holds = first <= last && last.saturating_sub(*first) < CELLS_MAX as i64;
            if holds { Ok(()) } else { Err(ManifestError::Bounds { place: format!("key `{}`", key.name) }) }
        }
    }
}

pub(crate) fn check_codes(what: &'static str, codes: &[String]) -> Result<(), ManifestError> {
    check_number(what, codes.len(), 1, 10_000)?;
    let distinct: BTreeSet<_> = codes.iter().collect();
    // `*` stands for a total in released tables.
    for code in codes {
        text::check_code(code).map_err(|fault| ManifestError::Text { what, fault })?;
    }
    match codes.iter().find(|code| *code == "*") {
        Some(code) => Err(ManifestError::Name { what, name: code.clone() }),
        None if distinct.len() != codes.len() => Err(ManifestError::Name { what, name: "(one of them twice)".into() }),
        None => Ok(()),
    }
}

pub(crate) fn check_ascending(numbers: &[f64], place: impl Fn() -> String) -> Result<(), ManifestError> {
    let finite = numbers.iter().all(|number| number.is_finite());
    let ascending = numbers.iter().zip(numbers.iter().skip(1)).all(|(a, b)| a < b);
    if finite && ascending { Ok(()) } else { Err(ManifestError::Bounds { place: place() }) }
}

/// Checks bounds between which values are added up. Between them lie 2^32 steps, each of which a float near the larger bound
/// must tell from the next: it keeps 53 bits, so the range is at least 2^-20 of that bound.
pub(crate) fn check_range(lower: f64, upper: f64, place: impl Fn() -> String) -> Result<(), ManifestError> {
    const SMALLEST: f64 = 1e-100;
    const LARGEST: f64 = 1e100;
    const SHARE_MIN: f64 = 1.0 / 1_048_576.0;
    check_ascending(&[lower, upper], &place)?;
    let (range, largest) = (upper - lower, lower.abs().max(upper.abs()));
    let holds = range >= SMALLEST && largest <= LARGEST && range >= largest * SHARE_MIN;
    if holds { Ok(()) } else { Err(ManifestError::Range { place: place() }) }
}

pub(crate) fn check_number(what: &'static str, found: usize, min: usize, max: usize) -> Result<(), ManifestError> {
    if (min..=max).contains(&found) { Ok(()) } else { Err(ManifestError::Number { what, found, min, max }) }
}

pub(crate) fn check_names<'a>(
    what: &'static str,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), ManifestError> {
    let mut seen = BTreeSet::new();
    for name in names {
        let well_formed = name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'));
        if !well_formed || !seen.insert(name) {
            return Err(ManifestError::Name { what, name: text::visible(&name.chars().take(64).collect::<String>()) });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> serde_json::Value {
        serde_json::json!({
            "abi": ABI_VERSION, "name": "bmi-by-sex", "version": "1.0.0", "description": "mean BMI",
            "isolation": "row",
            "inputs": [
                {"name": "sex", "type": {"code": ["1", "2"]}},
                {"name": "bmi", "type": "float64", "nullable": true}
            ],
            "parameters": [{"name": "age_min", "default": 18.0, "min": 0.0, "max": 120.0}],
            "keys": [{"name": "sex", "domain": {"codes": ["male", "female"]}},
                     {"name": "age_band", "domain": {"bands": [0.0, 40.0, 80.0]}}],
            "outputs": [
                {"name": "persons", "reducer": "distinct-persons", "keys": ["sex", "age_band"]},
                {"name": "bmi", "reducer": "mean", "lower": 10.0, "upper": 80.0, "keys": ["sex"]},
                {"name": "spread", "reducer": "histogram", "edges": [10.0, 25.0, 30.0, 80.0], "keys": ["sex"]}
            ],
            "contributions_per_person_max": 1
        })
    }

    fn parse(change: impl Fn(&mut serde_json::Value)) -> Result<JobManifest, ManifestError> {
        let mut json = manifest();
        change(&mut json);
        JobManifest::parse(json.to_string().as_bytes())
    }

    #[test]
    fn cells_are_counted_row_major_with_bins_apart() {
        let manifest = parse(|_| {}).unwrap();
        let counts: Vec<_> =
            manifest.outputs.iter().map(|o| (manifest.guest_cell_count(o), manifest.cell_count(o))).collect();
        assert_eq!(counts, [(4, 4), (2, 2), (2, 6)]);
        assert_eq!(manifest.keys[1].domain.label(1).as_deref(), Some("[40, 80)"));
    }

    #[test]
    fn json_round_trips() {
        let manifest = parse(|_| {}).unwrap();
        let json = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(JobManifest::parse(&json), Ok(manifest));
    }

    #[test]
    fn faults_are_named() {
        assert!(matches!(parse(|m| m["abi"] = "glovebox:job@9.0.0".into()), Err(ManifestError::Abi { .. })));
        assert!(matches!(parse(|m| m["name"] = "../x".into()), Err(ManifestError::Name { .. })));
        assert!(matches!(parse(|m| m["keys"][0]["domain"]["codes"][0] = "*".into()), Err(ManifestError::Name { .. })));
        assert!(matches!(parse(|m| m["outputs"][0]["keys"][0] = "x".into()), Err(ManifestError::UnknownKey { .. })));
        assert!(matches!(parse(|m| m["outputs"][1]["lower"] = 99.0.into()), Err(ManifestError::Bounds { .. })));
        assert!(matches!(parse(|m| m["outputs"] = serde_json::json!([])), Err(ManifestError::Number { .. })));
        for hostile in ["a\u{202e}b", "a\u{200b}", "a\u{1b}[2J", "a\nb", "a;=HYPERLINK(1)", ""] {
            let fault = parse(|m| m["keys"][0]["domain"]["codes"][0] = hostile.into());
            assert!(matches!(fault, Err(ManifestError::Text { .. })), "{hostile:?}");
            let fault = parse(|m| m["inputs"][0]["type"]["code"][0] = hostile.into());
            assert!(matches!(fault, Err(ManifestError::Text { .. })), "{hostile:?}");
        }
        for member in ["description", "version"] {
            assert!(matches!(parse(|m| m[member] = "a\u{2066}b".into()), Err(ManifestError::Text { .. })));
        }
        assert!(matches!(parse(|m| m["surprise"] = 1.into()), Err(ManifestError::Shape { .. })));
        assert!(matches!(parse(|m| m["contributions_per_person_max"] = 0.into()), Err(ManifestError::Number { .. })));
    }

    #[test]
    fn extremes_are_no_reducers() {
        for reducer in ["min", "max"] {
            let refused = parse(|m| m["outputs"][0]["reducer"] = reducer.into()).unwrap_err();
            assert!(matches!(refused, ManifestError::NoReducer { .. }));
            assert!(refused.to_string().contains("use `quantile`"), "{refused}");
        }
    }

    #[test]
    fn grids_are_bounded_over_all_cells() {
        let codes: Vec<String> = (0..4_000).map(|code| format!("c{code}")).collect();
        let with = |steps: u32| {
            parse(|m| {
                m["keys"][0]["domain"]["codes"] = codes.clone().into();
                m["outputs"] = serde_json::json!([{"name": "q", "reducer": "quantile", "lower": 0.0, "upper": 1.0,
                    "steps": steps, "probabilities": [0.5], "keys": ["sex"]}]);
            })
        };
        assert!(with(1_000).is_ok());
        assert!(matches!(with(1_001), Err(ManifestError::Number { what: "steps of quantiles in all cells", .. })));
    }

    #[test]
    fn cells_are_bounded() {
        let wide: Vec<f64> = (0..=2_000).map(f64::from).collect();
        let fault = parse(|m| {
            m["keys"][1]["domain"]["bands"] = wide.clone().into();
            m["outputs"][2]["keys"] = serde_json::json!(["sex", "age_band"]);
            m["outputs"][2]["edges"] = wide.iter().take(1_000).copied().collect::<Vec<_>>().into();
        });
        assert!(matches!(fault, Err(ManifestError::Number { what: "cells", .. })));
    }
}
