//! Organisations and principals: filed by the security officer, seen by all who may.

use glovebox_api::{Decision, NewPrincipal};
use glovebox_catalog::text::{self, TextError};
use glovebox_catalog::{Organisation, Principal, PrincipalId, Refusal};
use glovebox_policy::{Action, ResourceRef, check_filing};

use crate::page::all;
use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Files an organisation.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Conflict`] when the id is taken, [`EngineError::Invalid`].
    pub fn create_organisation(
        &self,
        caller: &Caller,
        organisation: Organisation,
    ) -> Result<Organisation, EngineError> {
        let resource = ResourceRef::organisation(&organisation.id);
        let path = resource.path();
        self.authorise(caller, Action::OrganisationCreate, resource)?;
        check_line("name", &organisation.name)?;
        let jurisdiction = &organisation.jurisdiction;
        if jurisdiction.len() < 2
            || jurisdiction.len() > 6
            || !jurisdiction.chars().all(|c| c.is_ascii_uppercase() || c == '-')
        {
            let rule = "a jurisdiction is a code of ISO 3166, e.g. `CN` or `CN-SH`";
            return Err(EngineError::invalid("request.jurisdiction", rule, "jurisdiction", "write the code"));
        }
        self.store().put_organisation(&organisation, self.done(caller, Action::OrganisationCreate, path))?;
        Ok(organisation)
    }

    /// Lists the organisations that the caller may see.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn organisations(&self, caller: &Caller) -> Result<Vec<Organisation>, EngineError> {
        let mut organisations = all(|slice| self.store().organisations(slice))?;
        organisations.retain(|o| self.may_see(caller, Action::OrganisationRead, ResourceRef::organisation(&o.id)));
        Ok(organisations)
    }

    /// Files a principal of an organisation on file.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Conflict`] when the id is taken, [`EngineError::NotFound`] for the
    /// organisation, [`EngineError::Invalid`] for roles that can't be held.
    pub fn create_principal(&self, caller: &Caller, new: NewPrincipal) -> Result<Principal, EngineError> {
        let NewPrincipal { id, name, organisation, roles } = new;
        let principal = Principal { id, name, organisation, roles, active: true };
        let resource = ResourceRef::member(&principal);
        let path = resource.path();
        self.authorise(caller, Action::PrincipalCreate, resource)?;
        check_line("name", &principal.name)?;
        let id = &principal.organisation;
        let organisation = self
            .store()
            .organisation(id)?
            .ok_or_else(|| EngineError::NotFound { what: "organisation", id: id.to_string() })?;
        check_filing(&principal, &organisation)
            .map_err(|error| EngineError::Invalid(vec![error.refusal(format!("principal `{}`", principal.id))]))?;
        let roles: Vec<_> = principal.roles.iter().map(|role| role.as_str()).collect();
        let draft = self
            .done(caller, Action::PrincipalCreate, path)
            .with("organisation", &principal.organisation)
            .with("roles", roles.join(","));
        self.store().put_principal(&principal, draft)?;
        Ok(principal)
    }

    /// Lists the principals that the caller may see.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn principals(&self, caller: &Caller) -> Result<Vec<Principal>, EngineError> {
        self.has_read(caller, Action::PrincipalRead, "member/*", "list")?;
        let mut principals = all(|slice| self.store().principals(None, slice))?;
        principals.retain(|principal| self.may_see(caller, Action::PrincipalRead, ResourceRef::member(principal)));
        Ok(principals)
    }

    /// Ends a principal's rights at once: on open connections, waiting and running jobs too.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn deactivate_principal(
        &self,
        caller: &Caller,
        id: &PrincipalId,
        decision: Decision,
    ) -> Result<Principal, EngineError> {
        let mut principal: Principal = self.sought(caller, Action::PrincipalDeactivate, id)?;
        let path = ResourceRef::member(&principal).path();
        if principal.id == caller.principal.id {
            let rule = "nobody deactivates themselves: the enclave would be without a security officer";
            let reason = Refusal::new("policy.self-deactivation", rule, path, "ask another security officer");
            return Err(EngineError::Conflict(reason));
        }
        principal.active = false;
        let comment: String = text::visible(&decision.comment).replace('\n', " ").chars().take(500).collect();
        let draft = self.done(caller, Action::PrincipalDeactivate, path).with("comment", comment);
        self.store().set_active(&principal.id, false, draft)?;
        // What somebody else submitted under a grant that only the leaver answered for stops, too.
        let answered: Vec<_> = all(|slice| self.store().grants(Some(&principal.organisation), None, slice))?
            .into_iter()
            .filter(|grant| *grant.responsible_person() == principal.id)
            .map(|grant| grant.id)
            .collect();
        self.cancel_jobs_where(|row| row.submitted_by == principal.id || answered.contains(&row.grant))?;
        Ok(principal)
    }
}

/// A name or title.
pub(crate) fn check_line(place: &str, line: &str) -> Result<(), EngineError> {
    check_line_of(place, line, 200)
}

/// One line of at most `length_max` characters.
pub(crate) fn check_line_of(place: &str, line: &str, length_max: usize) -> Result<(), EngineError> {
    text::check_line(line, 1, length_max).map_err(|fault| unfit(place, &fault))
}

/// What is told of a text that is not in the repertoire, too long or too short.
pub(crate) fn unfit(place: &str, fault: &TextError) -> EngineError {
    let remedy = "write it in letters, digits, punctuation and symbols, within the length";
    EngineError::invalid("request.line", fault.to_string(), place, remedy)
}
