//! Pre-flight: which rules a manifest's outputs will meet, told before anything is submitted.

use glovebox_api::{Lint, LintRequest};
use glovebox_catalog::Refusal;
use glovebox_gate::{Profile, leakage_max, lint};

use crate::{Engine, EngineError};

impl Engine {
    /// Holds the declared outputs of a manifest against a disclosure profile. It looks at nothing but the request and the
    /// profile, so anyone on file may ask.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a manifest that no module could carry, or a profile that is not loaded.
    pub fn lint(&self, request: &LintRequest) -> Result<Lint, EngineError> {
        let LintRequest { manifest, profile, persons, privacy } = request;
        if let Err(error) = manifest.check() {
            let (rule, remedy) = (error.to_string(), "correct the manifest");
            return Err(EngineError::invalid("sandbox.bad-manifest", rule, "manifest", remedy));
        }
        let profile = self.loaded_profile(profile)?;
        let rows = |persons: u64| persons.saturating_mul(u64::from(manifest.contributions_per_person_max));
        let leakage = persons.map(|persons| leakage_max(manifest, profile, rows(persons), persons, *privacy));
        let mut advice = lint(manifest, profile, *persons, *privacy);
        advice.sort_by_key(|advice| std::cmp::Reverse(advice.level));
        Ok(Lint { profile: profile.name.clone(), leakage, advice })
    }

    /// A profile by the name that a request gives.
    pub(crate) fn loaded_profile(&self, name: &str) -> Result<&Profile, EngineError> {
        let found = self.inner.profiles.get(name).map(|(profile, _)| profile);
        found.ok_or_else(|| EngineError::Invalid(vec![self.unknown_profile()]))
    }

    /// The refusal of a profile that is not loaded.
    pub(crate) fn unknown_profile(&self) -> Refusal {
        let known: Vec<_> = self.inner.profiles.keys().map(String::as_str).collect();
        let rule = format!("a disclosure profile is one of: {}", known.join(", "));
        Refusal::new("gate.profile-unknown", rule, "disclosure_profile", "name one of them")
    }
}
