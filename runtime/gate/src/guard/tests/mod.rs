//! The guard against brute force, against known attacks, and over a large index.

mod attacks;
mod brute;
mod close;
mod faults;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::*;
use crate::Endless;

pub(super) const KEY: [u8; 16] = *b"sixteen bytes ok";

/// What the enclave keeps between releases.
pub(super) struct Released {
    pub(super) index: GuardIndex,
    pub(super) cohorts: HashMap<u64, Vec<u8>>,
    pub(super) loads: Cell<usize>,
    pub(super) k: u32,
}

impl Released {
    pub(super) fn new(k: u32) -> Self {
        Self { index: GuardIndex::new(KEY), cohorts: HashMap::new(), loads: Cell::new(0), k }
    }

    /// Releases what is admitted of `sets`, as one release; what was admitted.
    pub(super) fn release(&mut self, sets: &[RoaringBitmap]) -> Vec<bool> {
        self.release_as(PersonIds::Identity, sets)
    }

    pub(super) fn release_as(&mut self, ids: PersonIds, sets: &[RoaringBitmap]) -> Vec<bool> {
        let load = |number: u64| {
            self.loads.set(self.loads.get() + 1);
            read_cohort(&self.cohorts[&number])
        };
        let mut session = self.index.session(self.k, ids, &load);
        let admitted = sets.iter().map(|set| session.admit(set, &Endless).unwrap()).collect();
        let fresh = session.finish().unwrap();
        self.keep(fresh);
        admitted
    }

    /// One set, one release.
    pub(super) fn one(&mut self, set: impl IntoIterator<Item = u32>) -> bool {
        self.release(&[set.into_iter().collect()])[0]
    }

    /// As the store does: through bytes.
    pub(super) fn keep(&mut self, fresh: Vec<NewCohort>) {
        for NewCohort { sketch, persons } in fresh {
            let number = self.cohorts.len() as u64 + 100;
            self.cohorts.insert(number, persons);
            self.index.insert(number, Sketch::from_bytes(&sketch.to_bytes()).unwrap()).unwrap();
        }
    }
}

/// Numbers that follow no pattern, the same in every run.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// Every person below `persons` with chance `share` in 100.
    pub(super) fn set(&mut self, persons: u32, share: u64) -> RoaringBitmap {
        (0..persons).filter(|_| self.next(100) < share).collect()
    }
}

pub(super) fn registry(persons: Vec<u32>, versions: Vec<u32>) -> PersonIds {
    PersonIds::Registry { persons: Arc::from(persons), versions: Arc::from(versions) }
}
