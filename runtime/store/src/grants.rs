//! Grants.

use glovebox_audit::{Draft, Event};
use glovebox_catalog::{Grant, GrantId, GrantState, OrganisationId};

use crate::records::{self, Table};
use crate::{Page, Slice, Store, StoreError};

impl Store {
    /// Files a grant that was proposed.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its id is taken.
    pub fn put_grant(&self, grant: &Grant, audit: Draft) -> Result<Event, StoreError> {
        let filed = self.write(audit, |changes| changes.insert(Table::Grants, grant.id.as_str(), grant));
        filed.map(|((), event)| event)
    }

    /// Writes a grant after one step of its life, if it still is what the step was taken from.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when someone else changed it meanwhile: read it again and decide anew.
    pub fn update_grant(&self, before: &Grant, after: &Grant, audit: Draft) -> Result<Event, StoreError> {
        let changed = self.write(audit, |changes| {
            let id = before.id.as_str();
            let found: Grant = changes.known(Table::Grants, id)?;
            let (same, found) = (&found == before && after.id == before.id, found.state);
            // Parties never change; another grant would be another agreement. Terms become narrower, once at a step, and
            // only before the grant is active.
            let narrowed = before.state == GrantState::Proposed
                && after.revision == before.revision.saturating_add(1)
                && after.terms.is_within(&before.terms)
                && after.asked.as_deref() == Some(before.asked.as_deref().unwrap_or(&before.terms));
            let same_terms =
                after.terms == before.terms && after.revision == before.revision && after.asked == before.asked;
            let kept = (same_terms || narrowed)
                && after.suppliers == before.suppliers
                && after.organisation == before.organisation
                && after.proposed_by == before.proposed_by;
            if !same || !kept {
                let (expected, found) = ("unchanged since it was read".into(), state_name(found));
                return Err(StoreError::Conflict { kind: Table::Grants.kind(), id: id.into(), expected, found });
            }
            changes.update(Table::Grants, id, after)
        });
        changed.map(|((), event)| event)
    }

    /// Reads a grant.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.read(|connection| records::find(connection, Table::Grants, id.as_str()))
    }

    /// Lists grants by id: those of a developer organisation, those that concern a supplier, or all.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn grants(
        &self,
        organisation: Option<&OrganisationId>,
        supplier: Option<&OrganisationId>,
        slice: &Slice,
    ) -> Result<Page<Grant>, StoreError> {
        let concerned = "EXISTS (SELECT 1 FROM json_each(body, '$.suppliers') WHERE value = ?)";
        let conditions = [
            ("organisation = ?", organisation.map(OrganisationId::as_str)),
            (concerned, supplier.map(OrganisationId::as_str)),
        ];
        self.read(|connection| records::list(connection, Table::Grants, &conditions, slice))
    }
}

pub(crate) fn state_name(state: GrantState) -> String {
    format!("{state:?}").to_lowercase()
}
