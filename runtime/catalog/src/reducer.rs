//! Reducers: what the host computes from contributions. A guest names a cell and gives values; the host does the rest.

use serde::{Deserialize, Serialize};

use crate::manifest::{ManifestError, check_ascending, check_names, check_number, check_range};
use crate::{Isolation, JobManifest};

/// Bounds to which a value is clamped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
}

/// One variable of a cross-product matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Lower bound of its values.
    pub lower: f64,
    /// Upper bound of its values.
    pub upper: f64,
}

/// Type of a column of a typed table, which bounds what a cell of it can carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum ColumnType {
    /// One of a list of codes, by index.
    Code {
        /// The codes.
        codes: Vec<String>,
    },
    /// A number, clamped to bounds and rounded to a multiple of `step` above the lower one.
    Number {
        /// Lower bound.
        lower: f64,
        /// Upper bound.
        upper: f64,
        /// What it is rounded to.
        step: f64,
    },
}

/// One column of a typed table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(flatten)]
    pub column_type: ColumnType,
}

impl ColumnType {
    /// How many values a cell can take, "absent" included.
    #[must_use]
    pub fn value_count(&self) -> u64 {
        match self {
            Self::Code { codes } => codes.len() as u64 + 1,
            Self::Number { lower, upper, step } => ((upper - lower) / step).floor() as u64 + 2,
        }
    }
}

/// What the host computes from the contributions to an output. `min` and `max` are not reducers: an extreme is a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "reducer", rename_all = "kebab-case")]
pub enum Reducer {
    /// Number of contributions.
    Count,
    /// Number of distinct persons.
    DistinctPersons,
    /// Sum of values, each clamped to the bounds.
    Sum {
        /// Lower bound of a value.
        lower: f64,
        /// Upper bound of a value.
        upper: f64,
    },
    /// Mean of values, each clamped to the bounds.
    Mean {
        /// Lower bound of a value.
        lower: f64,
        /// Upper bound of a value.
        upper: f64,
    },
    /// Sample variance of values, each clamped to the bounds.
    Variance {
        /// Lower bound of a value.
        lower: f64,
        /// Upper bound of a value.
        upper: f64,
    },
    /// Sum of the first value over the sum of the second, each clamped to its bounds. The denominator's lower bound is
    /// at least 0.
    Ratio {
        /// Bounds of the first value.
        numerator: Bounds,
        /// Bounds of the second value.
        denominator: Bounds,
    },
    /// Counts of values per half-open bin between ascending edges; values outside fall in the first or last bin.
    Histogram {
        /// The edges, ascending, at least two.
        edges: Vec<f64>,
    },
    /// Quantiles of values, on a grid of equal steps between the bounds.
    Quantile {
        /// Lower bound of a value.
        lower: f64,
        /// Upper bound of a value.
        upper: f64,
        /// Steps of the grid, 2 to 1,024.
        steps: u32,
        /// Probabilities, ascending, above 0 and below 1; at most 16.
        probabilities: Vec<f64>,
    },
    /// Persons cross-classified by two keys or more, every person in one cell, with all margins.
    ContingencyTable,
    /// Persons by time of exit: at risk, events and censored per half-open interval between ascending edges. Two values:
    /// the time, and 1 for an event or 0 for censored. A person counts once.
    SurvivalTable {
        /// The edges, ascending, at least two; times outside fall in the first or last interval.
        edges: Vec<f64>,
    },
    /// Mean products of every two variables, and the mean of each: from it follow covariances, correlations, regressions.
    /// One value per variable.
    CrossProduct {
        /// The variables, 1 to 16.
        variables: Vec<Variable>,
    },
    /// Sum of vectors, each clipped to an Euclidean norm. One value per component.
    Gradient {
        /// Components, 1 to 64.
        length: u32,
        /// Norm to which a contribution is clipped.
        norm_max: f64,
    },
    /// Mean over blocks of what the guest estimates from each, clamped to the bounds. Only for isolation `block`.
    BlockMean {
        /// Lower bound of an estimate.
        lower: f64,
        /// Upper bound of an estimate.
        upper: f64,
    },
    /// Median over blocks, on a grid of equal steps between the bounds. Only for isolation `block`.
    BlockMedian {
        /// Lower bound of an estimate.
        lower: f64,
        /// Upper bound of an estimate.
        upper: f64,
        /// Steps of the grid, 2 to 1,024.
        steps: u32,
    },
    /// A typed table that the guest makes of everything, with a claimed number of persons for each row. Only for isolation
    /// `cohort`; it leaves only after review.
    Table {
        /// Its columns, 1 to 64.
        columns: Vec<TableColumn>,
        /// Most rows, 1 to 5,000.
        rows_max: u32,
    },
}

