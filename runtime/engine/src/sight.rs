//! What a caller may know to exist. Every use case that is given an id finds the thing and asks the policies here, in one
//! step, so that none of them can answer differently for another's thing than for one that is not there.
//!
//! Whoever may see a thing and not do what they ask is told why. Whoever may not see it gets the answer for an unknown id.
//! Both are events: a log that grew by one kind of refusal only would tell them apart by its head, which everyone reads.

use std::fmt::Display;

use glovebox_catalog::{
    Dataset, DatasetId, Grant, GrantId, JobId, ModuleId, Principal, PrincipalId, Refusal, ReleaseId, Review, ReviewId,
};
use glovebox_policy::{Action, Context, Decision, Request, ResourceKind, ResourceRef};
use glovebox_store::{JobRow, ModuleRow, ReleaseRow};

use crate::{Caller, Engine, EngineError};

/// A thing that callers name by its id.
pub(crate) trait Thing: Sized {
    /// Its id.
    type Id: Display;
    /// What answers call its kind.
    const WHAT: &'static str;
    /// Its kind for the policies.
    const KIND: ResourceKind;

    /// Looks it up, as `caller` sees it.
    fn find(engine: &Engine, caller: &Caller, id: &Self::Id) -> Result<Option<Self>, EngineError>;

    /// What the policies are asked about when `action` is done to it.
    fn resource(&self, engine: &Engine, caller: &Caller, action: Action) -> Result<ResourceRef, EngineError>;

    /// The actions by which one learns that it exists: whoever may do one of them may see it.
    fn sights() -> &'static [Action];
}

impl Engine {
    /// Finds a thing for `action`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when there is none, or none that the caller may see; [`EngineError::Refused`] when the
    /// caller may see it and not do this.
    pub(crate) fn sought<T: Thing>(&self, caller: &Caller, action: Action, id: &T::Id) -> Result<T, EngineError> {
        self.sought_in(caller, action, id, |_, context| context)
    }

    /// The same with what the thing adds to the context of the question.
    pub(crate) fn sought_in<T: Thing>(
        &self,
        caller: &Caller,
        action: Action,
        id: &T::Id,
        circumstances: impl FnOnce(&T, Context) -> Context,
    ) -> Result<T, EngineError> {
        let asked = ResourceRef::unknown(T::KIND, &id.to_string());
        let found = T::find(self, caller, id)?;
        let context = Context::at(self.now()).from_address(caller.address);
        let (resource, context) = match &found {
            Some(thing) => (thing.resource(self, caller, action)?, circumstances(thing, context)),
            // Asked all the same, so that both ways take their time.
            None => (asked.clone(), context),
        };
        let path = resource.path();
        let request = Request { principal: &caller.principal, action, resource, context };
        let decision = self.inner.authoriser.authorise(&request);
        let (reason, is_seen) = match (found, decision) {
            (Some(thing), Decision::Allowed { .. }) => return Ok(thing),
            (Some(thing), Decision::Denied(refusal)) => {
                // The caller's name for it: a receipt is asked for by its release, and lies with its job.
                let place = refusal.place.replace(&path, &asked.path());
                (Refusal { place, ..refusal }, self.may_see_thing(caller, &thing)?)
            }
            (None, _) => (unknown::<T>(id), false),
        };
        let reasons = vec![reason];
        self.record_refusal(caller.actor(), action.as_str(), &path, &reasons)?;
        if is_seen { Err(EngineError::Refused(reasons)) } else { Err(not_found::<T>(id)) }
    }

    /// The answer, with its event, where a thing was found that the caller may not use and need not know of.
    pub(crate) fn unseen<T: Thing>(&self, caller: &Caller, action: Action, id: &T::Id) -> EngineError {
        let path = ResourceRef::unknown(T::KIND, &id.to_string()).path();
        match self.record_refusal(caller.actor(), action.as_str(), &path, &[unknown::<T>(id)]) {
            Ok(()) => not_found::<T>(id),
            Err(error) => error,
        }
    }

