//! Cedar behind one door: policies are validated when loaded, and whatever can't be decided is denied.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{
    Authorizer, Context as CedarContext, Decision as CedarDecision, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, Policy, PolicyId, PolicySet, Request as CedarRequest, Response, RestrictedExpression, Schema,
    ValidationMode, Validator,
};
use glovebox_catalog::{Capacity, GrantState, Principal, Purpose, Refusal};

use crate::{Action, Context, Decision, PolicyError, Request, ResourceRef};

/// Decides by a fixed set of policies. Cheap to share; holds no state.
pub struct Authoriser {
    authorizer: Authorizer,
    policies: PolicySet,
    schema: Schema,
    types: EntityTypes,
}

impl std::fmt::Debug for Authoriser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authoriser").field("policies", &self.policies.policies().count()).finish()
    }
}

impl Authoriser {
    /// Loads policies (the texts of `policies/*.cedar`, joined) and the schema that they are held to.
    ///
    /// Every policy carries `@id("…")`, unique; events name the policies by it. Validation is strict and complete: the
    /// schema declares every [`Action`], a policy that could fail on a type at run time is not loaded, and warnings
    /// (such as a policy that can never apply) count as errors.
    ///
    /// # Errors
    /// [`PolicyError::Policies`] with what Cedar said.
    pub fn new(policy_text: &str, schema: &str) -> Result<Self, PolicyError> {
        let (schema, warnings) = Schema::from_cedarschema_str(schema).map_err(fault)?;
        if let Some(warning) = warnings.into_iter().next() {
            return Err(fault(warning));
        }
        let policies = identified(policy_text.parse::<PolicySet>().map_err(fault)?)?;
        let validation = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if let Some(error) = validation.validation_errors().next() {
            return Err(fault(error));
        }
        if let Some(warning) = validation.validation_warnings().next() {
            return Err(fault(warning));
        }
        let types = EntityTypes::new()?;
        let declared: HashSet<_> = schema.actions().map(|uid| uid.id().unescaped().to_owned()).collect();
        match Action::ALL.iter().find(|action| !declared.contains(action.as_str())) {
            Some(action) => Err(fault(format!("the schema does not declare action `{action}`"))),
            None => Ok(Self { authorizer: Authorizer::new(), policies, schema, types }),
        }
    }

    /// Decides one request. Deny by default: only an explicit `permit` without any `forbid` allows, and an error while
    /// deciding denies.
    pub fn authorise(&self, request: &Request<'_>) -> Decision {
        if request.resource.kind != request.action.resource_kind() {
            return Decision::Denied(undecidable(request, "the resource is of another kind than the action's"));
        }
        match self.ask(request) {
            Err(detail) => Decision::Denied(undecidable(request, &detail)),
            Ok(response) => self.answer(request, &response),
        }
    }

    fn ask(&self, request: &Request<'_>) -> Result<Response, String> {
        let principal = self.types.uid(&self.types.principal, request.principal.id.as_str());
        let action = self.types.uid(&self.types.action, request.action.as_str());
        let resource = self.resource_entity(&request.resource)?;
        let context = CedarContext::from_pairs(context_pairs(&request.context)).map_err(|error| error.to_string())?;
        let asked = CedarRequest::new(principal, action, resource.uid(), context, Some(&self.schema))
            .map_err(|error| error.to_string())?;
        let entities =
            Entities::from_entities([self.principal_entity(request.principal)?, resource], Some(&self.schema))
                .map_err(|error| error.to_string())?;
        Ok(self.authorizer.is_authorized(&asked, &self.policies, &entities))
    }

    fn answer(&self, request: &Request<'_>, response: &Response) -> Decision {
        // A policy that fails is skipped by Cedar; a skipped `forbid` must not turn into a permission.
        if let Some(error) = response.diagnostics().errors().next() {
            return Decision::Denied(undecidable(request, &error.to_string()));
        }
        let mut policies: Vec<String> = response.diagnostics().reason().map(|id| id.to_string()).collect();
        policies.sort();
        if response.decision() == CedarDecision::Allow && !policies.is_empty() {
            return Decision::Allowed { policies };
        }
        let place = format!("{} on {}", request.action, request.resource.path());
        if policies.is_empty() {
            let roles: Vec<_> = request.principal.roles.iter().map(|role| role.as_str()).collect();
            let rule = format!("no policy permits this to a {} of this organisation", roles.join(", "));
            let remedy = "ask a party to the resource that holds the role";
            return Decision::Denied(Refusal::new("policy.not-permitted", rule, place, remedy));
        }
        let annotation =
            |id: &String, key| self.policies.policy(&PolicyId::new(id)).and_then(|policy| policy.annotation(key));
        let rules = policies.iter().map(|id| {
            let rule = annotation(id, "rule").unwrap_or("a policy forbids it");
            format!("{rule} (policy `{id}`)")
        });
        let rule = rules.collect::<Vec<_>>().join("; ");
        let remedy = policies.first().and_then(|id| annotation(id, "remedy"));
        let remedy = remedy.unwrap_or("ask the operator which rule applies");
        Decision::Denied(Refusal::new("policy.not-permitted", rule, place, remedy))
    }

    fn principal_entity(&self, principal: &Principal) -> Result<Entity, String> {
        let types = &self.types;
        let organisation = types.uid(&types.party, principal.organisation.as_str());
        let attributes = HashMap::from([
            ("organisation".to_owned(), RestrictedExpression::new_entity_uid(organisation)),
            ("active".to_owned(), RestrictedExpression::new_bool(principal.active)),
        ]);
        let roles = principal.roles.iter().map(|role| types.uid(&types.role, role.as_str())).collect();
        let uid = types.uid(&types.principal, principal.id.as_str());
        Entity::new(uid, attributes, roles).map_err(|error| error.to_string())
    }

