//! Every released cohort of a dataset, by sketch: which of 200,000 lie close to a set of persons, without reading them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use roaring::RoaringBitmap;

use super::sketch::{Family, MEMBERS_MAX, Order, Sketch, Standing};
use super::{GuardFault, GuardSession, PersonIds};

/// How a session reads a cohort's persons.
pub(super) type Load<'a> = dyn Fn(u64) -> Result<RoaringBitmap, GuardFault> + 'a;

/// Members of the asked set that are compared with the sketches of larger sets: more than a sketch holds, since a set
/// that reaches further down than a sketch is not contained in its cohort.
const LOWEST: usize = 2 * MEMBERS_MAX;

/// The released cohorts of one dataset. Loaded from stored sketches when the enclave starts, and told of every release
/// that is committed; persons are read only where a sketch says that a cohort may lie close.
#[derive(Clone)]
pub struct GuardIndex {
    order: Order,
    cohorts: Vec<Cohort>,
    /// Members of all sketches, cohort after cohort.
    members: Vec<u32>,
    /// For every member of a sketch, the cohorts whose sketch has it.
    by_member: HashMap<u32, Vec<u32>, BuildHasherDefault<IdHasher>>,
    by_size: BTreeMap<u64, Vec<u32>>,
}

/// One cohort, without its persons.
#[derive(Clone, Copy)]
pub(super) struct Cohort {
    pub(super) number: u64,
    pub(super) persons: u64,
    pub(super) family: Family,
    pub(super) standing: Standing,
    beside: Option<u64>,
    /// Largest hash in the sketch; every member below it is in the sketch.
    reach: u64,
    first_member: usize,
    members: u32,
}

impl Cohort {
    /// Whether it counts as released, among sets of this family.
    pub(super) fn counts_for(&self, family: Family) -> bool {
        self.standing != Standing::Refused && self.family.meets(family)
    }
}

/// A cohort that lies close to the asked set, by the place it has in the index.
#[derive(Clone, Copy)]
pub(super) struct Near {
    pub(super) slot: u32,
    pub(super) persons: u64,
}

/// What the sketches say of a set. No cohort that belongs into the first list is missing from it; cohorts may be in both that do not
/// belong there.
#[derive(Default)]
pub(super) struct Neighbours {
    /// Fewer than k members of the sketch lie outside: nearly contained in the set. Largest first.
    pub(super) contained: Vec<Near>,
    /// Fewer than k of the set's lowest members lie outside, and at least k were compared: nearly containing. Smallest first.
    pub(super) containing: Vec<Near>,
    /// Others that share persons, by estimated likeness.
    pub(super) overlapping: Vec<Near>,
}

