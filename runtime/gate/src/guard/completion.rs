//! Whether a set, with disjoint released ones, comes to another but for a few persons: the search among thousands of sets.
//!
//! The audit is exact over 63 sets. Beyond that, what is told by a sum of many parts is found by looking for the parts: of
//! the persons who are not covered yet, the one with the smallest keyed hash is either left over, or in a part that
//! has this very person at the front of its sketch. Few sets do, whatever their number, so the search branches little.

use roaring::RoaringBitmap;

use super::space::{Place, Space};
use super::{GuardFault, sketch::Order};
use crate::Patience;

/// Parts that are tried for one set before the search gives up.
const TRIES_MAX: usize = 60;
/// Smallest sets that hold `set`, beside the largest of all and everybody.
const WHOLES_MAX: usize = 3;
/// Persons with the smallest hashes who are gone through in order before all are looked at again.
const FIRST_MAX: usize = 1_024;

/// What sums of disjoint released sets say of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completion {
    /// Nothing was found.
    None,
    /// It is such a sum, or what such a sum leaves of a released set, and tells nothing new.
    Exact,
    /// The same but for 1 to k−1 persons.
    Near,
}

/// Persons who are not covered yet, and how far the cover is from being exact.
struct Open {
    persons: RoaringBitmap,
    left_over: u64,
    too_often: u64,
}

struct Search<'a, 'b> {
    space: &'a mut Space<'b>,
    patience: &'a dyn Patience,
    order: Order,
    /// Of the persons to be covered, those with the smallest hashes, in that order.
    first: Vec<u32>,
    tries: usize,
    found: Completion,
}

impl Space<'_> {
    /// Looks for disjoint released sets that, with `set`, come to everybody or to a set that holds it, and for ones that
    /// come to `set` itself.
    pub(super) fn completion(
        &mut self,
        set: &RoaringBitmap,
        containing: &[Place],
        patience: &dyn Patience,
    ) -> Result<Completion, GuardFault> {
        let mut to_cover = vec![Open { persons: set.clone(), left_over: 0, too_often: 0 }];
        for whole in self.wholes(set, containing.iter().take(WHOLES_MAX))? {
            let (persons, too_often) = (&*whole - set, set.difference_len(&whole));
            if too_often < self.k && !persons.is_empty() {
                to_cover.push(Open { persons, left_over: 0, too_often });
            }
        }
        let others = self.population.as_ref().map(|everybody| &**everybody - set).filter(|others| !others.is_empty());
        let (order, first) = (self.index.order(), Vec::new());
        let mut search = Search { space: self, patience, order, first, tries: 0, found: Completion::None };
        for open in to_cover {
            search.run(open)?;
            if search.found == Completion::Exact {
                return Ok(Completion::Exact);
            }
        }
        let found = search.found;
        if let (Completion::None, Some(persons)) = (found, others) {
            search.run(Open { persons, left_over: 0, too_often: 0 })?;
            // Of everybody only the number is known: what is left of it is not told by sums over the rest.
            return Ok(if search.found == Completion::Near { Completion::Near } else { Completion::None });
        }
        Ok(found)
    }
}

impl Search<'_, '_> {
    fn run(&mut self, open: Open) -> Result<(), GuardFault> {
        self.patience.spend(open.persons.len())?;
        self.first = self.order.lowest(&open.persons, FIRST_MAX).into_iter().map(|(_, person)| person).collect();
        self.tries = 0;
        self.cover(open, 0)
    }

    /// Tries parts for the first person who is open, and what is left without that person. `from` is the place in `first`
    /// from which on persons may be open.
    fn cover(&mut self, open: Open, from: usize) -> Result<(), GuardFault> {
        let k = self.space.k;
        let left_over = open.left_over + open.persons.len();
        if left_over < k {
            let is_exact = left_over == 0 && open.too_often == 0;
            self.found = if is_exact { Completion::Exact } else { Completion::Near };
            return Ok(());
        }
        let (at, person) = self.first_open(&open.persons, from);
        for place in self.space.starting_at(person, &open.persons) {
            self.tries += 1;
            if self.is_over() {
                return Ok(());
            }
            let part = self.space.persons(place)?;
            self.patience.spend(part.len() / 64 + 1)?;
            let too_often = open.too_often + part.difference_len(&open.persons);
            if too_often < k {
                let persons = &open.persons - &*part;
                self.cover(Open { persons, left_over: open.left_over, too_often }, at + 1)?;
            }
        }
        if self.is_over() || open.left_over + 1 >= k {
            return Ok(());
        }
        let mut persons = open.persons;
        persons.remove(person);
        self.cover(Open { persons, left_over: open.left_over + 1, too_often: open.too_often }, at + 1)
    }

    fn is_over(&self) -> bool {
        self.tries > TRIES_MAX || self.found == Completion::Exact
    }

    /// The open person with the smallest hash, and the place from which on to look for the next.
    fn first_open(&self, open: &RoaringBitmap, from: usize) -> (usize, u32) {
        let next = self.first.iter().enumerate().skip(from).find(|(_, person)| open.contains(**person));
        next.map_or_else(
            || (self.first.len(), self.order.lowest(open, 1).first().map_or(0, |(_, person)| *person)),
            |(at, person)| (at, *person),
        )
    }
}
