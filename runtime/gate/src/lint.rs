//! Tells before submission which rules the declared outputs will meet, and what to change.
//!
//! Nothing here depends on data. Where the number of persons is known, an average cell has persons ÷ cells of them; real
//! tables are less even, so this is the best that can be hoped for.

use glovebox_catalog::{Isolation, JobManifest, Output, Privacy, Reducer};
use serde::{Deserialize, Serialize};

use crate::margin::margin_count;
use crate::reducers::{inner_statistic, statistic};
use crate::reduction::ReducedOutput;
use crate::rules::{coarse_contributions, count_step, digits_of, fewest_persons, too_many};
use crate::{Profile, Reduction, leakage_max};

/// Bits about one person from which on a bound is worth a warning: those of a short record.
const MANY_BITS: u64 = 128;

/// How much an advice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdviceLevel {
    /// Good to know.
    Note,
    /// Some figures will probably be suppressed or coarse.
    Warning,
    /// Nothing of it can leave as declared.
    Refusal,
}

/// One thing to know before a job is submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Advice {
    /// How much it matters.
    pub level: AdviceLevel,
    /// Stable code of the rule.
    pub code: String,
    /// The rule.
    pub rule: String,
    /// Where it is met.
    pub place: String,
    /// What to change.
    pub remedy: String,
}

/// Which rules the outputs of `manifest` will meet under `profile`; `persons` is the number of persons in the view, if
/// known.
#[must_use]
pub fn lint(manifest: &JobManifest, profile: &Profile, persons: Option<u64>, privacy: Option<Privacy>) -> Vec<Advice> {
    let mut advice = Findings::default();
    whole_job(manifest, profile, privacy, &mut advice);
    let is_reduced = matches!(manifest.isolation, Isolation::Row | Isolation::Person);
    if is_reduced && privacy.is_none() && !profile.noise_required {
        match Reduction::new(manifest) {
            Ok(reduction) => {
                for output in &reduction.finish().outputs {
                    Declared::new(output, manifest, profile, persons).lint(&mut advice);
                }
            }
            Err(error) => advice.add(
                AdviceLevel::Refusal,
                "gate.bounds-out-of-reach",
                error.to_string(),
                "manifest".into(),
                "declare bounds that the host can compute with",
            ),
        }
    }
    if let Some(persons) = persons {
        let rows = persons.saturating_mul(u64::from(manifest.contributions_per_person_max));
        let bound = leakage_max(manifest, profile, rows, persons, privacy);
        let level = if bound.bits_per_person > MANY_BITS { AdviceLevel::Warning } else { AdviceLevel::Note };
        advice.add(
            level,
            "gate.leakage-bound",
            format!("the job can carry {} bits, {} of them about one person", bound.bits, bound.bits_per_person),
            "release".into(),
            "use fewer cells, contributions per person or rounds; the grant's budget of leakage bits pays for them",
        );
    }
    advice.0
}

fn whole_job(manifest: &JobManifest, profile: &Profile, privacy: Option<Privacy>, advice: &mut Findings) {
    let place = || "release".to_owned();
    match (manifest.isolation, privacy) {
        (Isolation::Cohort, _) => advice.add(
            AdviceLevel::Note,
            "gate.needs-review",
            "a table that a module makes of everything leaves after two reviewers have approved it".into(),
            place(),
            "name a grant that has reviewers; say in the description how each column is computed",
        ),
        (Isolation::Block, None) => advice.add(
            AdviceLevel::Refusal,
            "gate.block-needs-noise",
            "what is estimated from blocks leaves with noise alone".into(),
            place(),
            "submit the job with a privacy loss: `--epsilon` or `--rho`",
        ),
        (_, None) if profile.noise_required => advice.add(
            AdviceLevel::Refusal,
            "gate.profile-needs-noise",
            format!("figures leave under the profile `{}` with noise alone", profile.name),
            place(),
            "submit the job with a privacy loss: `--epsilon` or `--rho`",
        ),
        _ => {}
    }
    if manifest.rounds.is_some() && privacy.is_none() && !profile.noise_required {
        advice.add(
            AdviceLevel::Note,
            "gate.coarse-steps",
            "every round sees the rounded figures of the one before".into(),
            place(),
            "stop when the state moves by less than the steps; with noise the error is known before (`job explain`)",
        );
    }
}

