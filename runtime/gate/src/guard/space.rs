//! The sets that count as released, and the judgement of one more.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use roaring::RoaringBitmap;

use super::GuardFault;
use super::atoms::{Atoms, SETS_MAX};
use super::audit::audit;
use super::completion::Completion;
use super::index::{GuardIndex, Load, Near};
use super::search::Finding;
use super::sketch::{Family, Standing};
use super::unions::Union;
use crate::Patience;

/// Most of the audited sets that come from each list.
const CONTAINED_MAX: usize = 20;
const CONTAINING_MAX: usize = 8;
const REMAINDERS_MAX: usize = 4;
const REMAINDER_PARTS_MAX: usize = 20;
const OVERLAPPING_MAX: usize = 12;
/// Differences kept of each kind for an admitted set.
const DIFFERENCES_MAX: usize = 4;
/// Cohorts whose persons a session holds in memory.
const LOADED_MAX: usize = 512;

/// What is said of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is empty, or was released before.
    Known,
    /// It may be released.
    New,
    /// It may not.
    Refused,
}

/// Released sets of one family, as one session sees them.
pub(super) struct Space<'a> {
    pub(super) index: &'a GuardIndex,
    load: &'a Load<'a>,
    pub(super) k: u64,
    pub(super) family: Family,
    /// Everybody of the snapshot, as ids of this family. How many they are is known, and nothing else of them: so nobody may
    /// be told of all but a few, but a figure about everybody is no old one.
    pub(super) population: Option<Rc<RoaringBitmap>>,
    loaded: HashMap<u32, Rc<RoaringBitmap>>,
    /// Sets admitted in this session and what follows from them, by their number in `own`.
    sets: Vec<Rc<RoaringBitmap>>,
    pub(super) own: GuardIndex,
    pub(super) unions: Vec<Union>,
    /// Whether unions of earlier releases were taken up.
    pub(super) has_resumed: bool,
    /// The cohort of an earlier release that lay closest to the last judged set, or to a union with it.
    pub(super) in_the_way: Option<u64>,
    audited: Audited,
    /// The sets of [`Audited::All`] after everybody, while there are few and everybody is known.
    beside_everybody: Option<Atoms>,
    /// What the last judged set was audited with.
    close: Vec<Rc<RoaringBitmap>>,
}

/// Which sets an audit takes in.
enum Audited {
    /// Not looked yet.
    Unknown,
    /// Every released set: there are few.
    All(Atoms, Vec<Rc<RoaringBitmap>>),
    /// Those close to the set in question.
    Closest,
}

/// A set by where it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Index(u32),
    Own(u32),
}

impl<'a> Space<'a> {
    pub(super) fn new(index: &'a GuardIndex, k: u64, family: Family, load: &'a Load<'a>) -> Self {
        Self {
            index,
            load,
            k: k.max(1),
            family,
            loaded: HashMap::new(),
            sets: Vec::new(),
            own: GuardIndex::in_order(index.order()),
            population: None,
            unions: Vec::new(),
            has_resumed: false,
            in_the_way: None,
            audited: Audited::Unknown,
            beside_everybody: None,
            close: Vec::new(),
        }
    }

    /// May a figure about `set` be shown?
    pub(super) fn judge(&mut self, set: &RoaringBitmap, patience: &dyn Patience) -> Result<Answer, GuardFault> {
        self.in_the_way = None;
        if set.is_empty() {
            return Ok(Answer::Known);
        }
        match self.nearest(set)? {
            Distance::Same => return Ok(Answer::Known),
            Distance::Small => return Ok(Answer::Refused),
            Distance::Large if set.len() < self.k => return Ok(Answer::Refused),
            Distance::Large => {}
        }
        if self.is_all_but_a_few(set) || self.was_refused(set)? {
            return Ok(Answer::Refused);
        }
        self.resume()?;
        if self.completes_a_union(set, patience)? {
            return Ok(Answer::Refused);
        }
        self.look_at_all(patience)?;
        let finding = if let Audited::All(atoms, sets) = &self.audited {
            self.close.clone_from(sets);
            match (audit(&atoms.with(set), atoms.sets(), self.k, patience)?, &self.beside_everybody) {
                // What `set` tells beside the number of all.
                (Finding::Safe, Some(atoms)) => audit(&atoms.with(set), atoms.sets(), self.k, patience)?,
                (finding, _) => finding,
            }
        } else {
            let neighbours = self.neighbours(set);
            self.close = self.closest(set, &neighbours, patience)?;
            let [_, containing, _] = &neighbours;
            match self.completion(set, containing, patience)? {
                Completion::Near => return Ok(Answer::Refused),
                Completion::Exact => return Ok(Answer::New),
                Completion::None => {}
            }
            if has_own_persons(set, &self.close, self.k) {
                return Ok(if nearly_joined(set, &self.close, self.k) { Answer::Refused } else { Answer::New });
            }
            let mut atoms = Atoms::default();
            for close in &self.close {
                patience.spend(close.len())?;
                atoms.push(close);
            }
            audit(&atoms.with(set), atoms.sets(), self.k, patience)?
        };
        if finding != Finding::Safe || nearly_joined(set, &self.close, self.k) {
            return Ok(Answer::Refused);
        }
        Ok(Answer::New)
    }

