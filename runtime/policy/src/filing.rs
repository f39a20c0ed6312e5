//! Which roles the people of an organisation may hold, by what the organisation is in the zone.

use glovebox_catalog::{Organisation, OrganisationKind, Principal, Role};

use crate::PolicyError;

/// Roles that principals of an organisation of this kind may hold.
///
/// A developer organisation has nobody who could approve anything, a review board nobody who could submit, an operator
/// nobody who could do either (requirements, "Roles": "must never").
#[must_use]
pub fn roles_of(kind: OrganisationKind) -> &'static [Role] {
    match kind {
        // A hospital may research on others' data, and its ethics board may review others' grants.
        OrganisationKind::Supplier => &[Role::Supplier, Role::Developer, Role::Reviewer],
        OrganisationKind::Operator => &[Role::Operator, Role::SecurityOfficer],
        OrganisationKind::Developer => &[Role::Developer],
        OrganisationKind::ReviewBoard => &[Role::Reviewer],
        OrganisationKind::Regulator => &[Role::Regulator],
    }
}

/// Whether the zone may suspend organisations of this kind: not itself, nor who supervises it.
#[must_use]
pub fn can_be_suspended(kind: OrganisationKind) -> bool {
    match kind {
        OrganisationKind::Supplier | OrganisationKind::Developer | OrganisationKind::ReviewBoard => true,
        OrganisationKind::Operator | OrganisationKind::Regulator => false,
    }
}

/// Whether `principal` may be filed as it stands for `organisation`.
///
/// # Errors
/// [`PolicyError::WrongOrganisation`] when it names another organisation, [`PolicyError::Roles`] when its roles can't be
/// held together, [`PolicyError::RoleOfKind`] when the organisation's kind has no such role.
pub fn check_filing(principal: &Principal, organisation: &Organisation) -> Result<(), PolicyError> {
    if principal.organisation != organisation.id {
        return Err(PolicyError::WrongOrganisation { organisation: principal.organisation.clone() });
    }
    Principal::check_roles(&principal.roles)?;
    let allowed = roles_of(organisation.kind);
    match principal.roles.iter().find(|role| !allowed.contains(role)) {
        Some(role) => Err(PolicyError::RoleOfKind { role: *role, kind: organisation.kind }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::principal;
    use glovebox_catalog::OrganisationId;

    fn organisation(kind: OrganisationKind) -> Organisation {
        let id = OrganisationId::new("acme").unwrap();
        Organisation { id, name: "Acme".into(), kind, jurisdiction: "CN".into() }
    }

    #[test]
    fn a_developer_organisation_has_nobody_who_approves() {
        let developer = organisation(OrganisationKind::Developer);
        assert_eq!(check_filing(&principal("ann", "acme", &[Role::Developer]), &developer), Ok(()));
        for role in [Role::Supplier, Role::Reviewer, Role::Operator, Role::Regulator, Role::SecurityOfficer] {
            let fault = check_filing(&principal("ann", "acme", &[role]), &developer);
            assert_eq!(fault, Err(PolicyError::RoleOfKind { role, kind: OrganisationKind::Developer }));
        }
    }

    #[test]
    fn every_role_has_a_kind_of_organisation() {
        let kinds = [
            OrganisationKind::Supplier,
            OrganisationKind::Operator,
            OrganisationKind::Developer,
            OrganisationKind::ReviewBoard,
            OrganisationKind::Regulator,
        ];
        for role in Role::ALL {
            assert!(kinds.iter().any(|kind| roles_of(*kind).contains(&role)), "{role:?}");
        }
    }

    #[test]
    fn the_other_faults_are_named() {
        let operator = organisation(OrganisationKind::Operator);
        let stranger = principal("ann", "other", &[Role::Operator]);
        assert!(matches!(check_filing(&stranger, &operator), Err(PolicyError::WrongOrganisation { .. })));
        let both = principal("ann", "acme", &[Role::Operator, Role::SecurityOfficer]);
        assert!(matches!(check_filing(&both, &operator), Err(PolicyError::Roles(_))));
    }
}
