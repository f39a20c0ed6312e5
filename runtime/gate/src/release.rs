//! What leaves, and what is said when nothing does.

use glovebox_catalog::{Epsilon, Refusal, Rho};
use serde::{Deserialize, Serialize};

use crate::Dimension;

/// One cell or margin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Cell {
    /// A label per dimension; `*` for the total over it.
    pub keys: Vec<String>,
    /// The value; absent when suppressed.
    pub value: Option<f64>,
    /// What the value is a multiple of; absent when suppressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounded_to: Option<f64>,
    /// With noise: the value without it lies within this much of `value` in 95 of 100 releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_width_95: Option<f64>,
    /// Why it is suppressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression: Option<Refusal>,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Table {
    /// Name of the output.
    pub output: String,
    /// Its reducer, as in the manifest.
    pub reducer: String,
    /// Its dimensions, outermost first.
    pub dimensions: Vec<Dimension>,
    /// Cells, row-major: one for every combination of labels.
    pub cells: Vec<Cell>,
    /// Margins: for tables of two dimensions and more one per value of every dimension, in order; then the grand total.
    pub margins: Vec<Cell>,
}

/// How privacy was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "mechanism", rename_all = "kebab-case")]
pub enum Mechanism {
    /// Exact figures under the rules of a profile.
    DisclosureRules,
    /// Discrete Laplace noise.
    Laplace {
        /// Loss in all, over all rounds.
        epsilon: Epsilon,
    },
    /// Discrete Gaussian noise.
    Gaussian {
        /// Loss in all, over all rounds.
        rho: Rho,
    },
    /// Reviewers saw it and let it go.
    Reviewed,
}

/// Upper bounds on what a release can carry, whatever the module is: docs/disclosure.md derives them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Leakage {
    /// Bits about everything that the module saw.
    pub bits: u64,
    /// Bits about any one person.
    pub bits_per_person: u64,
}

impl Leakage {
    /// That of both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bits: self.bits.saturating_add(other.bits),
            bits_per_person: self.bits_per_person.saturating_add(other.bits_per_person),
        }
    }
}

/// What an iterative job fitted: a function of what was released of each round, and of nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Model {
    /// Rounds that ran.
    pub rounds: u32,
    /// Whether `update` stopped, rather than the rounds running out.
    pub stopped: bool,
    /// Names of the state variables.
    pub names: Vec<String>,
    /// The state after each round, the last one last.
    pub states: Vec<Vec<f64>>,
}

/// A release: tables that passed the rules of a profile, were noised, or were approved by reviewers.
///
/// Only this crate makes one:
/// ```compile_fail
/// let forged = glovebox_gate::Release { tables: vec![], profile: String::new(), cells_released: 0, cells_withheld: 0 };
/// ```
/// ```compile_fail
/// let forged: glovebox_gate::Release = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Release {
    tables: Vec<Table>,
    profile: String,
    cells_released: u64,
    cells_withheld: u64,
    #[serde(flatten)]
    mechanism: Mechanism,
    leakage: Leakage,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Model>,
}

impl Release {
    pub(crate) fn new(tables: Vec<Table>, profile: String, mechanism: Mechanism, leakage: Leakage) -> Self {
        let cells = || tables.iter().flat_map(|table| table.cells.iter().chain(&table.margins));
        let cells_released = cells().filter(|cell| cell.value.is_some()).count() as u64;
        let cells_withheld = cells().filter(|cell| cell.value.is_none()).count() as u64;
        Self { tables, profile, cells_released, cells_withheld, mechanism, leakage, model: None }
    }

    /// The same with what an iterative job fitted.
    #[must_use]
    pub fn with_model(self, model: Model) -> Self {
        Self { model: Some(model), ..self }
    }

    /// The same, stating `bound` where that is less: [`crate::leakage_max`] knows the size of the snapshot, the rules do
    /// not.
    #[must_use]
    pub fn within(self, bound: Leakage) -> Self {
        let Leakage { bits, bits_per_person } = self.leakage;
        let bits = bits.min(bound.bits);
        Self {
            leakage: Leakage { bits, bits_per_person: bits_per_person.min(bound.bits_per_person).min(bits) },
            ..self
        }
    }

    /// The last release of a job of many rounds, stating what all of them carry and lose: `rounds` holds the leakage of
    /// the rounds before it, and each of these lost as much privacy as the last one.
    #[must_use]
    pub fn combine_rounds(last: Self, rounds: &[Leakage]) -> Self {
        let leakage = rounds.iter().fold(last.leakage, |sum, round| sum.plus(*round));
        let times = rounds.len() as u64 + 1;
        let mechanism = match last.mechanism {
            Mechanism::Laplace { epsilon } => Mechanism::Laplace { epsilon: epsilon.times(times) },
            Mechanism::Gaussian { rho } => Mechanism::Gaussian { rho: rho.times(times) },
            other => other,
        };
        Self { leakage, mechanism, ..last }
    }

    /// How privacy was kept.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What it can carry at most.
    #[must_use]
    pub fn leakage(&self) -> Leakage {
        self.leakage
    }

    /// What an iterative job fitted.
    #[must_use]
    pub fn model(&self) -> Option<&Model> {
        self.model.as_ref()
    }

    /// Its tables, in the order of the manifest's outputs.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Name of the profile that it passed.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Cells and margins with a value.
    #[must_use]
    pub fn cells_released(&self) -> u64 {
        self.cells_released
    }

    /// Cells and margins without.
    #[must_use]
    pub fn cells_withheld(&self) -> u64 {
        self.cells_withheld
    }
}

/// A release as a client reads it: the same JSON, made by anyone, proving nothing without its receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReleaseDocument {
    /// See [`Release::tables`].
    pub tables: Vec<Table>,
    /// See [`Release::profile`].
    pub profile: String,
    /// See [`Release::cells_released`].
    pub cells_released: u64,
    /// See [`Release::cells_withheld`].
    pub cells_withheld: u64,
    /// See [`Release::mechanism`].
    #[serde(flatten)]
    pub mechanism: Mechanism,
    /// See [`Release::leakage`].
    pub leakage: Leakage,
    /// See [`Release::model`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
}

impl From<&Release> for ReleaseDocument {
    fn from(release: &Release) -> Self {
        Self {
            tables: release.tables.clone(),
            profile: release.profile.clone(),
            cells_released: release.cells_released,
            cells_withheld: release.cells_withheld,
            mechanism: release.mechanism,
            leakage: release.leakage,
            model: release.model.clone(),
        }
    }
}

/// What the gate decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// At least one figure may leave.
    Release(Release),
    /// Nothing may leave.
    Withheld {
        /// Why: `gate.all-cells-withheld`, then the rules met, once per output.
        reasons: Vec<Refusal>,
        /// Cells and margins without a value: all of them.
        cells_withheld: u64,
    },
}