    /// Whether everybody but 1 to k−1 persons is in `set`.
    pub(super) fn is_all_but_a_few(&self, set: &RoaringBitmap) -> bool {
        self.population.as_ref().is_some_and(|everybody| distance(set, everybody, self.k) == Distance::Small)
    }

    /// Counts `set` as released. Answers the differences with the sets closest to it: what an attacker can form, too, and
    /// the sketches could not find again where they are small parts of large sets.
    pub(super) fn take(
        &mut self,
        set: &RoaringBitmap,
        patience: &dyn Patience,
    ) -> Result<Vec<RoaringBitmap>, GuardFault> {
        self.look_at_all(patience)?;
        let close = std::mem::take(&mut self.close);
        let set = Rc::new(set.clone());
        match &mut self.audited {
            Audited::All(atoms, sets) if atoms.sets() + 2 < SETS_MAX => {
                atoms.push(&set);
                sets.push(Rc::clone(&set));
                self.beside_everybody.iter_mut().for_each(|atoms| atoms.push(&set));
            }
            audited => {
                *audited = Audited::Closest;
                self.beside_everybody = None;
            }
        }
        self.keep(Rc::clone(&set), Standing::Released)?;
        let mut differences = Vec::new();
        let within = close.iter().filter(|close| close.len() > set.len() && set.is_subset(close));
        let around = close.iter().filter(|close| close.len() < set.len() && close.is_subset(&set));
        let within = within.map(|whole| (whole.len() - set.len(), whole.len(), &**whole, &*set));
        let around = around.map(|part| (set.len() - part.len(), set.len(), &*set, &**part));
        for mut pairs in [within.collect::<Vec<_>>(), around.collect()] {
            // A difference as large as the whole is found by its sketch; a small part of it is not.
            pairs.retain(|(size, whole, ..)| *size >= self.k && *size < whole / 4);
            pairs.sort_by_key(|(size, ..)| *size);
            differences.extend(pairs.iter().take(DIFFERENCES_MAX).map(|(_, _, whole, part)| *whole - *part));
        }
        let mut fresh = Vec::new();
        for difference in differences {
            if self.nearest(&difference)? == Distance::Large {
                self.keep(Rc::new(difference.clone()), Standing::Derived)?;
                fresh.push(difference);
            }
        }
        Ok(fresh)
    }

    /// Keeps that `set` was refused. True when that was not known.
    pub(super) fn refuse(&mut self, set: &RoaringBitmap) -> Result<bool, GuardFault> {
        let is_new = !set.is_empty() && !self.was_refused(set)?;
        if is_new {
            self.keep(Rc::new(set.clone()), Standing::Refused)?;
        }
        Ok(is_new)
    }