impl Reducer {
    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::DistinctPersons => "distinct-persons",
            Self::Sum { .. } => "sum",
            Self::Mean { .. } => "mean",
            Self::Variance { .. } => "variance",
            Self::Ratio { .. } => "ratio",
            Self::Histogram { .. } => "histogram",
            Self::Quantile { .. } => "quantile",
            Self::ContingencyTable => "contingency-table",
            Self::SurvivalTable { .. } => "survival-table",
            Self::CrossProduct { .. } => "cross-product",
            Self::Gradient { .. } => "gradient",
            Self::BlockMean { .. } => "block-mean",
            Self::BlockMedian { .. } => "block-median",
            Self::Table { .. } => "table",
        }
    }

    /// Values of one contribution: the components of a vector, 0 where a contribution is only counted. For a table, the
    /// values of one row: the claimed number of persons, then its columns.
    #[must_use]
    pub fn value_count(&self) -> usize {
        match self {
            Self::Count | Self::DistinctPersons | Self::ContingencyTable => 0,
            Self::Sum { .. }
            | Self::Mean { .. }
            | Self::Variance { .. }
            | Self::Histogram { .. }
            | Self::Quantile { .. }
            | Self::BlockMean { .. }
            | Self::BlockMedian { .. } => 1,
            Self::Ratio { .. } | Self::SurvivalTable { .. } => 2,
            Self::CrossProduct { variables } => variables.len(),
            Self::Gradient { length, .. } => *length as usize,
            Self::Table { columns, .. } => columns.len() + 1,
        }
    }

    /// Dimensions of the released table inside the keys, outermost first: name and labels. The host fills them.
    #[must_use]
    pub fn inner_dimensions(&self) -> Vec<(&'static str, Vec<String>)> {
        let bands = |edges: &[f64]| {
            let bands = edges.iter().zip(edges.iter().skip(1));
            bands.map(|(lower, upper)| format!("[{lower}, {upper})")).collect::<Vec<_>>()
        };
        match self {
            Self::Histogram { edges } => vec![("bin", bands(edges))],
            Self::Quantile { probabilities, .. } => {
                vec![("probability", probabilities.iter().map(f64::to_string).collect())]
            }
            Self::SurvivalTable { edges } => {
                let measures = ["at-risk", "events", "censored"].map(str::to_owned).to_vec();
                vec![("interval", bands(edges)), ("measure", measures)]
            }
            Self::CrossProduct { variables } => {
                let names: Vec<_> = variables.iter().map(|variable| variable.name.clone()).collect();
                // A product with 1 is the variable itself.
                let columns = std::iter::once("1".to_owned()).chain(names.iter().cloned()).collect();
                vec![("variable", names), ("times", columns)]
            }
            Self::Gradient { length, .. } => {
                vec![("component", (0..*length).map(|component| component.to_string()).collect())]
            }
            _ => Vec::new(),
        }
    }

    /// Cells of the released table for each cell that the guest can address.
    #[must_use]
    pub fn inner_cell_count(&self) -> usize {
        match self {
            Self::Histogram { edges } => edges.len().saturating_sub(1),
            Self::Quantile { probabilities, .. } => probabilities.len(),
            Self::SurvivalTable { edges } => edges.len().saturating_sub(1).saturating_mul(3),
            Self::CrossProduct { variables } => variables.len().saturating_mul(variables.len() + 1),
            Self::Gradient { length, .. } => *length as usize,
            Self::Table { columns, rows_max } => (columns.len() + 1).saturating_mul(*rows_max as usize),
            _ => 1,
        }
    }

    /// Whether a job of this isolation can use it.
    #[must_use]
    pub fn fits(&self, isolation: Isolation) -> bool {
        match self {
            Self::BlockMean { .. } | Self::BlockMedian { .. } => isolation == Isolation::Block,
            Self::Table { .. } => isolation == Isolation::Cohort,
            _ => matches!(isolation, Isolation::Row | Isolation::Person),
        }
    }

    /// Checks the parameters of the reducer of output `output`.
    pub(crate) fn check(&self, output: &str, keys: usize) -> Result<(), ManifestError> {
        let place = || format!("output `{output}`");
        let bounds = |lower: f64, upper: f64| check_range(lower, upper, place);
        match self {
            Self::Count | Self::DistinctPersons => Ok(()),
            Self::Sum { lower, upper }
            | Self::Mean { lower, upper }
            | Self::Variance { lower, upper }
            | Self::BlockMean { lower, upper } => bounds(*lower, *upper),
            Self::Ratio { numerator, denominator } => {
                bounds(numerator.lower, numerator.upper)?;
                bounds(denominator.lower, denominator.upper)?;
                if denominator.lower >= 0.0 { Ok(()) } else { Err(ManifestError::Bounds { place: place() }) }
            }
            Self::Histogram { edges } => {
                check_number("histogram edges", edges.len(), 2, 1025)?;
                check_ascending(edges, place)
            }
            Self::Quantile { lower, upper, steps, probabilities } => {
                bounds(*lower, *upper)?;
                check_number("steps of a quantile", *steps as usize, 2, 1024)?;
                check_number("probabilities of a quantile", probabilities.len(), 1, 16)?;
                check_ascending(probabilities, place)?;
                let inside = probabilities.iter().all(|probability| *probability > 0.0 && *probability < 1.0);
                if inside { Ok(()) } else { Err(ManifestError::Bounds { place: place() }) }
            }
            Self::ContingencyTable => check_number("keys of a contingency table", keys, 2, 8),
            Self::SurvivalTable { edges } => {
                check_number("survival edges", edges.len(), 2, 1025)?;
                check_ascending(edges, place)
            }
            Self::CrossProduct { variables } => {
                check_number("variables of a cross-product", variables.len(), 1, 16)?;
                check_names("variable", variables.iter().map(|variable| variable.name.as_str()))?;
                variables.iter().try_for_each(|variable| bounds(variable.lower, variable.upper))
            }
            Self::Gradient { length, norm_max } => {
                check_number("components of a gradient", *length as usize, 1, 64)?;
                bounds(0.0, *norm_max)
            }
            Self::BlockMedian { lower, upper, steps } => {
                check_number("steps of a block median", *steps as usize, 2, 1024)?;
                bounds(*lower, *upper)
            }
            Self::Table { columns, rows_max } => check_table(columns, *rows_max, place),
        }
    }
}

