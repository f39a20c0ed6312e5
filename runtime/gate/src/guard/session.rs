//! One release before the guard.

use std::rc::Rc;

use roaring::RoaringBitmap;

use super::index::{GuardIndex, Load};
use super::sketch::{Family, Order, Sketch, Standing};
use super::space::{Answer, Space};
use super::{Guard, GuardFault, PersonIds};
use crate::{Interrupted, Patience};

/// Judges the sets of one release, one after another. See [`GuardIndex::session`].
pub struct GuardSession<'a> {
    ids: PersonIds,
    order: Order,
    /// Sets of persons.
    persons: Space<'a>,
    /// Sets of versions of persons' rows; none while nobody's rows ever changed, when they are the same.
    versions: Option<Space<'a>>,
    cohorts: Vec<NewCohort>,
    /// Whether the spaces were told who is in the snapshot.
    has_begun: bool,
    fault: Option<GuardFault>,
}

/// A cohort to keep with the release: its sketch goes into the index, its persons are sealed and read on need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCohort {
    /// What the index keeps.
    pub sketch: Sketch,
    /// The persistent ids, in the portable Roaring format.
    pub persons: Vec<u8>,
}

impl NewCohort {
    fn beside(mut self, cohort: Option<u64>) -> Self {
        self.sketch.beside = cohort;
        self
    }
}

impl<'a> GuardSession<'a> {
    pub(super) fn new(index: &'a GuardIndex, k: u32, ids: PersonIds, load: &'a Load<'a>) -> Self {
        let is_one = index.cohorts().iter().all(|cohort| cohort.family == Family::Both)
            && match &ids {
                PersonIds::Identity => true,
                PersonIds::Registry { persons, versions } => persons == versions,
            };
        let space = |family| Space::new(index, u64::from(k), family, load);
        let versions = (!is_one).then(|| space(Family::Versions));
        Self {
            ids,
            order: index.order(),
            persons: space(Family::Persons),
            versions,
            cohorts: Vec::new(),
            has_begun: false,
            fault: None,
        }
    }

