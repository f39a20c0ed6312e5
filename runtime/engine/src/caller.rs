//! Who calls: a certificate turned into a principal on file, at every request anew.

use std::collections::BTreeSet;
use std::net::IpAddr;

use glovebox_api::WhoAmI;
use glovebox_audit::{Actor, Draft, Outcome};
use glovebox_catalog::{Grant, Principal, PrincipalId, Refusal, Role, SuspendedKind};
use glovebox_gm::pki::Identity;

use crate::{Engine, EngineError};

/// A principal on file, and where the call came from.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The principal, with the roles that both the file and the certificate give.
    pub principal: Principal,
    /// Address of the peer.
    pub address: Option<IpAddr>,
}

impl Caller {
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            principal: Some(self.principal.id.clone()),
            organisation: Some(self.principal.organisation.clone()),
            address: self.address.map(|address| address.to_string()),
        }
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.principal.roles.contains(&role)
    }

    /// Whether the caller may see what jobs under `grant` really used. A supplier may for its own data, but not where
    /// its organisation is the developer and others supply, too: it would count their rows.
    pub(crate) fn sees_figures(&self, grant: &Grant) -> bool {
        let own = &self.principal.organisation;
        let supplies = self.has(Role::Supplier) && grant.suppliers.contains(own);
        let develops = grant.organisation == *own && grant.suppliers.len() > 1;
        self.has(Role::Operator) || self.has(Role::Regulator) || (supplies && !develops)
    }
}

impl Engine {
    /// Finds the principal that a certificate names. Called for every request, so that a deactivated principal or a
    /// role taken away counts at once, on open connections too.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when the principal is not on file, has left, acts for another organisation, or holds
    /// none of the certificate's roles.
    pub fn identify(&self, identity: &Identity, address: Option<IpAddr>) -> Result<Caller, EngineError> {
        match self.find_caller(identity, address) {
            Err(EngineError::Refused(reasons)) => {
                let actor = Actor {
                    principal: PrincipalId::new(identity.common_name.clone()).ok(),
                    organisation: None,
                    address: address.map(|address| address.to_string()),
                };
                let certificate = identity.fingerprint.to_string();
                self.record_refusal(actor, "connect", &format!("certificate/{certificate}"), &reasons)?;
                Err(EngineError::Refused(reasons))
            }
            found => found,
        }
    }

    /// Who the enclave takes the caller for.
    #[must_use]
    pub fn whoami(&self, caller: &Caller) -> WhoAmI {
        let Principal { id, organisation, roles, .. } = caller.principal.clone();
        WhoAmI { principal: id, organisation, roles }
    }

    fn find_caller(&self, identity: &Identity, address: Option<IpAddr>) -> Result<Caller, EngineError> {
        let refuse = |code: &str, rule: &str| {
            let remedy = "ask the security officer of the enclave to file you, or for a certificate that matches";
            EngineError::refused(Refusal::new(code, rule, "certificate", remedy))
        };
        let id = PrincipalId::new(identity.common_name.clone())
            .map_err(|_| refuse("policy.unknown-principal", "the common name of a certificate is a principal's id"))?;
        let principal = self
            .store()
            .principal(&id)?
            .ok_or_else(|| refuse("policy.unknown-principal", "a caller is a principal on file"))?;
        if !principal.active {
            return Err(refuse("policy.principal-inactive", "a principal who has left has no access"));
        }
        let suspended = self.store().suspended(SuspendedKind::Organisation, principal.organisation.as_str())?;
        if !suspended.standing.is_empty() {
            return Err(refuse(
                "policy.organisation-suspended",
                "the people of a suspended organisation have no access",
            ));
        }
        if principal.organisation.as_str() != identity.organisation {
            return Err(refuse("policy.organisation-mismatch", "certificate and file name the same organisation"));
        }
        let certified: BTreeSet<Role> = identity.roles.iter().filter_map(|role| role.parse().ok()).collect();
        let roles: BTreeSet<Role> = principal.roles.intersection(&certified).copied().collect();
        if roles.is_empty() {
            return Err(refuse("policy.no-role", "certificate and file agree on at least one role"));
        }
        Ok(Caller { principal: Principal { roles, ..principal }, address })
    }

    pub(crate) fn record_refusal(
        &self,
        actor: Actor,
        action: &str,
        resource: &str,
        reasons: &[Refusal],
    ) -> Result<(), EngineError> {
        for reason in reasons {
            self.counters().refused(&reason.code);
        }
        let code = reasons.first().map(|reason| reason.code.clone());
        let draft = Draft {
            at: self.now(),
            actor,
            action: action.to_owned(),
            resource: resource.to_owned(),
            outcome: Outcome::Refused,
            code,
            detail: std::collections::BTreeMap::new(),
        };
        self.store().record(draft)?;
        Ok(())
    }
}
