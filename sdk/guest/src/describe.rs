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
}

/// What the enclave computes from the contributions to an output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reducer {
    /// Number of contributions.
    Count,
    /// Number of distinct persons.
    DistinctPersons,
    /// Sum of values clamped to the bounds.
    Sum {
        /// Lower bound.
        lower: Number,
        /// Upper bound.
        upper: Number,
    },
    /// Mean of values clamped to the bounds.
    Mean {
        /// Lower bound.
        lower: Number,
        /// Upper bound.
        upper: Number,
    },
    /// Counts of values per bin between ascending edges.
    Histogram(&'static [Number]),
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
    /// `row` or `person`.
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
