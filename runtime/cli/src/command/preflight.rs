//! `glovebox job lint` and `job explain`: what a job will meet and cost, before it is submitted.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use glovebox_api::{Explanation, Lint, LintRequest, PrivacyCharge, SubmitJob};
use glovebox_catalog::{Epsilon, JobManifest, ModuleId, Privacy, Rho};
use glovebox_client::Client;
use glovebox_engine::{lint_offline, lint_under};
use glovebox_gate::{Advice, AdviceLevel, ExpectedError, Profile};

use crate::connection::{Global, read, read_bytes};
use crate::failure::Refused;
use crate::output::Output;
use crate::text::{bar, clean, name, number, table};

/// Noise that a job asks for.
#[derive(Args, Clone, Copy)]
pub(crate) struct Noise {
    /// Add discrete Laplace noise: ε that a round may lose, shared by its outputs
    #[arg(long, value_name = "EPSILON", value_parser = parse_epsilon, conflicts_with = "rho")]
    epsilon: Option<Epsilon>,
    /// Add discrete Gaussian noise: ρ (zero-concentrated) that a round may lose, shared by its outputs
    #[arg(long, value_name = "RHO", value_parser = parse_rho)]
    rho: Option<Rho>,
}

impl Noise {
    /// As a job asks for it; none for exact figures under disclosure rules.
    pub(crate) fn privacy(self) -> Option<Privacy> {
        let laplace = self.epsilon.map(|epsilon| Privacy::Laplace { epsilon });
        laplace.or_else(|| self.rho.map(|rho| Privacy::Gaussian { rho }))
    }
}

/// What a job asked for, in words.
pub(crate) fn named(privacy: &Privacy) -> String {
    match privacy {
        Privacy::Laplace { epsilon } => format!("discrete Laplace, ε {epsilon} a round"),
        Privacy::Gaussian { rho } => format!("discrete Gaussian, ρ {rho} a round"),
    }
}

fn parse_epsilon(text: &str) -> Result<Epsilon, String> {
    let value = parse_loss(text)?;
    Epsilon::new(value).filter(|epsilon| !epsilon.is_zero()).ok_or_else(|| beyond(Epsilon::MAX.value()))
}

fn parse_rho(text: &str) -> Result<Rho, String> {
    let value = parse_loss(text)?;
    Rho::new(value).filter(|rho| !rho.is_zero()).ok_or_else(|| beyond(Rho::MAX.value()))
}

fn parse_loss(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn beyond(max: f64) -> String {
    format!("expected a number above 0, at most {max}")
}

#[derive(Args)]
pub(crate) struct LintJob {
    /// The module or component, in binary form
    #[arg(required_unless_present = "module")]
    file: Option<PathBuf>,
    /// A module that was submitted, instead of a file; asks the enclave
    #[arg(long, conflicts_with = "file")]
    module: Option<ModuleId>,
    /// The disclosure profile: a name, or a file of your own that ends in .toml
    #[arg(long, value_name = "PROFILE", default_value = "default")]
    disclosure: String,
    /// Persons that the view may hold
    #[arg(long)]
    persons: Option<u64>,
    #[command(flatten)]
    noise: Noise,
    /// Ask the enclave, whose profiles may differ from those of this version
    #[arg(long)]
    online: bool,
}

impl LintJob {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let manifest = match (&self.file, &self.module) {
            (Some(file), _) => inspected(file)?,
            (None, Some(module)) => global.client()?.module(module).await?.manifest,
            (None, None) => bail!("name the file of a module, or a submitted one with `--module`"),
        };
        let privacy = self.noise.privacy();
        let asked = self.disclosure.clone();
        let request = LintRequest { manifest, profile: asked, persons: self.persons, privacy };
        let lint = if self.online || self.module.is_some() {
            global.client()?.lint(&request).await?
        } else if self.disclosure.ends_with(".toml") {
            let path = PathBuf::from(&self.disclosure);
            let profile = Profile::parse(&read(&path)?).with_context(|| format!("`{}`", path.display()))?;
            lint_under(&profile, &request)?
        } else {
            lint_offline(&request)?
        };
        output.show(&lint, || shown(&request, &lint))?;
        match lint.advice.iter().find(|advice| advice.level == AdviceLevel::Refusal) {
            None => Ok(()),
            Some(_) => Err(Refused { what: "nothing can leave as declared".to_owned(), reasons: Vec::new() }.into()),
        }
    }
}

fn inspected(file: &std::path::Path) -> anyhow::Result<JobManifest> {
    let inspected = glovebox_sandbox::inspect(&read_bytes(file)?)
        .map_err(|reasons| Refused { what: format!("`{}` does not pass inspection", file.display()), reasons })?;
    Ok(inspected.manifest().clone())
}

fn shown(request: &LintRequest, lint: &Lint) -> String {
    let manifest = &request.manifest;
    let mut text = format!("{} {} under profile `{}`", manifest.name, manifest.version, lint.profile);
    match request.persons {
        Some(persons) => text.push_str(&format!(", {} persons\n", number(persons))),
        None => text.push_str("; with `--persons N` it says more\n"),
    }
    if let Some(leakage) = &lint.leakage {
        let (bits, each) = (number(leakage.bits), number(leakage.bits_per_person));
        text.push_str(&format!("leakage bound: {bits} bits in all, {each} about any one person\n"));
    }
    if lint.advice.is_empty() {
        text.push_str("no rule stands out: cells with enough persons will be shown\n");
    }
    for advice in &lint.advice {
        text.push_str(&advised(advice));
    }
    text
}