/// Ids are dense numbers: multiplying spreads them.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, id: u32) {
        self.write_u64(u64::from(id));
    }

    fn write_u64(&mut self, id: u64) {
        let mixed = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

impl GuardIndex {
    /// An index without cohorts. `key` is secret and belongs to the dataset: the vault derives it.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self::in_order(Order::new(key))
    }

    pub(super) fn in_order(order: Order) -> Self {
        let (cohorts, members, by_member, by_size) = (Vec::new(), Vec::new(), HashMap::default(), BTreeMap::new());
        Self { order, cohorts, members, by_member, by_size }
    }

    /// Adds a released cohort under the number by which the session's `load` finds its persons.
    ///
    /// # Errors
    /// [`GuardFault::Damaged`] for a sketch made under another key.
    pub fn insert(&mut self, cohort: u64, sketch: Sketch) -> Result<(), GuardFault> {
        if !self.order.made(&sketch) {
            return Err(GuardFault::Damaged);
        }
        let slot = u32::try_from(self.cohorts.len()).map_err(|_| GuardFault::Damaged)?;
        let members = u32::try_from(sketch.members.len()).map_err(|_| GuardFault::Damaged)?;
        let is_whole = sketch.persons == u64::from(members);
        let reach = sketch.members.last().map_or(u64::MAX, |last| self.order.hash(*last));
        self.cohorts.push(Cohort {
            number: cohort,
            persons: sketch.persons,
            family: sketch.family,
            standing: sketch.standing,
            beside: sketch.beside,
            reach: if is_whole { u64::MAX } else { reach },
            first_member: self.members.len(),
            members,
        });
        self.by_size.entry(sketch.persons).or_default().push(slot);
        for member in &sketch.members {
            self.by_member.entry(*member).or_default().push(slot);
        }
        self.members.extend_from_slice(&sketch.members);
        Ok(())
    }

    /// The sketch of a cohort of persons of whom nobody's rows ever changed: to build an index from cohorts alone.
    #[must_use]
    pub fn sketch(&self, persons: &RoaringBitmap) -> Sketch {
        self.order.sketch(persons, Family::Both, Standing::Released)
    }

    /// Number of cohorts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cohorts.len()
    }

    /// Whether nothing was released yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cohorts.is_empty()
    }

    /// Numbers of the cohorts of which figures were shown.
    pub fn released(&self) -> impl Iterator<Item = u64> {
        self.cohorts.iter().filter(|cohort| cohort.standing == Standing::Released).map(|cohort| cohort.number)
    }

    /// Numbers of the cohorts that were refused, each with that of the cohort that stood in the way; none where it took several.
    pub fn refusals(&self) -> impl Iterator<Item = (u64, Option<u64>)> {
        let refused = self.cohorts.iter().filter(|cohort| cohort.standing == Standing::Refused);
        refused.map(|cohort| (cohort.number, cohort.beside))
    }

    /// Guards one release: a set is refused when what was released before, and what this release shows already, lets
    /// 1 to `k`−1 persons be told apart. `load` reads the persons of a cohort (see [`super::read_cohort`]).
    ///
    /// From the first question to the moment when the release is committed and its cohorts inserted, no other release of
    /// the dataset may be judged: two that do not see each other are not guarded against each other.
    pub fn session<'a>(&'a self, k: u32, ids: PersonIds, load: &'a Load<'a>) -> GuardSession<'a> {
        GuardSession::new(self, k, ids, load)
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    pub(super) fn cohorts(&self) -> &[Cohort] {
        &self.cohorts
    }

    pub(super) fn cohort(&self, slot: u32) -> Option<&Cohort> {
        self.cohorts.get(slot as usize)
    }

    /// Cohorts of `family` whose size differs from that of `persons` by less than `k`, and of whose sketch fewer than `k`
    /// members lie outside.
    pub(super) fn equals(&self, persons: &RoaringBitmap, k: u64, family: Family) -> Vec<Near> {
        let sizes = persons.len().saturating_sub(k - 1)..=persons.len() + (k - 1);
        let slots = self.by_size.range(sizes).flat_map(|(_, slots)| slots);
        let mut near = Vec::new();
        for (slot, cohort) in slots.filter_map(|slot| self.cohort(*slot).map(|cohort| (*slot, cohort))) {
            if !cohort.counts_for(family) {
                continue;
            }
            let outside = self.members_of(cohort).iter().filter(|member| !persons.contains(**member)).take(k as usize);
            if (outside.count() as u64) < k {
                near.push(Near { slot, persons: cohort.persons });
            }
        }
        near
    }

    /// Refused cohorts of `family` that may be `persons`.
    pub(super) fn refused(&self, persons: &RoaringBitmap, family: Family) -> Vec<u32> {
        let slots = self.by_size.get(&persons.len()).into_iter().flatten().copied();
        let may_be = |cohort: &Cohort| {
            cohort.standing == Standing::Refused
                && cohort.family.meets(family)
                && self.members_of(cohort).iter().all(|member| persons.contains(*member))
        };
        slots.filter(|slot| self.cohort(*slot).is_some_and(may_be)).collect()
    }

    /// The largest cohorts of `family`.
    pub(super) fn largest(&self, most: usize, family: Family) -> Vec<u32> {
        let slots = self.by_size.values().rev().flatten().copied();
        slots.filter(|slot| self.cohort(*slot).is_some_and(|cohort| cohort.counts_for(family))).take(most).collect()
    }

    /// Cohorts of which `first` is among the `k` members with the smallest hashes, and of whose sketch fewer than `k`
    /// members lie outside of `open`; largest first. When `first` has the smallest hash of all in `open`, no cohort is
    /// missing that has it and is nearly contained in `open`.
    pub(super) fn starting_at(&self, first: u32, open: &RoaringBitmap, k: u64, family: Family) -> Vec<Near> {
        let fits = |cohort: &&Cohort| {
            let members = self.members_of(cohort);
            cohort.counts_for(family)
                && cohort.persons < open.len() + k
                && members.iter().take(k as usize).any(|member| *member == first)
                && (members.iter().filter(|member| !open.contains(**member)).take(k as usize).count() as u64) < k
        };
        let slots = self.by_member.get(&first).into_iter().flatten();
        let mut near: Vec<Near> = slots
            .filter_map(|slot| {
                self.cohort(*slot).filter(fits).map(|cohort| Near { slot: *slot, persons: cohort.persons })
            })
            .collect();
        near.sort_by_key(|near| (std::cmp::Reverse(near.persons), near.slot));
        near
    }

    /// What the sketches say of `persons`, which are at least `k`.
    pub(super) fn neighbours(&self, persons: &RoaringBitmap, k: u64, family: Family) -> Neighbours {
        let hits = self.hits(persons);
        let lowest: Vec<u64> = self.order.lowest(persons, LOWEST).into_iter().map(|(hash, _)| hash).collect();
        let mut neighbours = Neighbours::default();
        let mut likeness = Vec::new();
        for ((slot, cohort), hits) in (0..).zip(&self.cohorts).zip(&hits) {
            if *hits == 0 || !cohort.counts_for(family) {
                continue;
            }
            let near = Near { slot, persons: cohort.persons };
            let (hits, members) = (u64::from(*hits), u64::from(cohort.members));
            let is_contained = members - hits < k && cohort.persons < persons.len() + k;
            let compared = lowest.partition_point(|hash| *hash <= cohort.reach) as u64;
            let is_containing =
                compared >= k && compared - hits.min(compared) < k && cohort.persons + k > persons.len();
            if is_contained {
                neighbours.contained.push(near);
            }
            if is_containing {
                neighbours.containing.push(near);
            }
            if !is_contained && !is_containing {
                // The estimated overlap as a share of the larger of both, in millionths.
                let shared = u128::from(hits) * u128::from(cohort.persons) * 1_000_000;
                let score = shared / u128::from(members.max(1)) / u128::from(cohort.persons.max(persons.len()).max(1));
                likeness.push((std::cmp::Reverse(score), slot, near));
            }
        }
        neighbours.contained.sort_by_key(|near| (std::cmp::Reverse(near.persons), near.slot));
        neighbours.containing.sort_by_key(|near| (near.persons, near.slot));
        if likeness.len() > MEMBERS_MAX {
            likeness.select_nth_unstable_by_key(MEMBERS_MAX, |(score, slot, _)| (*score, *slot));
            likeness.truncate(MEMBERS_MAX);
        }
        likeness.sort_by_key(|(score, slot, _)| (*score, *slot));
        neighbours.overlapping = likeness.into_iter().map(|(_, _, near)| near).collect();
        neighbours
    }

    /// For every cohort, how many members of its sketch are in `persons`.
    fn hits(&self, persons: &RoaringBitmap) -> Vec<u8> {
        let mut hits = vec![0_u8; self.cohorts.len()];
        let mut count = |slots: &Vec<u32>| {
            for slot in slots {
                if let Some(hits) = hits.get_mut(*slot as usize) {
                    *hits += 1;
                }
            }
        };
        if persons.len() < self.by_member.len() as u64 {
            persons.iter().filter_map(|person| self.by_member.get(&person)).for_each(&mut count);
        } else {
            self.by_member.iter().filter(|(person, _)| persons.contains(**person)).for_each(|(_, slots)| count(slots));
        }
        hits
    }

    fn members_of(&self, cohort: &Cohort) -> &[u32] {
        let end = cohort.first_member + cohort.members as usize;
        self.members.get(cohort.first_member..end).unwrap_or_default()
    }
}
