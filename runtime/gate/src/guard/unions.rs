//! Running unions: disjoint released sets taken together, within a release and from one release to the next.
//!
//! The cells of a table add up. Whoever knows a total, or how many persons there are at all, learns the last cell from the
//! others; so a set is judged together with the sets beside it that were shown before.

use std::rc::Rc;

use roaring::RoaringBitmap;

use super::GuardFault;
use super::sketch::Standing;
use super::space::{Distance, Place, Space, distance};
use crate::Patience;

/// Unions that one release begins: one an output and dimension, so to say.
const OWN_MAX: usize = 8;
/// Unions of earlier releases that go on, the newest.
const RESUMED_MAX: usize = 8;
/// Wholes whose rests are looked at, and parts that are taken away from each.
const WHOLES_MAX: usize = 4;
const PARTS_MAX: usize = 20;
/// Sets that are looked at as wholes for being the largest.
const LARGEST_MAX: usize = 4;

/// Disjoint sets taken together.
pub(super) struct Union {
    pub(super) persons: RoaringBitmap,
    pub(super) parts: usize,
    /// Begun by an earlier release.
    is_resumed: bool,
    has_grown: bool,
    /// What sets that hold the union leave when other released parts of theirs are taken away. A union that comes to all but a
    /// few persons of such a rest tells those few.
    rests: Vec<RoaringBitmap>,
    /// Number of parts when the rests were last looked for.
    parts_at_rests: usize,
}

impl Union {
    fn resumed(persons: RoaringBitmap) -> Self {
        Self { persons, parts: 2, is_resumed: true, has_grown: false, rests: Vec::new(), parts_at_rests: 1 }
    }

    fn begun(persons: RoaringBitmap) -> Self {
        Self { persons, parts: 1, is_resumed: false, has_grown: false, rests: Vec::new(), parts_at_rests: 1 }
    }

    fn add(&mut self, set: &RoaringBitmap) {
        self.persons |= set;
        self.parts += 1;
        self.has_grown = true;
    }
}