    /// Ends the session: what to keep, once the release is committed.
    ///
    /// # Errors
    /// The first [`GuardFault`] met. The release must then not leave.
    pub fn finish(mut self) -> Result<Vec<NewCohort>, GuardFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let family = self.family_of_persons();
        let versions = self.versions.take();
        let spaces = [(Some(self.persons), family), (versions, Family::Versions)];
        for (mut space, family) in spaces.into_iter().filter_map(|(space, family)| Some((space?, family))) {
            for union in space.grown_unions()? {
                self.cohorts.push(new_cohort(self.order, union, family, Standing::Running));
            }
        }
        Ok(self.cohorts)
    }

    fn judge(&mut self, ordinals: &RoaringBitmap, patience: &dyn Patience) -> Result<bool, GuardFault> {
        patience.spend(ordinals.len())?;
        self.begin()?;
        let (persons, versions) = self.sets(ordinals)?;
        let of_persons = self.persons.judge(&persons, patience)?;
        if of_persons == Answer::Refused {
            if self.persons.refuse(&persons)? {
                let cohort = new_cohort(self.order, persons, self.family_of_persons(), Standing::Refused);
                self.cohorts.push(cohort.beside(self.persons.in_the_way));
            }
            return Ok(false);
        }
        let mut of_versions = Answer::Known;
        if let (Some(space), Some(versions)) = (&mut self.versions, &versions) {
            of_versions = space.judge(versions, patience)?;
            if of_versions == Answer::Refused {
                if space.refuse(versions)? {
                    let cohort = new_cohort(self.order, versions.clone(), Family::Versions, Standing::Refused);
                    self.cohorts.push(cohort.beside(space.in_the_way));
                }
                return Ok(false);
            }
            space.join(versions, patience)?;
        }
        self.persons.join(&persons, patience)?;
        self.take(persons, versions, (of_persons == Answer::New, of_versions == Answer::New), patience)?;
        Ok(true)
    }

    /// Tells the spaces who is in the snapshot, once: the catalogue states how many they are.
    fn begin(&mut self) -> Result<(), GuardFault> {
        let PersonIds::Registry { persons, .. } = &self.ids else { return Ok(()) };
        if std::mem::replace(&mut self.has_begun, true) || persons.is_empty() {
            return Ok(());
        }
        let count = u32::try_from(persons.len()).map_err(|_| GuardFault::Damaged)?;
        let (persons, versions) = self.sets(&(0..count).collect())?;
        self.persons.population = Some(Rc::new(persons));
        if let (Some(space), Some(versions)) = (&mut self.versions, versions) {
            space.population = Some(Rc::new(versions));
        }
        Ok(())
    }

    fn family_of_persons(&self) -> Family {
        if self.versions.is_none() { Family::Both } else { Family::Persons }
    }

    /// Counts as released what is new of a set: as one cohort when persons and versions are the same.
    fn take(
        &mut self,
        persons: RoaringBitmap,
        versions: Option<RoaringBitmap>,
        (persons_are_new, versions_are_new): (bool, bool),
        patience: &dyn Patience,
    ) -> Result<(), GuardFault> {
        let is_same = versions.as_ref().is_none_or(|versions| *versions == persons);
        let family = self.family_of_persons();
        if persons_are_new {
            for derived in self.persons.take(&persons, patience)? {
                self.cohorts.push(new_cohort(self.order, derived, family, Standing::Derived));
            }
        }
        if let (true, Some(space), Some(versions)) = (versions_are_new, &mut self.versions, &versions) {
            for derived in space.take(versions, patience)? {
                self.cohorts.push(new_cohort(self.order, derived, Family::Versions, Standing::Derived));
            }
        }
        if is_same && (persons_are_new || versions_are_new) {
            self.cohorts.push(new_cohort(self.order, persons, Family::Both, Standing::Released));
            return Ok(());
        }
        if persons_are_new {
            self.cohorts.push(new_cohort(self.order, persons, Family::Persons, Standing::Released));
        }
        if let (true, Some(versions)) = (versions_are_new, versions) {
            self.cohorts.push(new_cohort(self.order, versions, Family::Versions, Standing::Released));
        }
        Ok(())
    }

    /// The persistent ids behind `ordinals`: of persons, and of versions where those are judged apart.
    fn sets(&self, ordinals: &RoaringBitmap) -> Result<(RoaringBitmap, Option<RoaringBitmap>), GuardFault> {
        let (persons, versions) = match &self.ids {
            PersonIds::Identity => (ordinals.clone(), ordinals.clone()),
            PersonIds::Registry { persons, versions } => (mapped(ordinals, persons)?, mapped(ordinals, versions)?),
        };
        Ok((persons, self.versions.is_some().then_some(versions)))
    }
}

impl Guard for GuardSession<'_> {
    fn admit(&mut self, persons: &RoaringBitmap, patience: &dyn Patience) -> Result<bool, Interrupted> {
        if self.fault.is_some() {
            return Ok(false);
        }
        match self.judge(persons, patience) {
            Ok(is_admitted) => Ok(is_admitted),
            Err(fault) => {
                let interrupted = if let GuardFault::Interrupted(why) = fault { Err(why) } else { Ok(false) };
                self.fault = Some(fault);
                interrupted
            }
        }
    }
}

fn mapped(ordinals: &RoaringBitmap, ids: &[u32]) -> Result<RoaringBitmap, GuardFault> {
    let id = |ordinal: u32| ids.get(ordinal as usize).copied().ok_or(GuardFault::UnknownPerson);
    let mut mapped = ordinals.iter().map(id).collect::<Result<Vec<u32>, _>>()?;
    mapped.sort_unstable();
    let count = mapped.len() as u64;
    let mapped = RoaringBitmap::from_sorted_iter(mapped).map_err(|_| GuardFault::Damaged)?;
    // Two ordinals with one id would make a set look smaller than it is.
    if mapped.len() == count { Ok(mapped) } else { Err(GuardFault::Damaged) }
}

fn new_cohort(order: Order, mut persons: RoaringBitmap, family: Family, standing: Standing) -> NewCohort {
    let sketch = order.sketch(&persons, family, standing);
    persons.optimize();
    let mut bytes = Vec::with_capacity(persons.serialized_size());
    // Writing to memory does not fail.
    let _ = persons.serialize_into(&mut bytes);
    NewCohort { sketch, persons: bytes }
}