fn advised(advice: &Advice) -> String {
    let Advice { level, code, rule, place, remedy } = advice;
    let mark = match level {
        AdviceLevel::Refusal => "✗ refusal",
        AdviceLevel::Warning => "! warning",
        AdviceLevel::Note => "· note",
    };
    let mut text = format!("\n{mark}  {}\n    rule:   {}\n", clean(code), clean(rule));
    if !place.is_empty() {
        text.push_str(&format!("    where:  {}\n", clean(place)));
    }
    if !remedy.is_empty() {
        text.push_str(&format!("    remedy: {}\n", clean(remedy)));
    }
    text
}

/// Asks what a job would cost and be worth, and tells it.
pub(crate) async fn explain(client: &Client, job: &SubmitJob, output: &Output) -> anyhow::Result<()> {
    let explanation = client.explain_job(job).await?;
    output.show(&explanation, || explained(&explanation))?;
    if explanation.refusals.is_empty() {
        return Ok(());
    }
    Err(Refused { what: "the job would be refused".to_owned(), reasons: explanation.refusals }.into())
}

fn explained(explanation: &Explanation) -> String {
    let Explanation { privacy, rounds_max, charges, errors, .. } = explanation;
    let rounds = if *rounds_max == 1 { "one round".to_owned() } else { format!("at most {rounds_max} rounds") };
    let mut text = format!("{}, {rounds}; nothing is spent by asking\n", named(privacy));
    if !charges.is_empty() {
        let heading = ["account", "", "asked", "with it", "of", ""];
        text.push_str(&format!(
            "\nprivacy loss, as ε at the dataset's δ\n{}\n",
            table(heading, charges.iter().map(charge))
        ));
    }
    if !errors.is_empty() {
        let row = |error: &ExpectedError| {
            [
                error.output.clone(),
                error.reducer.clone(),
                error.figure.clone(),
                format!("±{}", digits(error.half_width_95)),
                format!("{:.0} %", error.share * 100.0),
            ]
        };
        let heading = ["output", "reducer", "figure", "error", "share of the loss"];
        text.push_str(&format!(
            "\nexpected error: 95 of 100 figures lie within it\n{}\n",
            table(heading, errors.iter().map(row))
        ));
    }
    text
}

fn charge(charge: &PrivacyCharge) -> [String; 6] {
    let PrivacyCharge { holder, epsilon_max, epsilon_asked, epsilon_after, fits, .. } = charge;
    let shown = epsilon_after.unwrap_or(*epsilon_asked);
    [
        name(holder),
        bar(shown.steps(), epsilon_max.steps(), 20),
        epsilon_asked.to_string(),
        epsilon_after.map(|after| after.to_string()).unwrap_or_default(),
        epsilon_max.to_string(),
        if *fits { "fits" } else { "does not fit" }.to_owned(),
    ]
}

/// Three digits that count.
fn digits(value: f64) -> String {
    if !value.is_finite() || value >= f64::MAX {
        return "∞".to_owned();
    }
    let magnitude = if value > 0.0 { value.log10().floor() } else { 0.0 };
    let digits = (2.0 - magnitude).clamp(0.0, 9.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_positive_numbers() {
        assert_eq!(parse_epsilon("0.5").unwrap().steps(), 500_000);
        assert_eq!(parse_rho("0.05").unwrap().steps(), 50_000_000);
        for text in ["0", "-1", "nan", "inf", "1e99", "x"] {
            assert!(parse_epsilon(text).is_err(), "{text}");
            assert!(parse_rho(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_explanation_tells_error_and_what_is_left() {
        let explanation = serde_json::json!({
            "privacy": { "mechanism": "laplace", "epsilon": 1 },
            "rounds_max": 3,
            "loss": { "pure": 3, "pure_rho": 1.5, "rho": 0 },
            "charges": [{ "holder": "grant", "epsilon_max": 4, "delta": 1e-9, "epsilon_asked": 3,
                          "epsilon_after": 4.5, "fits": false }],
            "errors": [{ "output": "visits", "reducer": "count", "figure": "a cell", "half_width_95": 2.9957,
                         "share": 0.5 }],
        });
        let explanation: Explanation = serde_json::from_value(explanation).unwrap();
        let text = explained(&explanation);
        for part in ["at most 3 rounds", "grant", "4.5", "does not fit", "±3.00", "50 %", "a cell"] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        assert_eq!([digits(1234.5), digits(0.012_34), digits(f64::MAX), digits(0.0)], ["1234", "0.0123", "∞", "0.00"]);
    }

    #[test]
    fn advice_is_told_in_full() {
        let advice = Advice {
            level: AdviceLevel::Warning,
            code: "gate.cell-below-threshold".into(),
            rule: "ten persons".into(),
            place: "output `x`".into(),
            remedy: "wider bands".into(),
        };
        let text = advised(&advice);
        for part in ["! warning  gate.cell-below-threshold", "ten persons", "output `x`", "wider bands"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
