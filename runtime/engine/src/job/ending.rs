//! How a job ends: state, budget, release and receipt in one transaction.

use std::collections::BTreeMap;
use std::time::Instant;

use glovebox_api::{JobState, SubmitJob};
use glovebox_audit::{Actor, Draft, Outcome, RECEIPT_VERSION, Statement, canonical_json};
use glovebox_catalog::{JobId, Refusal, ReleaseId, Timestamp};
use glovebox_gate::{Mechanism, Release, ReleaseDocument, ReviewCandidate};
use glovebox_gm::{Digest, sm3};
use glovebox_meter::{Amounts, fuel_bucket};
use glovebox_policy::Action;
use glovebox_store::{JobPatch, JobRow, ReleaseRow, Settlement, StoreError};

use crate::counters::Counters;
use crate::grants::terms_sm3;
use crate::job::cost::{Cost, Holding, Reached, Way, cost};
use crate::job::desk::Running;
use crate::job::run::Case;
use crate::job::{Step, cancelled, parameters, state_name};
use crate::reviews::airlock::Opening;
use crate::start::new_id;
use crate::{Engine, EngineError};

/// How a job that holds its budget ends.
pub(crate) enum Ending {
    /// A table leaves.
    Released {
        /// Canonical JSON of the release document.
        document: String,
        mechanism: Mechanism,
        cells_released: u64,
        cells_withheld: u64,
        leakage_bits: u64,
    },
    /// Reviewers decide on it.
    Review(Box<ReviewCandidate>),
    /// Nothing may leave.
    Withheld { reasons: Vec<Refusal>, cells_withheld: u64 },
    /// The module failed.
    Failed { reasons: Vec<Refusal> },
    /// The enclave failed.
    EnclaveFailed,
    /// Someone stopped it.
    Killed,
    /// The enclave is shutting down: the job goes back to the queue with its reservation.
    Interrupted,
}

/// What an end is committed with.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    /// States that the job may stand in before.
    pub(crate) from: &'a [&'a str],
    /// How far it had come.
    pub(crate) reached: Reached,
    /// What it holds.
    pub(crate) holding: Holding,
}

/// Whether an end stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It does.
    Done,
    /// Nothing has changed, since the grant is not active any more.
    GrantStopped,
}

impl Engine {
    /// The end of a job whose tables passed the gate; withheld when the document is larger than what was reserved.
    pub(crate) fn ending_of(&self, release: &Release, held: &Amounts) -> Result<Ending, EngineError> {
        let document = canonical_json(&ReleaseDocument::from(release))
            .map_err(|error| EngineError::internal("write a release", error))?;
        let document = String::from_utf8(document).map_err(|error| EngineError::internal("write a release", error))?;
        let bytes_out = document.len() as u64;
        let (cells_released, cells_withheld) = (release.cells_released(), release.cells_withheld());
        if bytes_out > held.bytes_out {
            let rule = "a release is no larger than what the grant's budget has left";
            let remedy = "propose a grant with a larger budget of bytes, or release fewer cells";
            let reasons = vec![Refusal::new("meter.bytes-out-exhausted", rule, "the release", remedy)];
            return Ok(Ending::Withheld { reasons, cells_withheld: cells_withheld + cells_released });
        }
        let (mechanism, leakage_bits) = (release.mechanism(), release.leakage().bits);
        Ok(Ending::Released { document, mechanism, cells_released, cells_withheld, leakage_bits })
    }

    /// Commits the end of a job that has come as far as `reached`, once it may show.
    pub(crate) fn settle_job(
        &self,
        case: &Case,
        running: &Running,
        (holding, reached): (Holding, Reached),
        ending: Ending,
    ) -> Result<(), EngineError> {
        let (ending, ended_at) = self.await_step(running, ending);
        let end = End { started_at: running.started_at, ended_at, from: &["running"], reached, holding };
        match ending {
            Ending::Interrupted => self.requeue(&case.row.id),
            Ending::Review(candidate) => self.hand_over(case, end, *candidate),
            ending => {
                if self.commit_end(case, end, ending)? == Settled::GrantStopped {
                    // Its grant was stopped at the last moment, and whoever stopped it was told so.
                    self.commit_end(case, end, Ending::Killed)?;
                }
                Ok(())
            }
        }
    }

