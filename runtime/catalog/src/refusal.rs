//! How the system says no: a stable code, the rule, the place and the remedy, and never the hidden value.

use serde::{Deserialize, Serialize};

use crate::text::visible;

/// One reason why something was refused, withheld or suppressed.
///
/// `code` is stable and documented; the other three are for people. None of them is ever derived from a row's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Refusal {
    /// Stable code, `<part>.<what>`, e.g. `gate.cell-below-threshold`.
    pub code: String,
    /// The rule that was met, e.g. `at least 10 persons per cell`.
    pub rule: String,
    /// Where it was met, in the words of the request, e.g. `output bmi_mean, cell sex=2, age_band=80+`.
    pub place: String,
    /// What the reader can do about it.
    pub remedy: String,
}

impl Refusal {
    /// A refusal from its four parts. They may quote what was sent; what acts on a reader's screen does not come back.
    pub fn new(
        code: impl Into<String>,
        rule: impl Into<String>,
        place: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let [code, rule, place, remedy] =
            [code.into(), rule.into(), place.into(), remedy.into()].map(|part| visible(&part));
        Self { code, rule, place, remedy }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}: {}; {}", self.code, self.place, self.rule, self.remedy)
    }
}