    fn resource_entity(&self, resource: &ResourceRef) -> Result<Entity, String> {
        let types = &self.types;
        let entity = |ids: &BTreeSet<_>| {
            let uids = ids.iter().map(|id: &glovebox_catalog::OrganisationId| types.uid(&types.party, id.as_str()));
            RestrictedExpression::new_set(uids.map(RestrictedExpression::new_entity_uid))
        };
        let jurisdictions = resource.jurisdictions.iter().cloned().map(RestrictedExpression::new_string);
        let mut attributes = HashMap::from([
            ("organisations".to_owned(), entity(&resource.organisations)),
            ("suppliers".to_owned(), entity(&resource.suppliers)),
            ("recipients".to_owned(), entity(&resource.recipients)),
            ("jurisdictions".to_owned(), RestrictedExpression::new_set(jurisdictions)),
        ]);
        if let Some(principal) = &resource.principal {
            let uid = types.uid(&types.principal, principal.as_str());
            attributes.insert("principal".into(), RestrictedExpression::new_entity_uid(uid));
        }
        if let Some(purpose) = resource.purpose {
            attributes.insert("purpose".into(), RestrictedExpression::new_string(purpose_name(purpose).into()));
        }
        if let Some(state) = resource.state {
            attributes.insert("state".into(), RestrictedExpression::new_string(state_name(state).into()));
        }
        if let Some((from, until)) = resource.term {
            attributes.insert("valid_from".into(), RestrictedExpression::new_datetime(from.to_string()));
            attributes.insert("valid_until".into(), RestrictedExpression::new_datetime(until.to_string()));
        }
        let type_name = resource.kind.as_str().parse::<EntityTypeName>().map_err(|error| error.to_string())?;
        let uid = types.uid(&type_name, &resource.id);
        Entity::new(uid, attributes, HashSet::new()).map_err(|error| error.to_string())
    }
}

/// Names of the entity types that are not kinds of resources, parsed once.
struct EntityTypes {
    action: EntityTypeName,
    party: EntityTypeName,
    principal: EntityTypeName,
    role: EntityTypeName,
}

impl EntityTypes {
    fn new() -> Result<Self, PolicyError> {
        let parse = |name: &str| name.parse::<EntityTypeName>().map_err(fault);
        Ok(Self {
            action: parse("Action")?,
            party: parse("Party")?,
            principal: parse("Principal")?,
            role: parse("Role")?,
        })
    }

    fn uid(&self, type_name: &EntityTypeName, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
    }
}

/// Gives every policy the id of its `@id` annotation.
fn identified(parsed: PolicySet) -> Result<PolicySet, PolicyError> {
    if parsed.templates().next().is_some() {
        return Err(fault("templates (`?principal`, `?resource`) are not used here"));
    }
    let with_id = |policy: &Policy| match policy.annotation("id") {
        Some(id) if !id.is_empty() => Ok(policy.new_id(PolicyId::new(id))),
        _ => Err(fault(format!("policy `{}` carries no `@id(\"…\")`", policy.id()))),
    };
    let policies = parsed.policies().map(with_id).collect::<Result<Vec<_>, _>>()?;
    PolicySet::from_policies(policies).map_err(fault)
}

fn context_pairs(context: &Context) -> Vec<(String, RestrictedExpression)> {
    let mut pairs = vec![("time".to_owned(), RestrictedExpression::new_datetime(context.time.to_string()))];
    if let Some(address) = context.address {
        // `::ffff:10.0.0.1` is 10.0.0.1: a range must not be dodged, nor missed, by the spelling.
        let address = RestrictedExpression::new_ip(address.to_canonical().to_string());
        pairs.push(("address".into(), address));
    }
    if let Some(purpose) = context.purpose {
        pairs.push(("purpose".into(), RestrictedExpression::new_string(purpose_name(purpose).into())));
    }
    if let Some(grade) = context.grade {
        pairs.push(("grade".into(), RestrictedExpression::new_long(i64::from(grade.number()))));
    }
    if let Some(capacity) = context.capacity {
        let name = match capacity {
            Capacity::Supplier => "supplier",
            Capacity::Reviewer => "reviewer",
        };
        pairs.push(("capacity".into(), RestrictedExpression::new_string(name.into())));
    }
    pairs
}

fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Research => "research",
        Purpose::PublicHealth => "public-health",
        Purpose::CareQuality => "care-quality",
        Purpose::ProductDevelopment => "product-development",
        Purpose::Insurance => "insurance",
        Purpose::ModelTraining => "model-training",
    }
}

fn state_name(state: GrantState) -> &'static str {
    match state {
        GrantState::Proposed => "proposed",
        GrantState::Active => "active",
        GrantState::Refused => "refused",
        GrantState::Suspended => "suspended",
        GrantState::Revoked => "revoked",
    }
}

fn undecidable(request: &Request<'_>, detail: &str) -> Refusal {
    let rule = format!("a request that the policies can't decide is denied: {detail}");
    let place = format!("{} on {}", request.action, request.resource.path());
    Refusal::new("policy.undecidable", rule, place, "tell the operator; this is a fault of the enclave's")
}

fn fault(detail: impl std::fmt::Display) -> PolicyError {
    PolicyError::Policies { detail: detail.to_string() }
}