    /// Hands an output over to reviewers; the job goes on holding its budget until they have decided.
    fn hand_over(&self, case: &Case, end: End<'_>, candidate: ReviewCandidate) -> Result<(), EngineError> {
        let told = Told {
            outcome: JobState::Released,
            mechanism: in_words(candidate.mechanism),
            cells_released: 0,
            cells_withheld: 0,
        };
        // What is spent of privacy does not depend on the way in which the review will end.
        let Cost { amounts, loss } = cost(Way::Stopped, end.reached, &end.holding);
        let statement = self.statement(case, &end, told, None, &amounts)?;
        let opened = self.open_review(case, Opening { candidate, statement, privacy_used: loss, at: end.ended_at })?;
        match opened {
            None => Ok(()),
            Some(ending) => self.commit_end(case, end, ending).map(drop),
        }
    }

    /// Commits state, budget, release and receipt of an end together, at the cost of that end.
    pub(crate) fn commit_end(&self, case: &Case, end: End<'_>, ending: Ending) -> Result<Settled, EngineError> {
        let (state, reasons) = match &ending {
            Ending::Released { .. } => (JobState::Released, Vec::new()),
            Ending::Withheld { reasons, .. } => (JobState::Withheld, reasons.clone()),
            Ending::Failed { reasons } => (JobState::Failed, reasons.clone()),
            Ending::EnclaveFailed => (JobState::Failed, vec![enclave_failed()]),
            Ending::Killed => (JobState::Killed, vec![cancelled()]),
            Ending::Review(_) | Ending::Interrupted => {
                return Err(EngineError::Internal("a job that has not ended was to be settled".to_owned()));
            }
        };
        let Cost { amounts: used, loss: privacy_used } = cost(ending.way(), end.reached, &end.holding);
        let release = match &ending {
            Ending::Released { document, .. } => Some(ReleaseRow {
                id: ReleaseId::new(new_id("rel")).map_err(|error| EngineError::internal("make an id", error))?,
                job: case.row.id.clone(),
                organisation: case.row.organisation.clone(),
                created_at: end.ended_at,
                document: document.clone(),
            }),
            _ => None,
        };
        let statement = self.statement(case, &end, ending.told(state), release.as_ref(), &used)?;
        let signature =
            statement.sign(&self.inner.key).map_err(|error| EngineError::internal("sign a receipt", error))?;
        let (cells_released, cells_withheld) = (statement.cells_released, statement.cells_withheld);
        let draft = self
            .own_draft("job.settle", &case.row.id)
            .with("outcome", state_name(state))
            .with("cells_released", cells_released)
            .with("cells_withheld", cells_withheld);
        let settlement = Settlement {
            reasons,
            release,
            statement: Some((statement, signature)),
            privacy_used,
            ..Settlement::new(case.row.id.clone(), end.from, state_name(state), used, end.ended_at)
        };
        let row = match self.store().settle(settlement, draft) {
            Ok((row, _)) => row,
            Err(StoreError::Conflict { kind: "grant", .. }) => return Ok(Settled::GrantStopped),
            Err(error) => return Err(error.into()),
        };
        self.step(Step::Settled);
        Counters::add(&self.counters().releases, u64::from(state == JobState::Released));
        Counters::add(&self.counters().cells_released, cells_released);
        Counters::add(&self.counters().cells_withheld, cells_withheld);
        self.job_ended(&row, state);
        Ok(Settled::Done)
    }

    /// Waits until the end may show. A job that is stopped meanwhile releases nothing; when it is told to have ended
    /// follows from its start and the step, not from the run.
    fn await_step(&self, running: &Running, ending: Ending) -> (Ending, Timestamp) {
        if matches!(ending, Ending::Killed | Ending::Interrupted) {
            return (ending, self.now());
        }
        let told = running.pace.wait(&running.cancel);
        if running.is_interrupted() {
            return (Ending::Interrupted, self.now());
        } else if running.cancel.is_cancelled() {
            return (Ending::Killed, self.now());
        }
        let told_ms = i64::try_from(told.as_millis()).unwrap_or(i64::MAX);
        (ending, Timestamp::from_unix_ms(running.started_at.unix_ms().saturating_add(told_ms)))
    }