impl Space<'_> {
    /// Takes up the newest unions of earlier releases, once. One to which fewer than k persons are missing takes none in any
    /// more, and one within another adds nothing.
    pub(super) fn resume(&mut self) -> Result<(), GuardFault> {
        if std::mem::replace(&mut self.has_resumed, true) {
            return Ok(());
        }
        let everybody = self.population.as_ref().map_or(u64::MAX, |population| population.len());
        let slots: Vec<u32> = (0_u32..)
            .zip(self.index.cohorts())
            .filter(|(_, cohort)| cohort.standing == Standing::Running && cohort.counts_for(self.family))
            .filter(|(_, cohort)| cohort.persons.saturating_add(self.k) <= everybody)
            .map(|(slot, _)| slot)
            .collect();
        for slot in slots.into_iter().rev() {
            if self.unions.len() == RESUMED_MAX {
                break;
            }
            let persons = self.persons(Place::Index(slot))?;
            if !self.unions.iter().any(|union| persons.is_subset(&union.persons)) {
                self.unions.push(Union::resumed(RoaringBitmap::clone(&persons)));
            }
        }
        Ok(())
    }

    /// Whether `set`, together with a union that it is disjoint from, comes to a released set or to such a rest but for a few
    /// persons.
    pub(super) fn completes_a_union(
        &mut self,
        set: &RoaringBitmap,
        patience: &dyn Patience,
    ) -> Result<bool, GuardFault> {
        for number in 0..self.unions.len() {
            let Some(union) = self.unions.get(number).filter(|union| union.persons.is_disjoint(set)) else { continue };
            patience.spend(union.persons.len())?;
            let joined = &union.persons | set;
            let is_near = |rest: &RoaringBitmap| distance(&joined, rest, self.k) == Distance::Small;
            if union.rests.iter().any(is_near)
                || self.is_all_but_a_few(&joined)
                || self.nearest(&joined)? == Distance::Small
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds a set that is shown, be it new or known, to every earlier union that it is disjoint from and to the first one of
    /// this release.
    pub(super) fn join(&mut self, set: &RoaringBitmap, patience: &dyn Patience) -> Result<(), GuardFault> {
        if set.is_empty() {
            return Ok(());
        }
        let (mut is_in, mut own) = (false, 0);
        for union in &mut self.unions {
            own += usize::from(!union.is_resumed);
            if (union.is_resumed || !is_in) && union.persons.is_disjoint(set) {
                union.add(set);
                is_in |= !union.is_resumed;
            }
        }
        if !is_in && own < OWN_MAX {
            self.unions.push(Union::begun(set.clone()));
        }
        self.look_for_rests(patience)
    }

    /// Unions to which this release added, and that no earlier one has left as they are.
    pub(super) fn grown_unions(&mut self) -> Result<Vec<RoaringBitmap>, GuardFault> {
        let mut grown: Vec<RoaringBitmap> = Vec::new();
        for union in std::mem::take(&mut self.unions).into_iter().filter(|union| union.has_grown) {
            if !grown.contains(&union.persons) && !self.is_running(&union.persons)? {
                grown.push(union.persons);
            }
        }
        Ok(grown)
    }

    fn is_running(&mut self, set: &RoaringBitmap) -> Result<bool, GuardFault> {
        for near in self.index.equals(set, self.k, self.family) {
            let standing = self.index.cohort(near.slot).map(|cohort| cohort.standing);
            if standing == Some(Standing::Running) && *self.persons(Place::Index(near.slot))? == *set {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks for rests anew where a union has doubled: a set that holds the whole union holds every part of it, so what is found
    /// early stays worth comparing with.
    fn look_for_rests(&mut self, patience: &dyn Patience) -> Result<(), GuardFault> {
        for number in 0..self.unions.len() {
            let Some(union) = self.unions.get_mut(number) else { continue };
            if union.parts < 2 * union.parts_at_rests {
                continue;
            }
            union.parts_at_rests = union.parts;
            let persons = union.persons.clone();
            let rests = self.rests(&persons, patience)?;
            if let Some(union) = self.unions.get_mut(number) {
                union.rests = rests;
            }
        }
        Ok(())
    }

    fn rests(&mut self, union: &RoaringBitmap, patience: &dyn Patience) -> Result<Vec<RoaringBitmap>, GuardFault> {
        let mut rests = Vec::new();
        let everybody = self.population.clone();
        let [_, containing, _] = self.neighbours(union);
        for whole in everybody.into_iter().chain(self.wholes(union, containing.iter().take(WHOLES_MAX))?) {
            patience.spend(whole.len())?;
            let mut rest = &*whole - union;
            let [parts, ..] = self.neighbours(&rest);
            for place in parts.into_iter().take(PARTS_MAX) {
                let part = self.persons(place)?;
                if part.is_subset(&rest) {
                    rest -= &*part;
                }
            }
            rest |= union;
            if rest.len() < whole.len() {
                rests.push(rest);
            }
        }
        Ok(rests)
    }

    /// Released sets that `set` is a part of, but for fewer than k persons: of those that hold it by their sketches, and of
    /// the largest of all, since a sketch can't tell what a large set holds of a small one.
    pub(super) fn wholes<'p>(
        &mut self,
        set: &RoaringBitmap,
        containing: impl Iterator<Item = &'p Place>,
    ) -> Result<Vec<Rc<RoaringBitmap>>, GuardFault> {
        let mut places: Vec<Place> = containing.copied().collect();
        let of_index = self.index.largest(LARGEST_MAX, self.family).into_iter().map(Place::Index);
        for place in of_index.chain(self.own.largest(LARGEST_MAX, self.family).into_iter().map(Place::Own)) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let mut wholes = Vec::new();
        for place in places {
            let whole = self.persons(place)?;
            if whole.len() > set.len() && set.difference_len(&whole) < self.k && !wholes.contains(&whole) {
                wholes.push(whole);
            }
        }
        Ok(wholes)
    }
}
