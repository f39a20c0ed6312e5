//! What the enclave says of itself in its log: that it started and stopped, with which key, policies and settings, and
//! whom its server shows and believes.
//!
//! Whoever changes a file between two starts is seen by the next start's events. They hold names, numbers and digests,
//! never a secret. A start that finds no stop behind the start before says so: a kill, a crash, or a machine that went
//! down. That somebody took the process away, and when, is then theirs to explain.

use std::collections::BTreeMap;
use std::fmt::Display;

use glovebox_audit::{Actor, Draft};
use glovebox_gm::Digest;

use crate::config::{Config, JobLimits, ReviewLimits};
use crate::{Engine, EngineError, defaults};

const START: &str = "enclave.start";
const STOP: &str = "enclave.stop";
const CONFIGURE: &str = "enclave.configure";
const SERVER_CONFIGURE: &str = "server.configure";
const POLICIES_LOAD: &str = "policies.load";
const KEY_UNLOCK: &str = "key.unlock";
const TLS_LOAD: &str = "tls.load";
const TLS_KEEP: &str = "tls.keep";
const ENCLAVE: &str = "enclave/enclave";

/// Before the name of a setting, with its value.
const SETTING_DETAIL: &str = "setting:";
/// Before the name of a file of Cedar policies, with the SM3 of its text.
const POLICY_DETAIL: &str = "policy:";
/// Before the name of a disclosure profile, with the SM3 of its file.
const PROFILE_DETAIL: &str = "profile:";

/// Settings as events hold them: values by name.
pub type Settings = BTreeMap<&'static str, String>;

/// What a server shows to clients, and whom it believes, for one set of suites. Digests are SM3 over DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The suites, e.g. `gm`.
    pub suites: &'static str,
    /// The server's certificate, then those between it and its authority.
    pub certificates: Vec<Digest>,
    /// The authorities whose certificates clients present.
    pub authorities: Vec<Digest>,
    /// Their revocation lists.
    pub revocations: Vec<Digest>,
}

impl Engine {
    /// Notes the start, in one transaction: how the run before ended, the key, the policies, the settings.
    pub(crate) fn note_start(&self) -> Result<(), EngineError> {
        let last = self.store().latest_event(&[START, STOP])?;
        let stop_before = match last.map(|event| event.action) {
            None => "none",
            Some(action) if action == STOP => "in order",
            Some(_) => "not in order",
        };
        if stop_before == "not in order" {
            tracing::warn!("the enclave did not stop in order the time before; reads of its last minute are lost");
        }
        let start = self.of_enclave(START).with("version", env!("CARGO_PKG_VERSION")).with("stop_before", stop_before);
        let fingerprint = self.inner.key.verifying_key().fingerprint();
        let unlock = self.of_enclave(KEY_UNLOCK).with("enclave_key_sm3", fingerprint);
        let configure = with_settings(self.of_enclave(CONFIGURE), settings(&self.inner.config));
        let events = vec![start, unlock, self.changed(self.policies_in_force())?, self.changed(configure)?];
        self.store().record_all(events)?;
        Ok(())
    }

