//! Pre-flight: which rules a manifest's outputs will meet, told before anything is submitted.

use glovebox_api::{Lint, LintRequest};
use glovebox_audit::canonical_json;
use glovebox_catalog::{ModuleId, Principal, Refusal};
use glovebox_gate::{Profile, leakage_max, lint};
use glovebox_gm::sm3;
use glovebox_policy::{Action, ResourceRef};

use crate::defaults::profiles;
use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Holds the declared outputs of a manifest against a disclosure profile. It looks at nothing but the request and the
    /// profile; whoever may submit a module may ask about one.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Invalid`] for a manifest that no module could carry, or a profile that is
    /// not loaded.
    pub fn lint(&self, caller: &Caller, request: &LintRequest) -> Result<Lint, EngineError> {
        let json = canonical_json(&request.manifest);
        let json = json.map_err(|error| EngineError::internal("write a manifest", error))?;
        let id = ModuleId::new(sm3(&json).to_string()).map_err(|error| EngineError::internal("make an id", error))?;
        let Principal { id: principal, organisation, .. } = &caller.principal;
        self.authorise(caller, Action::ModuleSubmit, ResourceRef::module(&id, organisation, principal))?;
        lint_under(self.loaded_profile(&request.profile)?, request)
    }

    /// A profile by the name that a request gives.
    pub(crate) fn loaded_profile(&self, name: &str) -> Result<&Profile, EngineError> {
        let found = self.inner.profiles.get(name).map(|(profile, _)| profile);
        found.ok_or_else(|| unknown_profile(self.inner.profiles.keys()))
    }
}

/// The same without an enclave, under a profile that ships with this version.
///
/// # Errors
/// [`EngineError::Invalid`] for a manifest that no module could carry, or a profile that does not ship.
pub fn lint_offline(request: &LintRequest) -> Result<Lint, EngineError> {
    let shipped = profiles(&[])?;
    let (profile, _) = shipped.get(&request.profile).ok_or_else(|| unknown_profile(shipped.keys()))?;
    lint_under(profile, request)
}

/// The same under a profile of one's own.
///
/// # Errors
/// [`EngineError::Invalid`] for a manifest that no module could carry.
pub fn lint_under(profile: &Profile, request: &LintRequest) -> Result<Lint, EngineError> {
    let LintRequest { manifest, persons, privacy, .. } = request;
    if let Err(error) = manifest.check() {
        let (rule, remedy) = (error.to_string(), "correct the manifest");
        return Err(EngineError::invalid("sandbox.bad-manifest", rule, "manifest", remedy));
    }
    let rows = |persons: u64| persons.saturating_mul(u64::from(manifest.contributions_per_person_max));
    let leakage = persons.map(|persons| leakage_max(manifest, profile, rows(persons), persons, *privacy));
    let mut advice = lint(manifest, profile, *persons, *privacy);
    advice.sort_by_key(|advice| std::cmp::Reverse(advice.level));
    Ok(Lint { profile: profile.name.clone(), leakage, advice })
}

fn unknown_profile<'a>(known: impl Iterator<Item = &'a String>) -> EngineError {
    let known: Vec<_> = known.map(String::as_str).collect();
    let rule = format!("a disclosure profile is one of: {}", known.join(", "));
    let refusal = Refusal::new("gate.profile-unknown", rule, "disclosure_profile", "name one of them");
    EngineError::Invalid(vec![refusal])
}
