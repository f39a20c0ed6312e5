//! What a job says of itself, as constant data: the source of the manifest, of the keys and of the host's checks.

/// A number with the text that stands in the manifest, so that no formatting is needed at compile time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// Its value.
    pub value: f64,
    /// As it stands in the source.
    pub text: &'static str,
}

impl Number {
    /// A number from its value and source text.
    ///
    /// # Panics
    /// At compile time, when the text is no number of JSON (RFC 8259 section 6), such as `1_000.0`, `1.` or `1f64`.
    #[must_use]
    pub const fn new(value: f64, text: &'static str) -> Self {
        assert!(is_json_number(text.as_bytes()), "write numbers as in JSON: `10.0` or `1e3`, no `_`, no suffix");
        Self { value, text }
    }
}

/// Type of an input column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Truth value.
    Boolean,
    /// 64-bit signed integer.
    Int64,
    /// 64-bit number.
    Float64,
    /// Days since 1970-01-01.
    Date,
    /// Index into a list of codes.
    Code(&'static [&'static str]),
}

/// One column that the job reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Name of the dataset's field.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether missing values reach the job; else the enclave leaves out rows in which it is missing.
    pub nullable: bool,
}

/// A number that the submitter may set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Value when none is set.
    pub default: Number,
    /// Smallest value allowed.
    pub min: Number,
    /// Largest value allowed.
    pub max: Number,
}

/// Values of a key dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// Names, in order.
    Codes(&'static [&'static str]),
    /// Edges of half-open bands, ascending.
    Bands(&'static [Number]),
    /// Whole numbers, of which a table lists those that pass its threshold.
    Integers {
        /// The first.
        first: Number,
        /// The last.
        last: Number,
    },
}

/// Bounds of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Lower bound.
    pub lower: Number,
    /// Upper bound.
    pub upper: Number,
}

/// Type of a column of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColumnType {
    /// One of these codes, by index.
    Code(&'static [&'static str]),
    /// A number, rounded to a multiple of `step` above the lower bound.
    Number {
        /// Its bounds.
        bounds: Bounds,
        /// What it is rounded to.
        step: Number,
    },
}

/// What the enclave computes from the contributions to an output (docs/disclosure.md).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reducer {
    /// Number of contributions.
    Count,
    /// Number of distinct persons.
    DistinctPersons,
    /// Sum of values clamped to the bounds.
    Sum(Bounds),
    /// Mean of values clamped to the bounds.
    Mean(Bounds),
    /// Sample variance of values clamped to the bounds.
    Variance(Bounds),
    /// Sum of the first value over the sum of the second.
    Ratio {
        /// Bounds of the first.
        numerator: Bounds,
        /// Bounds of the second, at least 0.
        denominator: Bounds,
    },
    /// Counts of values per bin between ascending edges.
    Histogram(&'static [Number]),
    /// Quantiles on a grid of equal steps.
    Quantile {
        /// Bounds of a value.
        bounds: Bounds,
        /// Steps of the grid.
        steps: u32,
        /// Probabilities, ascending.
        probabilities: &'static [Number],
    },
    /// Persons cross-classified by the keys, with all margins.
    ContingencyTable,
    /// Persons by time of exit, in intervals between ascending edges.
    SurvivalTable(&'static [Number]),
    /// Mean products of every two of these variables.
    CrossProduct(&'static [(&'static str, Bounds)]),
    /// Sum of vectors, each clipped to a norm.
    Gradient {
        /// Components.
        length: u32,
        /// The norm.
        norm_max: Number,
    },
    /// Mean of what a `block` job estimates from each block.
    BlockMean(Bounds),
    /// Median of what a `block` job estimates from each block, on a grid of equal steps.
    BlockMedian {
        /// Bounds of an estimate.
        bounds: Bounds,
        /// Steps of the grid.
        steps: u32,
    },
    /// A table that a `cohort` job makes.
    Table {
        /// Most rows.
        rows_max: u32,
        /// Its columns.
        columns: &'static [(&'static str, ColumnType)],
    },
}

/// One output table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: &'static str,
    /// What the enclave computes.
    pub reducer: Reducer,
    /// Its key dimensions, outermost first.
    pub keys: &'static [&'static str],
}

/// Everything that the manifest says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Description {
    /// Short name.
    pub name: &'static str,
    /// Version of the job.
    pub version: &'static str,
    /// What it computes, for reviewers.
    pub description: &'static str,
    /// The purpose that it serves, e.g. `public-health`.
    pub purpose: Option<&'static str>,
    /// `row`, `person`, `block` or `cohort`.
    pub isolation: &'static str,
    /// Columns, in the order in which the job gets them.
    pub inputs: &'static [Input],
    /// Parameters, in the order in which the job gets them.
    pub parameters: &'static [Parameter],
    /// Key dimensions.
    pub keys: &'static [(&'static str, Domain)],
    /// Outputs.
    pub outputs: &'static [Output],
    /// Most contributions of one person to one output.
    pub contributions_per_person_max: u32,
    /// Blocks of a `block` job.
    pub blocks: Option<u32>,
    /// Rounds of an iterative job.
    pub rounds: Option<Rounds>,
}

/// Rounds of an iterative job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rounds {
    /// Most rounds.
    pub rounds_max: u32,
    /// The numbers that go from round to round.
    pub state: &'static [Parameter],
}

impl Description {
    /// The state of its rounds.
    #[must_use]
    pub const fn state(&self) -> &'static [Parameter] {
        match &self.rounds {
            Some(rounds) => rounds.state,
            None => &[],
        }
    }

    /// Numbers that the job gets after its columns: parameters, then state.
    #[must_use]
    pub const fn argument_count(&self) -> usize {
        self.parameters.len() + self.state().len()
    }
}

const fn is_json_number(text: &[u8]) -> bool {
    let mut at = if !text.is_empty() && text[0] == b'-' { 1 } else { 0 };
    let leading_zero = at + 1 < text.len() && text[at] == b'0' && text[at + 1].is_ascii_digit();
    let (whole, after) = digits(text, at);
    at = after;
    let mut holds = whole > 0 && !leading_zero;
    if at < text.len() && text[at] == b'.' {
        let (fraction, after) = digits(text, at + 1);
        holds = holds && fraction > 0;
        at = after;
    }
    if at < text.len() && (text[at] == b'e' || text[at] == b'E') {
        let signed = at + 1 < text.len() && (text[at + 1] == b'-' || text[at + 1] == b'+');
        let (exponent, after) = digits(text, at + if signed { 2 } else { 1 });
        holds = holds && exponent > 0;
        at = after;
    }
    holds && at == text.len()
}

/// How many digits stand at `at`, and where they end.
const fn digits(text: &[u8], at: usize) -> (usize, usize) {
    let mut end = at;
    while end < text.len() && text[end].is_ascii_digit() {
        end += 1;
    }
    (end - at, end)
}

#[cfg(test)]
mod tests {
    use super::is_json_number;

    #[test]
    fn only_numbers_of_json_pass() {
        for text in ["0", "10.0", "-1.5", "1e3", "2.5E-7", "0.25", "-0"] {
            assert!(is_json_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "1.", ".5", "1_000", "01", "1f64", "1e", "0x10", "1.0.0", "f64::MAX", " 1"] {
            assert!(!is_json_number(text.as_bytes()), "{text}");
        }
    }
}
