//! The enclave as a whole: what each kind of user can ask of it, and the sequence that a job goes through.
//!
//! `submit → inspect → authorise → reserve → open view → run → reduce → gate → release → receipt` (docs/life-of-a-job.md)
//!
//! The other crates each know one thing; only this one knows the order. Every use case asks the policies first and
//! commits its change together with its audit event. Only this crate reads the clock.

mod audit;
mod caller;
mod claims;
mod clock;
mod config;
mod counters;
mod datasets;
mod defaults;
mod directory;
mod error;
mod explain;
mod formats;
mod grants;
mod idempotency;
mod identity;
mod ingestion;
mod job;
mod ledger;
mod lifecycle;
mod lint;
mod meters;
mod modules;
mod page;
mod reads;
mod releases;
mod reviews;
mod sight;
mod start;
mod suspensions;
mod witnesses;

use std::collections::BTreeMap;
use std::sync::Arc;

use glovebox_audit::Draft;
use glovebox_catalog::{Grant, GrantId, Refusal, Timestamp};
use glovebox_gate::Profile;
use glovebox_gm::{Digest, SigningKey};
use glovebox_policy::{Action, Authoriser, Context, Decision, Request, ResourceRef};
use glovebox_sandbox::Sandbox;
use glovebox_store::Store;
use glovebox_vault::Vault;

pub use audit::EventQuery;
pub use caller::Caller;
pub use clock::{CLOCK_BEHIND_MAX_MS, Clock};
pub use config::{Config, EarlierClock, JobLimits, ReviewLimits, StepWatcher};
pub use counters::{BudgetLeft, Figures};
pub use error::EngineError;
pub use formats::ReleaseFormat;
pub use glovebox_policy::ReviewerAct;
pub use glovebox_store::Survey;
pub use grants::GrantAction;
pub use idempotency::Remembered;
pub use ingestion::IngestionProgress;
pub use job::{Step, keep_panics_quiet};
pub use lifecycle::{Settings, TlsIdentity};
pub use lint::{lint_offline, lint_under};
pub use page::PageQuery;
pub use start::Bootstrap;
pub use suspensions::SuspensionStep;
pub use witnesses::WitnessFigures;

use counters::Counters;
use job::cohorts::Cohorts;
use job::desk::Desk;
use witnesses::Witnesses;

/// A running enclave. Cheap to clone; all clones are the same enclave.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    store: Store,
    vault: Vault,
    sandbox: Sandbox,
    authoriser: Authoriser,
    policy_sm3: Digest,
    profiles: BTreeMap<String, (Profile, Digest)>,
    key: SigningKey,
    clock: Clock,
    desk: Desk,
    cohorts: Cohorts,
    counters: Counters,
    witnesses: Option<Witnesses>,
    reads: reads::Reads,
    refusals: job::refusals::Refusals,
    workers: tokio_util::task::TaskTracker,
}

impl Engine {
    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// The enclave's clock, for terms that others judge: those of certificates.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// The time now, which never goes back: see `clock.rs`. The one clock for decisions.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Asks the policies. A denial is an event of its own.
    pub(crate) fn authorise(&self, caller: &Caller, action: Action, resource: ResourceRef) -> Result<(), EngineError> {
        let context = Context::at(self.now()).from_address(caller.address);
        self.authorise_in(caller, action, resource, context)
    }

    /// Asks the policies in a given context.
    pub(crate) fn authorise_in(
        &self,
        caller: &Caller,
        action: Action,
        resource: ResourceRef,
        context: Context,
    ) -> Result<(), EngineError> {
        let path = resource.path();
        let request = Request { principal: &caller.principal, action, resource, context };
        match self.inner.authoriser.authorise(&request) {
            Decision::Allowed { .. } => Ok(()),
            Decision::Denied(refusal) => {
                let reasons = vec![refusal];
                self.record_refusal(caller.actor(), action.as_str(), &path, &reasons)?;
                Err(EngineError::Refused(reasons))
            }
        }
    }

    /// Whether the caller may see a thing in a list; a thing that is not listed is no event.
    pub(crate) fn may_see(&self, caller: &Caller, action: Action, resource: ResourceRef) -> bool {
        let context = Context::at(self.now()).from_address(caller.address);
        let request = Request { principal: &caller.principal, action, resource, context };
        self.inner.authoriser.authorise(&request).is_allowed()
    }

    /// The event of something done, to be committed with the change.
    pub(crate) fn done(&self, caller: &Caller, action: Action, resource: impl Into<String>) -> Draft {
        Draft::done(self.now(), caller.actor(), action.as_str(), resource)
    }

    pub(crate) fn found_grant(&self, id: &GrantId) -> Result<Grant, EngineError> {
        self.store().grant(id)?.ok_or_else(|| EngineError::NotFound { what: "grant", id: id.to_string() })
    }

    /// Records a refusal that a rule outside the policies gave, and returns it.
    pub(crate) fn refuse(&self, caller: &Caller, action: Action, resource: &str, reasons: Vec<Refusal>) -> EngineError {
        match self.record_refusal(caller.actor(), action.as_str(), resource, &reasons) {
            Ok(()) => EngineError::Refused(reasons),
            Err(error) => error,
        }
    }
}