    /// Ends a job that may not run.
    pub(crate) fn end_refused(&self, row: &JobRow, reasons: Vec<Refusal>) -> Result<(), EngineError> {
        let row = self.found_job(&row.id)?;
        let code = reasons.first().map_or("policy.not-permitted", |reason| reason.code.as_str()).to_owned();
        for reason in &reasons {
            self.counters().refused(&reason.code);
        }
        self.inner.refusals.note(&row.organisation, Instant::now());
        let draft = Draft { code: Some(code), ..self.view_draft(&row, Outcome::Refused) };
        let ended = if row.reservation.is_some() {
            self.spend_waiting(&row, JobState::Refused, reasons, draft)?
        } else {
            let patch = JobPatch { reasons: Some(reasons), ended_at: Some(self.now()), ..JobPatch::default() };
            let from = ["queued", "running"];
            self.store().transition(&row.id, &from, state_name(JobState::Refused), patch, draft)?.0
        };
        self.job_ended(&ended, JobState::Refused);
        Ok(())
    }

    /// Kills a waiting job that holds a reservation from before a restart.
    pub(crate) fn kill_waiting(&self, row: &JobRow) -> Result<(), EngineError> {
        let draft = self.own_draft("job.kill", &row.id);
        let row = self.spend_waiting(row, JobState::Killed, vec![cancelled()], draft)?;
        self.job_ended(&row, JobState::Killed);
        Ok(())
    }

    /// Ends a waiting job that holds a reservation: it was running when the enclave stopped. Nothing of it has left.
    fn spend_waiting(
        &self,
        row: &JobRow,
        state: JobState,
        reasons: Vec<Refusal>,
        draft: Draft,
    ) -> Result<JobRow, EngineError> {
        let settlement = self.end_unknown(row, &["queued"], (state, Way::Stopped), reasons)?;
        Ok(self.store().settle(settlement, draft)?.0)
    }

