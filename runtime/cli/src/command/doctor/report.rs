//! What was found, and how it is told.

use glovebox_gm::Kernel;
use serde::Serialize;

use crate::failure::Refused;
use crate::output::Output;
use crate::text::clean;

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Good,
    /// Worth knowing, and no more.
    Note,
    /// Works, and deserves a look.
    Warning,
    /// Does not work, or is not safe.
    Fault,
}

impl Verdict {
    fn mark(self) -> char {
        match self {
            Self::Good => '✓',
            Self::Note => '·',
            Self::Warning => '!',
            Self::Fault => '✗',
        }
    }
}

/// One finding.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) section: &'static str,
    pub(super) verdict: Verdict,
    pub(super) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// A speed on one core.
#[derive(Debug, Serialize)]
pub(super) struct Speed {
    pub(super) what: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: &'static str,
    kernel: &'static str,
    constant_time: bool,
    well: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) speeds: Vec<Speed>,
}

impl Report {
    pub(super) fn new() -> Self {
        let kernel = Kernel::best();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            kernel: kernel.name(),
            constant_time: kernel.is_constant_time(),
            well: true,
            findings: Vec::new(),
            speeds: Vec::new(),
        }
    }

    pub(super) fn good(&mut self, section: &'static str, what: impl Into<String>) {
        self.found(section, Verdict::Good, what, None);
    }

    pub(super) fn note(&mut self, section: &'static str, what: impl Into<String>) {
        self.found(section, Verdict::Note, what, None);
    }

    pub(super) fn warning(&mut self, section: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.found(section, Verdict::Warning, what, Some(remedy.into()));
    }

    pub(super) fn fault(&mut self, section: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.found(section, Verdict::Fault, what, Some(remedy.into()));
    }

    fn found(&mut self, section: &'static str, verdict: Verdict, what: impl Into<String>, remedy: Option<String>) {
        self.well &= verdict != Verdict::Fault;
        self.findings.push(Finding { section, verdict, what: what.into(), remedy });
    }

    /// Shows it; an error, hence exit code 1, when something is wrong.
    pub(super) fn tell(&self, output: &Output) -> anyhow::Result<()> {
        output.show(self, || self.text())?;
        self.outcome()
    }

    pub(super) fn outcome(&self) -> anyhow::Result<()> {
        match self.count(Verdict::Fault) {
            0 => Ok(()),
            1 => Err(Refused { what: "something is wrong, see ✗ above".to_owned(), reasons: Vec::new() }.into()),
            faults => {
                Err(Refused { what: format!("{faults} things are wrong, see ✗ above"), reasons: Vec::new() }.into())
            }
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for Finding { section: of, verdict, what, remedy } in &self.findings {
            if *of != section {
                section = of;
                text.push_str(&format!("{section}\n"));
            }
            text.push_str(&format!("  {} {}\n", verdict.mark(), clean(what)));
            if let Some(remedy) = remedy {
                text.push_str(&format!("      → {}\n", clean(remedy)));
            }
        }
        text.push_str("speed, one core\n");
        for Speed { what, value, unit } in &self.speeds {
            text.push_str(&format!("  · {what}: {value:.0} {unit}\n"));
        }
        let (faults, warnings) = (self.count(Verdict::Fault), self.count(Verdict::Warning));
        let named = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        text.push_str(&match (faults, warnings) {
            (0, 0) => "all well".to_owned(),
            (0, warnings) => format!("well, with {}", named(warnings, "warning")),
            (faults, warnings) => format!("{}, {}", named(faults, "fault"), named(warnings, "warning")),
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_well_until_something_is_wrong() {
        let mut report = Report::new();
        report.good("a", "one");
        report.warning("a", "two", "look");
        assert!(report.well);
        assert!(report.outcome().is_ok());
        assert!(report.text().ends_with("well, with 1 warning"), "{}", report.text());
        report.fault("b", "three\u{1b}[2J", "mend it");
        let text = report.text();
        assert!(!report.well && report.outcome().is_err());
        for part in ["a\n  ✓ one\n  ! two\n      → look\nb\n  ✗ three", "→ mend it", "1 fault, 1 warning"] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["well"], &json["findings"][2]["verdict"]), (&false.into(), &"fault".into()));
    }
}
