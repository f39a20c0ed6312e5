//! The differencing guard at work: what was released of each dataset, kept at hand, and who was judged when.
//!
//! A job is judged against everything that was claimed when it began. Its own sets of persons are claimed, sealed and
//! on disk, when its end may show and before it does: a claim is made alone, and a job that was judged without knowledge
//! of another's claim has its sets judged once more. What is claimed and stays makes the guard stricter, never laxer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use glovebox_catalog::{DatasetId, JobId};
use glovebox_gate::{
    Guard, GuardFault, GuardIndex, GuardSession, Interrupted, NewCohort, Patience, PersonIds, Profile, Sketch,
    read_cohort,
};
use glovebox_policy::Permit;
use glovebox_store::CohortRow;
use roaring::RoaringBitmap;

use crate::{Engine, EngineError};

/// Labels under which the vault seals what the guard keeps.
const SKETCH: &str = "cohort-sketch";
const PERSONS: &str = "cohort-persons";

/// Claimed cohorts by dataset, read from the store when a dataset is first asked for.
#[derive(Default)]
pub(crate) struct Cohorts {
    datasets: Mutex<HashMap<DatasetId, Entry>>,
}

#[derive(Clone, Default)]
struct Entry {
    /// Whoever holds it alone claims cohorts of the dataset. Never held while a job runs or waits.
    turn: Arc<Mutex<()>>,
    known: Option<Arc<Known>>,
}

/// What was claimed of a dataset.
#[derive(Clone)]
struct Known {
    index: GuardIndex,
    /// Number of the next cohort.
    next: u64,
}

/// Numbers of cohorts.
pub(crate) struct ClaimedCohorts {
    /// Those of which figures were shown.
    pub(crate) released: Vec<u64>,
    /// Those that were refused, each with the one that stood in the way.
    pub(crate) refused: Vec<(u64, Option<u64>)>,
}

/// What one job is judged against.
pub(crate) struct Guarding {
    dataset: DatasetId,
    /// Persons by whom sets have to differ.
    persons_min: u32,
    ids: PersonIds,
    known: Arc<Known>,
}

/// Asks a session, and notes what it admits: should others have claimed sets meanwhile, these are asked about again.
pub(crate) struct Asked<'a> {
    session: GuardSession<'a>,
    admitted: Vec<RoaringBitmap>,
}

impl Guard for Asked<'_> {
    fn admit(&mut self, persons: &RoaringBitmap, patience: &dyn Patience) -> Result<bool, Interrupted> {
        let is_admitted = self.session.admit(persons, patience)?;
        if is_admitted {
            self.admitted.push(persons.clone());
        }
        Ok(is_admitted)
    }
}

impl Guarding {
    /// A session that reads cohorts with `load`.
    pub(crate) fn ask<'a>(&'a self, load: &'a dyn Fn(u64) -> Result<RoaringBitmap, GuardFault>) -> Asked<'a> {
        let session = self.known.index.session(self.persons_min, self.ids.clone(), load);
        Asked { session, admitted: Vec::new() }
    }
}

impl Engine {
    /// What a job on the permit's snapshot is judged against.
    pub(crate) fn guarding(&self, permit: &Permit, profile: &Profile) -> Result<Guarding, EngineError> {
        let dataset = permit.dataset().id.clone();
        let ids = self.inner.vault.open_view(permit)?.person_ids()?;
        let ids = PersonIds::Registry { persons: ids.persons, versions: ids.versions };
        let known = self.known_cohorts(&dataset)?;
        Ok(Guarding { dataset, persons_min: profile.differencing_persons(), ids, known })
    }

    /// Reads the persons of a cohort for the guard.
    pub(crate) fn cohort_loader(
        &self,
        dataset: &DatasetId,
    ) -> impl Fn(u64) -> Result<RoaringBitmap, GuardFault> + use<> {
        let (engine, dataset) = (self.clone(), dataset.clone());
        move |cohort| {
            let fault = |reason: String| GuardFault::Load { cohort, reason };
            let sealed = engine.store().cohort_persons(&dataset, cohort).map_err(|error| fault(error.to_string()))?;
            let opened = engine.inner.vault.unseal(&dataset, PERSONS, &cohort.to_string(), &sealed);
            read_cohort(&opened.map_err(|error| fault(error.to_string()))?)
        }
    }