    /// Whether exactly this set was asked about and refused.
    fn was_refused(&mut self, set: &RoaringBitmap) -> Result<bool, GuardFault> {
        let of_index = self.index.refused(set, self.family).into_iter().map(Place::Index);
        let places: Vec<_> = of_index.chain(self.own.refused(set, self.family).into_iter().map(Place::Own)).collect();
        for place in places {
            if *self.persons(place)? == *set {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Released sets nearly contained in `open` that have `first`, its member with the smallest hash, at their front: those
    /// of this release first, larger ones first.
    pub(super) fn starting_at(&self, first: u32, open: &RoaringBitmap) -> Vec<Place> {
        let of_index = self.index.starting_at(first, open, self.k, self.family);
        let own = self.own.starting_at(first, open, self.k, self.family);
        let own = own.into_iter().map(|near| Place::Own(near.slot));
        own.chain(of_index.into_iter().map(|near| Place::Index(near.slot))).collect()
    }

    fn keep(&mut self, set: Rc<RoaringBitmap>, standing: Standing) -> Result<(), GuardFault> {
        let sketch = self.index.order().sketch(&set, self.family, standing);
        self.own.insert(self.sets.len() as u64, sketch)?;
        self.sets.push(set);
        Ok(())
    }

    /// How near the nearest released set is. Sketches name every set that can be near; the answer is from the persons.
    pub(super) fn nearest(&mut self, set: &RoaringBitmap) -> Result<Distance, GuardFault> {
        let in_index = self.index.equals(set, self.k, self.family).into_iter().map(|near| Place::Index(near.slot));
        let own = self.own.equals(set, self.k, self.family).into_iter().map(|near| Place::Own(near.slot));
        let mut nearest = Distance::Large;
        for place in in_index.chain(own).collect::<Vec<_>>() {
            let released = self.persons(place)?;
            match distance(set, &released, self.k) {
                Distance::Same => return Ok(Distance::Same),
                Distance::Small => {
                    nearest = Distance::Small;
                    self.in_the_way = self.number(place);
                }
                Distance::Large => {}
            }
        }
        Ok(nearest)
    }

    /// Its number, unless it is of this release.
    fn number(&self, place: Place) -> Option<u64> {
        match place {
            Place::Index(slot) => self.index.cohort(slot).map(|cohort| cohort.number),
            Place::Own(_) => None,
        }
    }

    /// Takes every released set into the audit, if they are few.
    fn look_at_all(&mut self, patience: &dyn Patience) -> Result<(), GuardFault> {
        if !matches!(self.audited, Audited::Unknown) {
            return Ok(());
        }
        let released = (0_u32..).zip(self.index.cohorts());
        let mut released =
            released.filter(|(_, cohort)| cohort.standing == Standing::Released && cohort.family.meets(self.family));
        // One place is everybody's.
        let slots: Vec<u32> = released.by_ref().take(SETS_MAX).map(|(slot, _)| slot).collect();
        if slots.len() + 1 >= SETS_MAX {
            self.audited = Audited::Closest;
            return Ok(());
        }
        let (mut atoms, mut sets) = (Atoms::default(), Vec::with_capacity(SETS_MAX));
        for slot in slots {
            let set = self.persons(Place::Index(slot))?;
            patience.spend(set.len())?;
            atoms.push(&set);
            sets.push(set);
        }
        if let Some(everybody) = &self.population {
            patience.spend(everybody.len())?;
            let mut beside = Atoms::default();
            beside.push(everybody);
            sets.iter().for_each(|set| beside.push(set));
            self.beside_everybody = Some(beside);
        }
        self.audited = Audited::All(atoms, sets);
        Ok(())
    }

    /// The sets with which a combination is likeliest to isolate persons: parts of `set`, sets that contain it, parts of what
    /// those hold besides, and the sets likest to it.
    fn closest(
        &mut self,
        set: &RoaringBitmap,
        [contained, containing, overlapping]: &[Vec<Place>; 3],
        patience: &dyn Patience,
    ) -> Result<Vec<Rc<RoaringBitmap>>, GuardFault> {
        let mut chosen = Chosen::default();
        for union in &self.unions {
            if union.parts > 1 {
                chosen.sets.push(Rc::new(union.persons.clone()));
            }
        }
        for place in contained.iter().take(CONTAINED_MAX) {
            self.choose(&mut chosen, *place)?;
        }
        let mut wholes = Vec::new();
        for place in containing.iter().take(CONTAINING_MAX) {
            self.choose(&mut chosen, *place)?;
            wholes.push(self.persons(*place)?);
        }
        for whole in wholes.iter().take(REMAINDERS_MAX) {
            patience.spend(whole.len())?;
            let remainder = &**whole - set;
            if remainder.len() >= self.k {
                let [parts, ..] = self.neighbours(&remainder);
                for place in parts.iter().take(REMAINDER_PARTS_MAX) {
                    self.choose(&mut chosen, *place)?;
                }
            }
        }
        for place in overlapping.iter().take(OVERLAPPING_MAX) {
            self.choose(&mut chosen, *place)?;
        }
        Ok(chosen.sets)
    }

    fn choose(&mut self, chosen: &mut Chosen, place: Place) -> Result<(), GuardFault> {
        if chosen.sets.len() + 1 < SETS_MAX && chosen.places.insert(place) {
            chosen.sets.push(self.persons(place)?);
        }
        Ok(())
    }

    /// Nearly contained, nearly containing and overlapping sets, of the index and of this session.
    pub(super) fn neighbours(&self, set: &RoaringBitmap) -> [Vec<Place>; 3] {
        let of_index = self.index.neighbours(set, self.k, self.family);
        let own = self.own.neighbours(set, self.k, self.family);
        let merge = |of_index: Vec<Near>, own: Vec<Near>| {
            let of_index = of_index.into_iter().map(|near| (near.persons, Place::Index(near.slot)));
            let own = own.into_iter().map(|near| (near.persons, Place::Own(near.slot)));
            own.chain(of_index).collect::<Vec<_>>()
        };
        let places = |near: Vec<(u64, Place)>| near.into_iter().map(|(_, place)| place).collect::<Vec<_>>();
        let mut contained = merge(of_index.contained, own.contained);
        contained.sort_by_key(|(persons, _)| std::cmp::Reverse(*persons));
        let mut containing = merge(of_index.containing, own.containing);
        containing.sort_by_key(|(persons, _)| *persons);
        [places(contained), places(containing), places(merge(of_index.overlapping, own.overlapping))]
    }

    pub(super) fn persons(&mut self, place: Place) -> Result<Rc<RoaringBitmap>, GuardFault> {
        let slot = match place {
            Place::Own(number) => return self.sets.get(number as usize).cloned().ok_or(GuardFault::Damaged),
            Place::Index(slot) => slot,
        };
        if let Some(persons) = self.loaded.get(&slot) {
            return Ok(Rc::clone(persons));
        }
        let cohort = self.index.cohort(slot).ok_or(GuardFault::Damaged)?;
        let persons = (self.load)(cohort.number)?;
        if persons.len() != cohort.persons {
            return Err(GuardFault::Load {
                cohort: cohort.number,
                reason: "its size is not that of its sketch".into(),
            });
        }
        if self.loaded.len() >= LOADED_MAX {
            self.loaded.clear();
        }
        let persons = Rc::new(persons);
        self.loaded.insert(slot, Rc::clone(&persons));
        Ok(persons)
    }
}

/// Sets chosen for an audit.
#[derive(Default)]
struct Chosen {
    places: HashSet<Place>,
    sets: Vec<Rc<RoaringBitmap>>,
}

/// How far the nearest released set is: the larger of the two numbers of persons that only one of both has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Distance {
    /// None.
    Same,
    /// 1 to k−1.
    Small,
    /// k or more.
    Large,
}

/// How far two sets are from one another.
pub(super) fn distance(one: &RoaringBitmap, other: &RoaringBitmap, k: u64) -> Distance {
    if one.len().abs_diff(other.len()) >= k {
        return Distance::Large;
    }
    match one.difference_len(other).max(other.difference_len(one)) {
        0 => Distance::Same,
        outside if outside < k => Distance::Small,
        _ => Distance::Large,
    }
}

/// Whether `k` persons of `set` are in none of `close`: no combination with `set` is zero on those.
fn has_own_persons(set: &RoaringBitmap, close: &[Rc<RoaringBitmap>], k: u64) -> bool {
    let mut own = set.clone();
    close.iter().all(|close| {
        own -= &**close;
        own.len() >= k
    })
}

/// Whether `set` and one of `close` make another of them, or two of `close` make `set`, but for fewer than `k` persons either way.
fn nearly_joined(set: &RoaringBitmap, close: &[Rc<RoaringBitmap>], k: u64) -> bool {
    close.iter().enumerate().any(|(at, one)| {
        let joins = |other: &Rc<RoaringBitmap>| {
            nearly_whole(set, one, other, k) || nearly_whole(one, set, other, k) || nearly_whole(other, set, one, k)
        };
        close.iter().skip(at + 1).any(joins)
    })
}

/// Whether the sum of `x` and `y` differs from `whole` by 1 to `k`−1 persons: the larger of those counted too often and those
/// not counted.
fn nearly_whole(whole: &RoaringBitmap, x: &RoaringBitmap, y: &RoaringBitmap, k: u64) -> bool {
    let joined = x.len() + y.len();
    // Fewer than k persons are counted once or twice too often, fewer than k not at all.
    if joined + k <= whole.len() || joined > whole.len() + 2 * (k - 1) {
        return false;
    }
    let (union, both) = (x | y, x & y);
    let over = union.difference_len(whole) + both.intersection_len(whole);
    let under = whole.difference_len(&union);
    (1..k).contains(&over.max(under))
}