/// One output, with its statistics empty.
struct Declared<'a> {
    output: &'a ReducedOutput,
    manifest: &'a JobManifest,
    profile: &'a Profile,
    persons_min: u32,
    parameters: u32,
    dominance: bool,
    /// Persons of an average cell.
    each: Option<f64>,
}

impl<'a> Declared<'a> {
    fn new(output: &'a ReducedOutput, manifest: &'a JobManifest, profile: &'a Profile, persons: Option<u64>) -> Self {
        let (parameters, dominance) = match inner_statistic(output) {
            Some(inner) => (inner.parameters(), inner.dominance()),
            None => {
                let statistic = statistic(output);
                (statistic.parameters(), statistic.dominance())
            }
        };
        let persons_min = fewest_persons(profile, &output.output.reducer, parameters);
        let cells = output.cells.len().max(1) as f64;
        // A person may be in as many cells as it contributes to.
        let shares = f64::from(output.contributions_max).min(cells);
        let each = persons.map(|persons| persons as f64 * shares / cells);
        Self { output, manifest, profile, persons_min, parameters, dominance, each }
    }

    fn lint(&self, advice: &mut Findings) {
        self.size(advice);
        self.persons(advice);
        self.steps(advice);
        self.dominance(advice);
        self.parts(advice);
        self.totals(advice);
    }

    fn size(&self, advice: &mut Findings) {
        let cells =
            self.output.cells.len() * self.output.inner.iter().map(|inner| inner.labels.len()).product::<usize>();
        if self.is_open() {
            advice.add(
                AdviceLevel::Note,
                "gate.open-keys",
                "of an open key only the values that pass every rule are listed, and no total over the others".into(),
                self.place(),
                "declare the codes that matter as a list, where totals are wanted",
            );
        } else if too_many(cells, self.profile) {
            let most = self.profile.rows_max.unwrap_or_default();
            advice.add(
                AdviceLevel::Refusal,
                "gate.too-many-rows",
                format!("a table has at most {most} cells; this one has {cells}"),
                self.place(),
                "use fewer keys or wider bands, or split the table over several outputs",
            );
        }
    }

    fn persons(&self, advice: &mut Findings) {
        let Self { persons_min, .. } = *self;
        let code = "gate.cell-below-threshold";
        if persons_min > self.profile.threshold {
            let rule = format!(
                "at least {persons_min} persons behind a cell, as it estimates {} parameters from them",
                self.parameters
            );
            let remedy = "use fewer parameters, or keys with more persons each";
            advice.add(AdviceLevel::Note, code, rule, self.place(), remedy);
        }
        let Some(each) = self.each else { return };
        let fewest = f64::from(persons_min);
        let cells = self.output.cells.len() as f64;
        if each * cells < fewest {
            let rule = format!("at least {persons_min} persons behind a cell; there are fewer in all");
            advice.add(AdviceLevel::Refusal, code, rule, self.place(), "ask for a view of more persons");
        } else if each < fewest && !self.is_open() {
            let pass = (each * cells / fewest).floor();
            let rule =
                format!("at least {persons_min} persons behind a cell: at most {pass} of {cells} cells can pass");
            advice.add(
                AdviceLevel::Warning,
                code,
                rule,
                self.place(),
                "merge categories, widen bands or use fewer keys",
            );
        } else if each < 3.0 * fewest && !self.is_open() {
            let rule = format!("at least {persons_min} persons behind a cell; an average one has {}", each.floor());
            let remedy = "expect suppressed cells where categories are uneven; merge the rare ones";
            advice.add(AdviceLevel::Note, code, rule, self.place(), remedy);
        }
    }

    /// How coarse figures will be.
    fn steps(&self, advice: &mut Findings) {
        let (profile, bound) = (self.profile, self.output.contributions_max);
        let step = count_step(profile, bound).width;
        let shows_counts = matches!(self.output.output.reducer, Reducer::Count | Reducer::Histogram { .. });
        if shows_counts && step > u64::from(profile.round_base.max(1)) {
            advice.add(
                AdviceLevel::Warning,
                "gate.coarse-steps",
                format!("counts are multiples of {step}, as a person may contribute {bound} times"),
                self.place(),
                "lower `contributions_per_person_max`, or count distinct persons",
            );
        }
        let range = match self.output.output.reducer {
            Reducer::Mean { lower, upper } => upper - lower,
            Reducer::Variance { lower, upper } => (upper - lower) * (upper - lower),
            _ => return,
        };
        let Some(each) = self.each else { return };
        let coarse = coarse_contributions(profile, bound) / each.max(f64::from(self.persons_min));
        let step = (coarse * range).max(digits_of(range, profile)).min(range);
        if coarse > 0.1 {
            advice.add(
                AdviceLevel::Warning,
                "gate.coarse-steps",
                format!("a cell of {} persons is rounded to steps of about {step:.3}", each.floor()),
                self.place(),
                "declare narrower bounds, fewer contributions per person, or keys with more persons each",
            );
        }
    }