fn check_table(columns: &[TableColumn], rows_max: u32, place: impl Fn() -> String) -> Result<(), ManifestError> {
    check_number("columns of a table", columns.len(), 1, 64)?;
    check_number("rows of a table", rows_max as usize, 1, 5_000)?;
    check_names("column", columns.iter().map(|column| column.name.as_str()))?;
    columns.iter().try_for_each(|column| match &column.column_type {
        ColumnType::Code { codes } => crate::manifest::check_codes("codes of a column", codes),
        ColumnType::Number { lower, upper, step } => {
            check_ascending(&[*lower, *upper], &place)?;
            let steps = (upper - lower) / step;
            // A step that a float near the larger bound can't show would be rounded away.
            let shows = *step >= lower.abs().max(upper.abs()) * 4.0 * f64::EPSILON;
            let holds = step.is_finite() && *step > 0.0 && steps <= 1e9 && shows;
            if holds { Ok(()) } else { Err(ManifestError::Bounds { place: place() }) }
        }
    })
}

/// Names of statistics that people ask for and that no reducer gives, with what to use instead.
pub(crate) const NO_REDUCERS: [(&str, &str); 8] = [
    ("min", "an extreme is one person's value; use `quantile` with a low probability, or bands as keys"),
    ("max", "an extreme is one person's value; use `quantile` with a high probability, or bands as keys"),
    ("first", "a first value is one row's; use `count` by key"),
    ("last", "a last value is one row's; use `count` by key"),
    ("any", "a value picked from many is one row's; use `count` by key"),
    ("list", "a list of values is rows; use `histogram` or `count` by key"),
    ("rows", "rows never leave; use `count`, `mean` or `histogram` by key"),
    ("median", "use `quantile` with probability 0.5"),
];

/// Finds an output that asks for what no reducer gives, in a manifest that is not read yet.
pub(crate) fn refused_reducer(manifest: &serde_json::Value) -> Option<ManifestError> {
    manifest.get("outputs")?.as_array()?.iter().find_map(|output| {
        let asked = output.get("reducer")?.as_str()?;
        let (reducer, remedy) = NO_REDUCERS.iter().find(|(name, _)| *name == asked)?;
        let name = output.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
        Some(ManifestError::NoReducer { output: name.chars().take(64).collect(), reducer, remedy })
    })
}

/// Whether every output of `manifest` fits its isolation.
pub(crate) fn check_isolation(manifest: &JobManifest) -> Result<(), ManifestError> {
    match manifest.outputs.iter().find(|output| !output.reducer.fits(manifest.isolation)) {
        None => Ok(()),
        Some(output) => Err(ManifestError::Isolation { output: output.name.clone(), reducer: output.reducer.name() }),
    }
}