    fn may_see_thing<T: Thing>(&self, caller: &Caller, thing: &T) -> Result<bool, EngineError> {
        for sight in T::sights() {
            if self.may_see(caller, *sight, thing.resource(self, caller, *sight)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn not_found<T: Thing>(id: &T::Id) -> EngineError {
    EngineError::NotFound { what: T::WHAT, id: id.to_string() }
}

fn unknown<T: Thing>(id: &T::Id) -> Refusal {
    let place = format!("{} `{id}`", T::WHAT);
    Refusal::new("request.not-found", "nothing of that kind has that id", place, "list them to find the id")
}

impl Thing for Dataset {
    type Id = DatasetId;
    const WHAT: &'static str = "dataset";
    const KIND: ResourceKind = ResourceKind::Dataset;

    fn find(engine: &Engine, _: &Caller, id: &DatasetId) -> Result<Option<Self>, EngineError> {
        Ok(engine.store().dataset(id)?)
    }

    fn resource(&self, _: &Engine, _: &Caller, _: Action) -> Result<ResourceRef, EngineError> {
        Ok(ResourceRef::dataset(self))
    }

    fn sights() -> &'static [Action] {
        &[Action::DatasetRead, Action::SnapshotRead]
    }
}

impl Thing for Grant {
    type Id = GrantId;
    const WHAT: &'static str = "grant";
    const KIND: ResourceKind = ResourceKind::Grant;

    fn find(engine: &Engine, _: &Caller, id: &GrantId) -> Result<Option<Self>, EngineError> {
        Ok(engine.store().grant(id)?)
    }

    fn resource(&self, _: &Engine, _: &Caller, _: Action) -> Result<ResourceRef, EngineError> {
        Ok(ResourceRef::grant(self))
    }

    fn sights() -> &'static [Action] {
        &[Action::GrantRead, Action::MeterRead]
    }
}

impl Thing for ModuleRow {
    type Id = ModuleId;
    const WHAT: &'static str = "module";
    const KIND: ResourceKind = ResourceKind::Module;

    fn find(engine: &Engine, caller: &Caller, id: &ModuleId) -> Result<Option<Self>, EngineError> {
        let row = engine.store().module(id)?;
        row.map(|row| engine.as_seen_by(caller, row)).transpose()
    }

    fn resource(&self, engine: &Engine, caller: &Caller, _: Action) -> Result<ResourceRef, EngineError> {
        engine.module_resource(caller, self)
    }

    fn sights() -> &'static [Action] {
        &[Action::ModuleRead]
    }
}

impl Thing for JobRow {
    type Id = JobId;
    const WHAT: &'static str = "job";
    const KIND: ResourceKind = ResourceKind::Job;

    fn find(engine: &Engine, _: &Caller, id: &JobId) -> Result<Option<Self>, EngineError> {
        Ok(engine.store().job(id)?)
    }

    fn resource(&self, engine: &Engine, _: &Caller, _: Action) -> Result<ResourceRef, EngineError> {
        engine.job_resource(self)
    }

    fn sights() -> &'static [Action] {
        &[Action::JobRead, Action::ReceiptRead]
    }
}

impl Thing for ReleaseRow {
    type Id = ReleaseId;
    const WHAT: &'static str = "release";
    const KIND: ResourceKind = ResourceKind::Release;

    fn find(engine: &Engine, _: &Caller, id: &ReleaseId) -> Result<Option<Self>, EngineError> {
        let row = engine.store().release(id)?;
        // The one way to a document that left: as long as its event waits for witnesses, there is no such release.
        match row {
            Some(row) if engine.is_told(&row.job)? => Ok(Some(row)),
            _ => Ok(None),
        }
    }

    fn resource(&self, engine: &Engine, _: &Caller, action: Action) -> Result<ResourceRef, EngineError> {
        match action.resource_kind() {
            ResourceKind::Job => engine.job_resource(&engine.found_job(&self.job)?),
            _ => engine.release_resource(self),
        }
    }

    /// A job names its release.
    fn sights() -> &'static [Action] {
        &[Action::ReleaseRead, Action::JobRead, Action::ReceiptRead]
    }
}

impl Thing for Review {
    type Id = ReviewId;
    const WHAT: &'static str = "review";
    const KIND: ResourceKind = ResourceKind::Review;

    fn find(engine: &Engine, _: &Caller, id: &ReviewId) -> Result<Option<Self>, EngineError> {
        Ok(engine.store().review(id)?)
    }

    fn resource(&self, engine: &Engine, _: &Caller, action: Action) -> Result<ResourceRef, EngineError> {
        match action.resource_kind() {
            ResourceKind::Job => engine.job_resource(&engine.found_job(&self.job)?),
            _ => engine.review_resource(self),
        }
    }

    /// A job names its review.
    fn sights() -> &'static [Action] {
        &[Action::ReviewRead, Action::JobRead]
    }
}

impl Thing for Principal {
    type Id = PrincipalId;
    const WHAT: &'static str = "principal";
    const KIND: ResourceKind = ResourceKind::Member;

    fn find(engine: &Engine, _: &Caller, id: &PrincipalId) -> Result<Option<Self>, EngineError> {
        Ok(engine.store().principal(id)?)
    }

    fn resource(&self, _: &Engine, _: &Caller, _: Action) -> Result<ResourceRef, EngineError> {
        Ok(ResourceRef::member(self))
    }

    fn sights() -> &'static [Action] {
        &[Action::PrincipalRead]
    }
}
