//! Atoms: persons who are in the same sets, and in no other. All that linear combinations of sets can tell apart.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use roaring::RoaringBitmap;

use super::index::IdHasher;

/// Most sets of one audit: one bit each, the asked set included.
pub(super) const SETS_MAX: usize = 64;
const PAGE: usize = 1 << 16;

type Counts = HashMap<u64, u64, BuildHasherDefault<IdHasher>>;

/// Persons who share a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Atom {
    /// Bit i: the persons are in set i.
    pub(super) signature: u64,
    pub(super) persons: u64,
}

/// The signatures of all persons over some sets.
#[derive(Default)]
pub(super) struct Atoms {
    /// By the upper half of a person's id; pages nobody is on are empty.
    pages: Vec<Vec<u64>>,
    counts: Counts,
    sets: usize,
}

impl Atoms {
    /// Number of sets.
    pub(super) fn sets(&self) -> usize {
        self.sets
    }

    /// Adds a set. At most [`SETS_MAX`] − 1, so that there is room for the set that is asked about.
    pub(super) fn push(&mut self, persons: &RoaringBitmap) {
        let bit = 1_u64 << self.sets.min(SETS_MAX - 1);
        let mut moved = Counts::default();
        for person in persons {
            let (page, place) = ((person >> 16) as usize, (person & 0xffff) as usize);
            if self.pages.len() <= page {
                self.pages.resize_with(page + 1, Vec::new);
            }
            let Some(page) = self.pages.get_mut(page) else { continue };
            if page.is_empty() {
                page.resize(PAGE, 0);
            }
            if let Some(signature) = page.get_mut(place) {
                *moved.entry(*signature).or_default() += 1;
                *signature |= bit;
            }
        }
        for (signature, persons) in moved {
            if let Some(count) = self.counts.get_mut(&signature) {
                *count -= persons;
            }
            *self.counts.entry(signature | bit).or_default() += persons;
        }
        self.counts.retain(|_, persons| *persons > 0);
        self.sets += 1;
    }

    /// The atoms with `persons` as one more set, whose bit is [`Atoms::sets`]. Persons in no set at all are left out.
    pub(super) fn with(&self, persons: &RoaringBitmap) -> Vec<Atom> {
        let bit = 1_u64 << self.sets.min(SETS_MAX - 1);
        let mut inside = Counts::default();
        for person in persons {
            let page = self.pages.get((person >> 16) as usize);
            let signature = page.and_then(|page| page.get((person & 0xffff) as usize)).copied().unwrap_or(0);
            *inside.entry(signature).or_default() += 1;
        }
        let outside = self.counts.iter().map(|(signature, persons)| Atom {
            signature: *signature,
            persons: persons - inside.get(signature).copied().unwrap_or(0),
        });
        let inside = inside.iter().map(|(signature, persons)| Atom { signature: signature | bit, persons: *persons });
        let mut atoms: Vec<Atom> = outside.chain(inside).filter(|atom| atom.persons > 0).collect();
        // Largest first: they rule out most. The signature makes the order one.
        atoms.sort_unstable_by_key(|atom| (std::cmp::Reverse(atom.persons), atom.signature));
        atoms
    }
}