    /// Writes what still waits to be written, and that the enclave stops in order. Nothing is done after it.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn note_stop(&self) -> Result<(), EngineError> {
        self.write_reads()?;
        self.store().record(self.of_enclave(STOP))?;
        Ok(())
    }

    /// Notes the settings of the server in front of this engine.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn note_server(&self, settings: Settings) -> Result<(), EngineError> {
        let configure = with_settings(self.of_enclave(SERVER_CONFIGURE), settings);
        self.store().record(self.changed(configure)?)?;
        Ok(())
    }

    /// Notes certificates and revocation lists that are in use from now on.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn note_tls(&self, identity: &TlsIdentity) -> Result<(), EngineError> {
        let TlsIdentity { suites, certificates, authorities, revocations } = identity;
        let draft = self
            .of_enclave(TLS_LOAD)
            .with("suites", suites)
            .with("certificates_sm3", listed(certificates))
            .with("authorities_sm3", listed(authorities))
            .with("revocations_sm3", listed(revocations));
        self.store().record(draft)?;
        Ok(())
    }

    /// Notes that the files of a set of suites changed and can't be used, so that those before stay in use: whoever spoils
    /// a revocation list keeps it from being taken in.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn note_tls_kept(&self, suites: &str) -> Result<(), EngineError> {
        self.store().record(self.of_enclave(TLS_KEEP).with("suites", suites))?;
        Ok(())
    }

    fn policies_in_force(&self) -> Draft {
        let mut draft = self.of_enclave(POLICIES_LOAD).with("policy_sm3", self.inner.policy_sm3);
        for (name, text) in defaults::policy_files() {
            draft = draft.with(format!("{POLICY_DETAIL}{name}"), glovebox_gm::sm3(text.as_bytes()));
        }
        for (name, (_, digest)) in &self.inner.profiles {
            draft = draft.with(format!("{PROFILE_DETAIL}{name}"), digest);
        }
        draft
    }

    /// The event, with the names of what is not as it was in the last event of its kind, if there is one.
    fn changed(&self, draft: Draft) -> Result<Draft, EngineError> {
        let Some(before) = self.store().latest_event(&[draft.action.as_str()])? else { return Ok(draft) };
        let (mut before, after) = (before.detail, &draft.detail);
        before.remove("changed");
        let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        let changed: Vec<&str> =
            names.filter(|name| before.get(*name) != after.get(*name)).map(String::as_str).collect();
        let changed = changed.join(",");
        Ok(if changed.is_empty() { draft } else { draft.with("changed", changed) })
    }

    fn of_enclave(&self, action: &str) -> Draft {
        Draft::done(self.now(), Actor::default(), action, ENCLAVE)
    }
}

fn with_settings(draft: Draft, settings: Settings) -> Draft {
    settings.into_iter().fold(draft, |draft, (name, value)| draft.with(format!("{SETTING_DETAIL}{name}"), value))
}

fn listed(digests: &[Digest]) -> String {
    digests.iter().map(Digest::to_string).collect::<Vec<_>>().join(",")
}

/// Every setting that decides something. Named one by one, so that a new one can't be left out by mistake.
fn settings(config: &Config) -> Settings {
    let Config {
        // Where the files are decides nothing, and names a machine.
        state: _,
        workers,
        queue_jobs_max,
        queue_jobs_per_organisation_max,
        limits,
        pace_step,
        reviews,
        witnesses,
        // Events of their own, or of tests.
        profiles: _,
        earlier_clock: _,
        on_step: _,
        passphrase_iterations: _,
        ingest_memory_bytes,
    } = config;
    let JobLimits {
        fuel_per_row_units,
        fuel_per_person_units,
        fuel_per_block_units,
        fuel_per_cohort_row_units,
        fuel_per_update_units,
        memory_bytes,
        tables_memory_bytes,
        wall,
    } = limits;
    let ReviewLimits { days, fetches_max, fetch_days, tended_every } = reviews;
    let witnesses = witnesses.as_ref().map_or_else(
        || "nobody".to_owned(),
        |policy| {
            let known = policy.witnesses().iter().map(|known| format!("{} {}", known.name, known.key.fingerprint()));
            format!("{} of {}", policy.required(), known.collect::<Vec<_>>().join(", "))
        },
    );
    let settings: [(&'static str, &dyn Display); 18] = [
        ("workers", workers),
        ("queue_jobs_max", queue_jobs_max),
        ("queue_jobs_per_organisation_max", queue_jobs_per_organisation_max),
        ("fuel_per_row_units", fuel_per_row_units),
        ("fuel_per_person_units", fuel_per_person_units),
        ("fuel_per_block_units", fuel_per_block_units),
        ("fuel_per_cohort_row_units", fuel_per_cohort_row_units),
        ("fuel_per_update_units", fuel_per_update_units),
        ("job_memory_bytes", memory_bytes),
        ("job_tables_memory_bytes", tables_memory_bytes),
        ("job_wall_ms", &wall.as_millis()),
        ("pace_step_ms", &pace_step.as_millis()),
        ("review_days", days),
        ("review_fetches_max", fetches_max),
        ("review_fetch_days", fetch_days),
        ("reviews_tended_every_ms", &tended_every.as_millis()),
        ("witnesses", &witnesses),
        ("ingest_memory_bytes", ingest_memory_bytes),
    ];
    settings.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}