    fn dominance(&self, advice: &mut Findings) {
        let has_rule = self.profile.nk.is_some() || self.profile.p_percent.is_some();
        if self.dominance && has_rule && self.output.contributions_max > 1 {
            advice.add(
                AdviceLevel::Note,
                "gate.dominance-nk",
                format!(
                    "one or two persons with {} contributions each may dominate a cell",
                    self.output.contributions_max
                ),
                self.place(),
                "lower `contributions_per_person_max`, or the upper bound of values",
            );
        }
    }

    /// Figures inside a cell that rest on some of its persons.
    fn parts(&self, advice: &mut Findings) {
        let Some(each) = self.each else { return };
        let fewest = f64::from(self.persons_min);
        match &self.output.output.reducer {
            Reducer::Quantile { probabilities, .. } => {
                let few = |probability: &&f64| probability.min(1.0 - **probability) * each < fewest;
                for probability in probabilities.iter().filter(few) {
                    advice.add(
                        AdviceLevel::Warning,
                        "gate.cell-below-threshold",
                        format!("at least {} persons below a quantile and as many above it", self.persons_min),
                        format!("{}, probability {probability}", self.place()),
                        "ask for a probability nearer to 0.5, or use keys with more persons each",
                    );
                }
            }
            Reducer::SurvivalTable { edges } => {
                let intervals = edges.len().saturating_sub(1).max(1);
                let threshold = self.profile.threshold_survival.unwrap_or(self.profile.threshold);
                if each / (2.0 * intervals as f64) < f64::from(threshold) {
                    advice.add(
                        AdviceLevel::Warning,
                        "gate.cell-below-threshold",
                        format!("at least {threshold} persons leave in an interval, or they wait for the next"),
                        self.place(),
                        "use wider intervals, so that events and censored persons of each are enough",
                    );
                }
            }
            _ => {}
        }
    }

    fn totals(&self, advice: &mut Findings) {
        let (shape, reducer) = (&self.output.shape, &self.output.output.reducer);
        let margins = margin_count(shape, reducer);
        if margins == 0 || self.is_open() {
            if !self.output.inner.is_empty() && !shape.dimensions.is_empty() {
                let (rule, remedy) =
                    ("a cell of several figures has no totals", "declare another output without the key");
                advice.add(AdviceLevel::Note, "gate.complementary", rule.into(), self.place(), remedy);
            }
            return;
        }
        let (rule, remedy) = match (self.profile.complementary, reducer) {
            (false, _) => ("a total is shown only where no cell of it is suppressed", "merge rare categories"),
            (true, Reducer::ContingencyTable) => (
                "three cells of a rectangle (seven of a cube) are hidden with each small one, so that margins can be shown",
                "merge rare categories, so that few cells are small",
            ),
            (true, Reducer::Variance { .. } | Reducer::Ratio { .. }) => (
                "a total of variances or ratios is shown only where no cell of it is suppressed",
                "declare another output without the key",
            ),
            (true, _) if shape.dimensions.len() > 1 => (
                "totals of the first key are shown over suppressed cells, those of the others only where none is",
                "put the key whose totals matter first, or declare a contingency table",
            ),
            _ => return,
        };
        advice.add(AdviceLevel::Note, "gate.complementary", rule.into(), self.place(), remedy);
    }

    fn is_open(&self) -> bool {
        self.output.open.contains(&true)
    }

    fn place(&self) -> String {
        let Output { name, .. } = &self.output.output;
        let keys = self.manifest.dimensions(&self.output.output);
        let keys: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        if keys.is_empty() { format!("output `{name}`") } else { format!("output `{name}` by {}", keys.join(", ")) }
    }
}

#[derive(Default)]
struct Findings(Vec<Advice>);

impl Findings {
    fn add(&mut self, level: AdviceLevel, code: &str, rule: String, place: String, remedy: &str) {
        self.0.push(Advice { level, code: code.into(), rule, place, remedy: remedy.into() });
    }
}
