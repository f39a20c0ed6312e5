//! The differencing guard at work: what was released of each dataset, kept at hand, and who may judge next.
//!
//! A job is judged against everything that was released when it began. Should another release be committed before its
//! own, the store refuses it and it is judged anew; the last time it is tried, all others wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use glovebox_catalog::DatasetId;
use glovebox_gate::{GuardFault, GuardIndex, GuardSession, NewCohort, Sketch, read_cohort};
use glovebox_store::CohortRow;
use roaring::RoaringBitmap;
use tokio::sync::OwnedMutexGuard;

use crate::{Engine, EngineError};

/// Labels under which the vault seals what the guard keeps.
const SKETCH: &str = "cohort-sketch";
const PERSONS: &str = "cohort-persons";

/// Released cohorts by dataset, read from the store when a dataset is first asked for.
#[derive(Default)]
pub(crate) struct Cohorts {
    datasets: Mutex<HashMap<DatasetId, Entry>>,
}

#[derive(Clone, Default)]
struct Entry {
    /// Whoever holds it alone commits releases of the dataset.
    turn: Arc<tokio::sync::Mutex<()>>,
    known: Option<Arc<Known>>,
}

/// What was released of a dataset.
#[derive(Clone)]
struct Known {
    index: GuardIndex,
    /// Number of the next cohort.
    next: u64,
}

/// What one job is judged against.
pub(crate) struct Guarding {
    known: Arc<Known>,
    turn: Arc<tokio::sync::Mutex<()>>,
    held: Option<OwnedMutexGuard<()>>,
}

/// A release's own cohorts: sealed for the store, with the sketches that go into the index once it is committed.
#[derive(Default)]
pub(crate) struct SealedCohorts {
    pub(crate) rows: Vec<CohortRow>,
    sketches: Vec<Sketch>,
}

impl Guarding {
    /// The sets of persons that were released so far.
    pub(crate) fn index(&self) -> &GuardIndex {
        &self.known.index
    }

    /// Waits until nobody else commits a release of the dataset.
    pub(crate) fn take_turn(&mut self) {
        if self.held.is_none() {
            self.held = Some(Arc::clone(&self.turn).blocking_lock_owned());
        }
    }
}

impl Engine {
    /// What a job on `dataset` is judged against. `alone`: no other release of the dataset is committed before the answer
    /// is dropped. Must be called from a thread that may block.
    pub(crate) fn guarding(&self, dataset: &DatasetId, alone: bool) -> Result<Guarding, EngineError> {
        let turn = self.with_entry(dataset, |entry| Arc::clone(&entry.turn));
        let held = alone.then(|| Arc::clone(&turn).blocking_lock_owned());
        let known = match self.with_entry(dataset, |entry| entry.known.clone()) {
            Some(known) => known,
            None => {
                let known = Arc::new(self.read_cohorts(dataset)?);
                self.with_entry(dataset, |entry| Arc::clone(entry.known.get_or_insert(known)))
            }
        };
        Ok(Guarding { known, turn, held })
    }

    /// Reads the persons of a released cohort for the guard.
    pub(crate) fn cohort_loader(&self, dataset: &DatasetId) -> impl Fn(u64) -> Result<RoaringBitmap, GuardFault> {
        let (engine, dataset) = (self.clone(), dataset.clone());
        move |cohort| {
            let fault = |error: &dyn std::fmt::Display| GuardFault::Load { cohort, reason: error.to_string() };
            let sealed = engine.store().cohort_persons(&dataset, cohort).map_err(|error| fault(&error))?;
            let id = cohort.to_string();
            let bytes = engine.inner.vault.unseal(&dataset, PERSONS, &id, &sealed).map_err(|error| fault(&error))?;
            read_cohort(&bytes)
        }
    }

    /// Ends a session: seals the sets that its release tells something of, numbered from what it was judged against.
    pub(crate) fn seal_cohorts(
        &self,
        dataset: &DatasetId,
        guarding: &Guarding,
        session: GuardSession<'_>,
    ) -> Result<SealedCohorts, EngineError> {
        let cohorts =
            session.finish().map_err(|error| EngineError::internal("compare with earlier releases", error))?;
        let mut sealed = SealedCohorts::default();
        for (number, NewCohort { sketch, persons }) in (guarding.known.next..).zip(cohorts) {
            let id = number.to_string();
            let vault = &self.inner.vault;
            sealed.rows.push(CohortRow {
                number,
                sketch: vault.seal(dataset, SKETCH, &id, &sketch.to_bytes())?,
                persons: vault.seal(dataset, PERSONS, &id, &persons)?,
            });
            sealed.sketches.push(sketch);
        }
        Ok(sealed)
    }

    /// Notes what a committed release tells something of.
    pub(crate) fn note_cohorts(&self, dataset: &DatasetId, first: Option<u64>, sketches: Vec<Sketch>) {
        let Some(first) = first else { return };
        self.with_entry(dataset, |entry| {
            let Some(known) = entry.known.as_mut().filter(|known| known.next == first) else {
                // Not what was read: read anew when next asked.
                entry.known = None;
                return;
            };
            let known = Arc::make_mut(known);
            for sketch in sketches {
                if known.index.insert(known.next, sketch).is_err() {
                    entry.known = None;
                    return;
                }
                known.next += 1;
            }
        });
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

impl SealedCohorts {
    /// Rows for the store, and what to note after: the first number and the sketches.
    pub(crate) fn split(self) -> (Vec<CohortRow>, Option<u64>, Vec<Sketch>) {
        let first = self.rows.first().map(|row| row.number);
        (self.rows, first, self.sketches)
    }
}
