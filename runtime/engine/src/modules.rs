//! Modules: inspected before they are kept, and kept by the digest of their bytes.

use glovebox_api::{ModuleView, Page};
use glovebox_audit::{Event, Outcome};
use glovebox_catalog::{ModuleId, OrganisationId, PrincipalId, Role, Timestamp};
use glovebox_policy::{Action, ResourceRef};
use glovebox_sandbox::Inspected;
use glovebox_store::{EventFilter, JobFilter, ModuleRow};

use crate::page::all;
use crate::{Caller, Engine, EngineError, PageQuery};

impl Engine {
    /// Inspects a module and keeps it. The same bytes again are the same module; an organisation that submits what
    /// another has submitted before may use it too, since it has shown that it has the bytes.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Invalid`] with every reason of inspection.
    pub fn submit_module(&self, caller: &Caller, bytes: &[u8]) -> Result<ModuleView, EngineError> {
        let digest = glovebox_gm::sm3(bytes);
        let id = ModuleId::new(digest.to_string()).map_err(|error| EngineError::internal("make an id", error))?;
        let organisation = &caller.principal.organisation;
        let resource = ResourceRef::module(&id, organisation, &caller.principal.id);
        let path = resource.path();
        self.authorise(caller, Action::ModuleSubmit, resource)?;
        let inspected = match glovebox_sandbox::inspect(bytes) {
            Ok(inspected) => inspected,
            Err(reasons) => {
                self.record_refusal(caller.actor(), Action::ModuleSubmit.as_str(), &path, &reasons)?;
                return Err(EngineError::Invalid(reasons));
            }
        };
        let draft = self
            .done(caller, Action::ModuleSubmit, path)
            .with("sha256", inspected.sha256())
            .with("size_bytes", bytes.len())
            .with("isolation", format!("{:?}", inspected.manifest().isolation).to_lowercase());
        match self.store().module(&id)? {
            Some(found) if self.has_submitted(organisation, &id)? => Ok(view(self.as_seen_by(caller, found)?)),
            Some(found) => {
                self.store().record(draft)?;
                Ok(view(self.as_seen_by(caller, found)?))
            }
            None => {
                let row = self.row(id, caller, &inspected, bytes.len() as u64);
                self.store().put_module(&row, bytes, draft)?;
                Ok(view(row))
            }
        }
    }

    /// Lists the modules that the caller may see.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn modules(&self, caller: &Caller, query: &PageQuery) -> Result<Page<ModuleView>, EngineError> {
        let page = query.visible(
            |slice| self.store().modules(None, slice),
            |module| module.id.to_string(),
            |module| self.may_see_module(caller, module),
        )?;
        let Page { items, next_cursor } = page;
        let items = items.into_iter().map(|row| Ok(view(self.as_seen_by(caller, row)?)));
        let items = items.collect::<Result<_, EngineError>>()?;
        Ok(Page { items, next_cursor })
    }

    /// One module.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn module(&self, caller: &Caller, id: &ModuleId) -> Result<ModuleView, EngineError> {
        self.sought(caller, Action::ModuleRead, id).map(view)
    }

    /// A module that the caller's organisation may run, since it has submitted its bytes.
    pub(crate) fn submitted_module(&self, caller: &Caller, id: &ModuleId) -> Result<ModuleRow, EngineError> {
        let row: ModuleRow = self.sought(caller, Action::ModuleRead, id)?;
        if !self.has_submitted(&caller.principal.organisation, id)? {
            return Err(self.unseen::<ModuleRow>(caller, Action::ModuleRead, id));
        }
        Ok(row)
    }

    pub(crate) fn found_module(&self, id: &ModuleId) -> Result<ModuleRow, EngineError> {
        self.store().module(id)?.ok_or_else(|| EngineError::NotFound { what: "module", id: id.to_string() })
    }

    /// Whether `organisation` has submitted these bytes itself, as the log tells.
    pub(crate) fn has_submitted(&self, organisation: &OrganisationId, id: &ModuleId) -> Result<bool, EngineError> {
        Ok(self.submission(organisation, id)?.is_some())
    }

    /// Who first submitted these bytes for `organisation`, and when.
    fn submission(
        &self,
        organisation: &OrganisationId,
        id: &ModuleId,
    ) -> Result<Option<(PrincipalId, Timestamp)>, EngineError> {
        let resource = format!("module/{id}");
        let filter = EventFilter {
            action: Some(Action::ModuleSubmit.as_str()),
            resource: Some(&resource),
            ..EventFilter::default()
        };
        let events = all(|slice| self.store().events(filter, slice))?;
        let own =
            |event: &Event| event.outcome == Outcome::Done && event.actor.organisation.as_ref() == Some(organisation);
        Ok(events.into_iter().find(own).and_then(|event| Some((event.actor.principal?, event.at))))
    }

    fn may_see_module(&self, caller: &Caller, row: &ModuleRow) -> Result<bool, EngineError> {
        let row = self.as_seen_by(caller, row.clone())?;
        Ok(self.may_see(caller, Action::ModuleRead, self.module_resource(caller, &row)?))
    }

    /// The module as the policies see it. A supplier is party to a module that was submitted to run on its data.
    pub(crate) fn module_resource(&self, caller: &Caller, row: &ModuleRow) -> Result<ResourceRef, EngineError> {
        let mut resource = ResourceRef::module(&row.id, &row.organisation, &row.submitted_by);
        let own = &caller.principal.organisation;
        if caller.has(Role::Supplier) {
            let filter = JobFilter { supplier: Some(own), ..JobFilter::default() };
            if all(|slice| self.store().jobs(filter, slice))?.iter().any(|job| job.module == row.id) {
                resource.suppliers.insert(own.clone());
            }
        }
        Ok(resource)
    }

    /// The module in the caller's eyes: their own organisation's if that has submitted it too, whoever was first. Who else
    /// has it, an organisation does not learn.
    pub(crate) fn as_seen_by(&self, caller: &Caller, row: ModuleRow) -> Result<ModuleRow, EngineError> {
        let own = &caller.principal.organisation;
        if *own == row.organisation {
            return Ok(row);
        }
        Ok(match self.submission(own, &row.id)? {
            Some((submitted_by, submitted_at)) => {
                ModuleRow { organisation: own.clone(), submitted_by, submitted_at, ..row }
            }
            None => row,
        })
    }

    fn row(&self, id: ModuleId, caller: &Caller, inspected: &Inspected, size_bytes: u64) -> ModuleRow {
        ModuleRow {
            id,
            sha256: inspected.sha256().to_owned(),
            size_bytes,
            organisation: caller.principal.organisation.clone(),
            submitted_by: caller.principal.id.clone(),
            submitted_at: self.now(),
            door: inspected.door(),
            separation: inspected.separation(),
            manifest: inspected.manifest().clone(),
        }
    }
}

fn view(row: ModuleRow) -> ModuleView {
    let ModuleRow { id, sha256, size_bytes, organisation, submitted_by, submitted_at, door, separation, manifest } =
        row;
    ModuleView { id, sha256, size_bytes, organisation, submitted_by, submitted_at, door, separation, manifest }
}