    /// Claims what a running job has admitted. False when others have claimed sets meanwhile beside which it may not stand,
    /// an error within when the job's time is over first; nothing has then changed.
    pub(crate) fn claim_cohorts(
        &self,
        job: &JobId,
        guarding: &Guarding,
        asked: Asked<'_>,
        patience: &dyn Patience,
    ) -> Result<Result<bool, Interrupted>, EngineError> {
        let fault = |error: GuardFault| EngineError::internal("compare with earlier releases", error);
        let dataset = &guarding.dataset;
        let turn = self.with_entry(dataset, |entry| Arc::clone(&entry.turn));
        // It guards no data of its own: whoever panicked with it left nothing half done.
        let _alone = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known_cohorts(dataset)?;
        let Asked { session, admitted } = asked;
        let mut cohorts = session.finish().map_err(fault)?;
        if !Arc::ptr_eq(&known, &guarding.known) {
            let load = self.cohort_loader(dataset);
            let mut anew = known.index.session(guarding.persons_min, guarding.ids.clone(), &load);
            for persons in &admitted {
                match anew.admit(persons, patience) {
                    Ok(true) => {}
                    refused => return Ok(refused),
                }
            }
            // What was refused before stays so.
            cohorts.retain(|cohort| cohort.sketch.is_refused());
            cohorts.extend(anew.finish().map_err(fault)?);
        }
        if !cohorts.is_empty() {
            self.keep_cohorts(job, dataset, known, cohorts)?;
        }
        Ok(Ok(true))
    }

    /// Seals claimed cohorts, commits them, and adds them to what is known.
    fn keep_cohorts(
        &self,
        job: &JobId,
        dataset: &DatasetId,
        mut known: Arc<Known>,
        cohorts: Vec<NewCohort>,
    ) -> Result<(), EngineError> {
        let vault = &self.inner.vault;
        let seal = |(number, cohort): (u64, &NewCohort)| {
            let id = number.to_string();
            Ok(CohortRow {
                number,
                sketch: vault.seal(dataset, SKETCH, &id, &cohort.sketch.to_bytes())?,
                persons: vault.seal(dataset, PERSONS, &id, &cohort.persons)?,
            })
        };
        let rows = (known.next..).zip(&cohorts).map(seal).collect::<Result<Vec<_>, EngineError>>()?;
        // How many sets differ from one another depends on who is in them: the event does not tell.
        self.store().claim_cohorts(job, &rows, self.own_draft("job.claim", job))?;
        // What is known is changed in place, but for whoever is being judged: that one keeps what it began with.
        self.with_entry(dataset, |entry| entry.known = None);
        let changed = Arc::make_mut(&mut known);
        for cohort in cohorts {
            let added = changed.index.insert(changed.next, cohort.sketch);
            added.map_err(|error| EngineError::internal("note a cohort", error))?;
            changed.next += 1;
        }
        self.with_entry(dataset, |entry| entry.known = Some(known));
        Ok(())
    }

    /// What the guard keeps of a dataset, by number.
    pub(crate) fn claimed_cohorts(&self, dataset: &DatasetId) -> Result<ClaimedCohorts, EngineError> {
        let known = self.known_cohorts(dataset)?;
        Ok(ClaimedCohorts { released: known.index.released().collect(), refused: known.index.refusals().collect() })
    }

    fn known_cohorts(&self, dataset: &DatasetId) -> Result<Arc<Known>, EngineError> {
        if let Some(known) = self.with_entry(dataset, |entry| entry.known.clone()) {
            return Ok(known);
        }
        let known = Arc::new(self.read_cohorts(dataset)?);
        Ok(self.with_entry(dataset, |entry| Arc::clone(entry.known.get_or_insert(known))))
    }

    fn read_cohorts(&self, dataset: &DatasetId) -> Result<Known, EngineError> {
        let damaged = |error: GuardFault| EngineError::internal("read released cohorts", error);
        let mut index = GuardIndex::new(self.inner.vault.guard_key(dataset)?);
        let mut next = 0;
        for (number, sealed) in self.store().cohort_sketches(dataset)? {
            let bytes = self.inner.vault.unseal(dataset, SKETCH, &number.to_string(), &sealed)?;
            index.insert(number, Sketch::from_bytes(&bytes).map_err(damaged)?).map_err(damaged)?;
            next = number + 1;
        }
        Ok(Known { index, next })
    }

    fn with_entry<T>(&self, dataset: &DatasetId, change: impl FnOnce(&mut Entry) -> T) -> T {
        let mut datasets = self.inner.cohorts.datasets.lock().unwrap_or_else(PoisonError::into_inner);
        change(datasets.entry(dataset.clone()).or_default())
    }
}
