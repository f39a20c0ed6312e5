//! Who acts: organisations, and natural persons acting for one of them in one or more roles.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{OrganisationId, PrincipalId};

/// What an organisation is in the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OrganisationKind {
    /// 供数单位: owns datasets.
    Supplier,
    /// 运营机构: runs the zone.
    Operator,
    /// 开发主体: submits modules and jobs.
    Developer,
    /// 创新实验室: reviews grants, modules and outputs.
    ReviewBoard,
    /// 监管部门: reads and verifies.
    Regulator,
}

/// An organisation known to the enclave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Organisation {
    /// Its id.
    pub id: OrganisationId,
    /// Its name, as people write it.
    #[serde(deserialize_with = "crate::text::line::<_, 200>")]
    pub name: String,
    /// What it is in the zone.
    pub kind: OrganisationKind,
    /// Country or region whose law binds it, ISO 3166, e.g. `CN`.
    pub jurisdiction: String,
}

/// What a principal may do. The Cedar policies give each role its actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Registers datasets, approves grants on them, sees their use.
    Supplier,
    /// Ingests data, watches meters; reads no plaintext, approves nothing.
    Operator,
    /// Proposes grants, submits modules and jobs, reads releases.
    Developer,
    /// Approves grants and outputs of other organisations.
    Reviewer,
    /// Reads everything but data; changes nothing.
    Regulator,
    /// Files organisations and principals, revokes certificates.
    SecurityOfficer,
}

impl Role {
    /// Every role, in the order of the requirements.
    pub const ALL: [Self; 6] =
        [Self::Supplier, Self::Operator, Self::Developer, Self::Reviewer, Self::Regulator, Self::SecurityOfficer];

    /// The name used in certificates, policies and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Supplier => "supplier",
            Self::Operator => "operator",
            Self::Developer => "developer",
            Self::Reviewer => "reviewer",
            Self::Regulator => "regulator",
            Self::SecurityOfficer => "security-officer",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| RoleError::Unknown { text: text.chars().take(40).collect() })
    }
}

/// Why a set of roles can't be held.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RoleError {
    /// No such role.
    #[error("`{text}` is no role; roles are supplier, operator, developer, reviewer, regulator, security-officer")]
    Unknown {
        /// The refused text.
        text: String,
    },
    /// A principal without a role could do nothing.
    #[error("a principal has at least one role")]
    None,
    /// T/GDNS 007-2023, 7.3.1 b: separation of duties.
    #[error("a security officer holds no other role, and a regulator holds no other role")]
    Separation,
}

/// A natural person acting for one organisation, known by a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Principal {
    /// Their id: the common name of their certificate.
    pub id: PrincipalId,
    /// Their name, as people write it.
    pub name: String,
    /// The organisation they act for.
    pub organisation: OrganisationId,
    /// Their roles; checked by [`Principal::check_roles`].
    pub roles: BTreeSet<Role>,
    /// False once the principal has left; takes effect on open connections and running jobs.
    pub active: bool,
}

impl Principal {
    /// Whether `roles` may be held together.
    ///
    /// # Errors
    /// [`RoleError::None`] for no role, [`RoleError::Separation`] for a security officer or regulator with a second role.
    pub fn check_roles(roles: &BTreeSet<Role>) -> Result<(), RoleError> {
        if roles.is_empty() {
            return Err(RoleError::None);
        }
        let alone = [Role::SecurityOfficer, Role::Regulator];
        if roles.len() > 1 && alone.iter().any(|role| roles.contains(role)) {
            return Err(RoleError::Separation);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duties_are_separate() {
        let check = |roles: &[Role]| Principal::check_roles(&roles.iter().copied().collect());
        assert_eq!(check(&[]), Err(RoleError::None));
        assert_eq!(check(&[Role::SecurityOfficer]), Ok(()));
        for other in [Role::Operator, Role::Developer, Role::Reviewer, Role::Supplier] {
            assert_eq!(check(&[Role::SecurityOfficer, other]), Err(RoleError::Separation));
            assert_eq!(check(&[Role::Regulator, other]), Err(RoleError::Separation));
        }
        assert_eq!(check(&[Role::Supplier, Role::Reviewer]), Ok(()));
    }

    #[test]
    fn role_names_round_trip() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!("root".parse::<Role>().is_err());
    }
}
