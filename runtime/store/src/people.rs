//! Organisations and principals.

use glovebox_audit::{Draft, Event};
use glovebox_catalog::{Organisation, OrganisationId, Principal, PrincipalId};

use crate::records::{self, Table};
use crate::{Page, Slice, Store, StoreError};

impl Store {
    /// Files an organisation.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its id is taken.
    pub fn put_organisation(&self, organisation: &Organisation, audit: Draft) -> Result<Event, StoreError> {
        let filed =
            self.write(audit, |changes| changes.insert(Table::Organisations, organisation.id.as_str(), organisation));
        filed.map(|((), event)| event)
    }

    /// Reads an organisation.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn organisation(&self, id: &OrganisationId) -> Result<Option<Organisation>, StoreError> {
        self.read(|connection| records::find(connection, Table::Organisations, id.as_str()))
    }

    /// Lists organisations by id.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn organisations(&self, slice: &Slice) -> Result<Page<Organisation>, StoreError> {
        self.read(|connection| records::list(connection, Table::Organisations, &[], slice))
    }

    /// Files a principal of an organisation that is filed.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the id is taken, [`StoreError::NotFound`] for an unknown organisation.
    pub fn put_principal(&self, principal: &Principal, audit: Draft) -> Result<Event, StoreError> {
        let filed = self.write(audit, |changes| {
            changes.known::<Organisation>(Table::Organisations, principal.organisation.as_str())?;
            changes.insert(Table::Principals, principal.id.as_str(), principal)
        });
        filed.map(|((), event)| event)
    }

    /// Ends or gives back a principal's rights.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown principal.
    pub fn set_active(&self, id: &PrincipalId, active: bool, audit: Draft) -> Result<Event, StoreError> {
        let changed = self.write(audit, |changes| {
            let mut principal: Principal = changes.known(Table::Principals, id.as_str())?;
            principal.active = active;
            changes.update(Table::Principals, id.as_str(), &principal)
        });
        changed.map(|((), event)| event)
    }

    /// Reads a principal.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn principal(&self, id: &PrincipalId) -> Result<Option<Principal>, StoreError> {
        self.read(|connection| records::find(connection, Table::Principals, id.as_str()))
    }

    /// Lists principals by id, of one organisation or of all.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn principals(
        &self,
        organisation: Option<&OrganisationId>,
        slice: &Slice,
    ) -> Result<Page<Principal>, StoreError> {
        let conditions = [("organisation = ?", organisation.map(OrganisationId::as_str))];
        self.read(|connection| records::list(connection, Table::Principals, &conditions, slice))
    }
}