    /// The end of a job that was running when the enclave stopped.
    pub(crate) fn end_unknown<'a>(
        &self,
        row: &JobRow,
        from: &'a [&'a str],
        (state, way): (JobState, Way),
        reasons: Vec<Refusal>,
    ) -> Result<Settlement<'a>, EngineError> {
        let Cost { amounts, loss } = cost(way, Reached::Unknown, &self.holding(row)?);
        let end = Settlement::new(row.id.clone(), from, state_name(state), amounts, self.now());
        Ok(Settlement { reasons, privacy_used: loss, ..end })
    }

    /// What a job holds.
    pub(crate) fn holding(&self, row: &JobRow) -> Result<Holding, EngineError> {
        let request: SubmitJob =
            serde_json::from_str(&row.request).map_err(|error| EngineError::internal("read a request", error))?;
        Ok(Holding {
            amounts: row.reservation.unwrap_or_default(),
            loss: row.privacy.unwrap_or_default(),
            privacy: request.privacy,
            outputs: self.found_module(&row.module)?.manifest.outputs.len() as u64,
        })
    }

    pub(crate) fn job_ended(&self, row: &JobRow, state: JobState) {
        self.counters().job_ended(state_name(state), row.used);
        self.tell_end(&row.id, state, row.ended_at.unwrap_or_else(|| self.now()));
    }

    /// An event of the enclave itself about a job.
    /// The event of a view: the enclave opens it, on behalf of the person for whom the job runs.
    pub(crate) fn view_draft(&self, row: &JobRow, outcome: Outcome) -> Draft {
        let actor = Actor {
            principal: Some(row.submitted_by.clone()),
            organisation: Some(row.organisation.clone()),
            address: None,
        };
        let draft = Draft::done(self.now(), actor, Action::ViewOpen.as_str(), format!("job/{}", row.id));
        Draft { outcome, ..draft }.with("on_behalf_of", &row.submitted_by)
    }

    pub(crate) fn own_draft(&self, action: &str, job: &JobId) -> Draft {
        Draft::done(self.now(), Actor::default(), action, format!("job/{job}"))
    }

    fn statement(
        &self,
        case: &Case,
        end: &End<'_>,
        told: Told,
        release: Option<&ReleaseRow>,
        used: &Amounts,
    ) -> Result<Statement, EngineError> {
        let Told { outcome, mechanism, cells_released, cells_withheld } = told;
        let manifest = &case.module.manifest;
        let values = parameters(manifest, &case.request)?;
        let names = manifest.parameters.iter().map(|parameter| parameter.name.clone());
        let (_, profile_sm3) = self.profile(&case.grant)?;
        let snapshot_sm3: Digest = case
            .snapshot
            .digest_sm3
            .parse()
            .map_err(|error| EngineError::internal("read a snapshot's digest", error))?;
        // What a developer may read of a run on real data: what left, and fuel as a power of ten.
        let meters = [
            ("bytes_out", used.bytes_out),
            ("cells", used.cells),
            ("leakage_bits", used.leakage_bits),
            ("fuel_units_at_most_ten_to_the", u64::from(fuel_bucket(used.fuel_units))),
        ];
        Ok(Statement {
            receipt_version: RECEIPT_VERSION,
            enclave_fingerprint: self.inner.key.verifying_key().fingerprint(),
            log_id: self.store().log_id()?,
            job: case.row.id.clone(),
            release: release.map(|release| release.id.clone()),
            outcome: state_name(outcome).to_owned(),
            developer: case.row.submitted_by.clone(),
            organisation: case.row.organisation.clone(),
            grant: case.grant.id.clone(),
            grant_terms_sm3: terms_sm3(&case.grant)?,
            policy_sm3: self.inner.policy_sm3,
            disclosure_profile: case.grant.terms.disclosure_profile.clone(),
            disclosure_profile_sm3: *profile_sm3,
            dataset: case.dataset.id.clone(),
            snapshot: case.snapshot.number,
            snapshot_sm3,
            module: case.module.id.clone(),
            module_sha256: case.module.sha256.clone(),
            isolation: manifest.isolation,
            separation: case.module.separation,
            mechanism,
            parameters: names.zip(values).collect(),
            output_sm3: release.map(|release| sm3(release.document.as_bytes())),
            cells_released,
            cells_withheld,
            meters: meters.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<BTreeMap<_, _>>(),
            started_at: end.started_at,
            ended_at: end.ended_at,
        })
    }
}

fn enclave_failed() -> Refusal {
    let rule = "the enclave failed, not the job";
    Refusal::new("run.internal", rule, "the run", "tell the operator the id of the job")
}

/// What a statement says of an end.
struct Told {
    outcome: JobState,
    /// How privacy was kept, in the words of receipts.
    mechanism: String,
    cells_released: u64,
    cells_withheld: u64,
}

impl Ending {
    /// In which way the job has ended, for what it costs.
    fn way(&self) -> Way {
        match self {
            Self::Released { document, cells_released, leakage_bits, .. } => {
                let (cells, bytes_out) = (*cells_released, document.len() as u64);
                Way::Released { cells, bytes_out, leakage_bits: *leakage_bits }
            }
            Self::Withheld { .. } => Way::Withheld,
            Self::Failed { .. } => Way::Failed,
            Self::EnclaveFailed => Way::EnclaveFailed,
            Self::Killed | Self::Review(_) | Self::Interrupted => Way::Stopped,
        }
    }

    fn told(&self, outcome: JobState) -> Told {
        let (mechanism, cells_released, cells_withheld) = match self {
            Self::Released { mechanism, cells_released, cells_withheld, .. } => {
                (*mechanism, *cells_released, *cells_withheld)
            }
            Self::Withheld { cells_withheld, .. } => (Mechanism::DisclosureRules, 0, *cells_withheld),
            _ => (Mechanism::DisclosureRules, 0, 0),
        };
        Told { outcome, mechanism: in_words(mechanism), cells_released, cells_withheld }
    }
}

fn in_words(mechanism: Mechanism) -> String {
    match mechanism {
        Mechanism::DisclosureRules => "disclosure-rules".to_owned(),
        Mechanism::Laplace { epsilon } => format!("laplace, epsilon {epsilon}"),
        Mechanism::Gaussian { rho } => format!("gaussian, rho {rho}"),
        Mechanism::Reviewed => "reviewed".to_owned(),
    }
}
