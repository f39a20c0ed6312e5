//! Events: who did what to which thing, when, and with what outcome. Never a row's value.

use std::collections::BTreeMap;

use glovebox_catalog::{OrganisationId, PrincipalId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::canonical::canonical_value;

/// Who acted. Nothing set means the enclave itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// The organisation that the principal acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<OrganisationId>,
    /// Network address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// The name used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// An event that has no place in the log yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What: an action id of the Cedar policies, e.g. `grant.approve`.
    pub action: String,
    /// To which thing: `<kind>/<id>`, e.g. `grant/grt-…`.
    pub resource: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Code of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Digests, ids and counts; never a row's value.
    #[serde(default)]
    pub detail: BTreeMap<String, String>,
}

impl Draft {
    /// Something done, without details.
    pub fn done(at: Timestamp, actor: Actor, action: impl Into<String>, resource: impl Into<String>) -> Self {
        let (action, resource) = (action.into(), resource.into());
        Self { at, actor, action, resource, outcome: Outcome::Done, code: None, detail: BTreeMap::new() }
    }

    /// Something refused with `code`, without details.
    pub fn refused(
        at: Timestamp,
        actor: Actor,
        action: impl Into<String>,
        resource: impl Into<String>,
        code: impl Into<String>,
    ) -> Self {
        let done = Self::done(at, actor, action, resource);
        Self { outcome: Outcome::Refused, code: Some(code.into()), ..done }
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.detail.insert(name.into(), value.to_string());
        self
    }

    /// The event at its place in the log.
    #[must_use]
    pub fn at_sequence(self, sequence: u64) -> Event {
        let Self { at, actor, action, resource, outcome, code, detail } = self;
        Event { sequence, at, actor, action, resource, outcome, code, detail }
    }
}

/// An event at its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Its place, from 0.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What: an action id of the Cedar policies, e.g. `grant.approve`.
    pub action: String,
    /// To which thing: `<kind>/<id>`, e.g. `grant/grt-…`.
    pub resource: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Code of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Digests, ids and counts; never a row's value.
    #[serde(default)]
    pub detail: BTreeMap<String, String>,
}

impl Event {
    /// The leaf of the Merkle tree: this event in canonical JSON.
    ///
    /// Written member by member because that can't fail, and a leaf that silently came out empty would be forgery made
    /// easy. A test holds it equal to what serde writes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        let text = |text: &str| Value::String(text.to_owned());
        let mut actor = Map::new();
        let mut put_actor = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                actor.insert(name.to_owned(), text(value));
            }
        };
        put_actor("principal", self.actor.principal.as_ref().map(PrincipalId::as_str));
        put_actor("organisation", self.actor.organisation.as_ref().map(OrganisationId::as_str));
        put_actor("address", self.actor.address.as_deref());
        let detail: Map<_, _> = self.detail.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let mut event = Map::new();
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        put("sequence", Value::from(self.sequence));
        put("at", Value::String(self.at.to_string()));
        put("actor", Value::Object(actor));
        put("action", text(&self.action));
        put("resource", text(&self.resource));
        put("outcome", text(self.outcome.as_str()));
        if let Some(code) = &self.code {
            put("code", text(code));
        }
        put("detail", Value::Object(detail));
        canonical_value(&Value::Object(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical_json;

    fn full() -> Event {
        let actor = Actor {
            principal: Some(PrincipalId::new("lin.wei").unwrap()),
            organisation: Some(OrganisationId::new("hospital-a").unwrap()),
            address: Some("192.0.2.7".into()),
        };
        Draft::refused(Timestamp::from_unix_ms(1), actor, "grant.approve", "grant/g\"1", "policy.not-permitted")
            .with("terms_sm3", "00")
            .with("count", 3)
            .at_sequence(7)
    }

    #[test]
    fn the_leaf_is_what_serde_writes() {
        let bare = Draft::done(Timestamp::from_unix_ms(0), Actor::default(), "enclave.start", "enclave/1");
        for event in [full(), bare.at_sequence(0)] {
            assert_eq!(event.leaf(), canonical_json(&event).unwrap());
            assert_eq!(serde_json::from_slice::<Event>(&event.leaf()).unwrap(), event);
        }
        assert_eq!(
            String::from_utf8(full().leaf()).unwrap(),
            "{\"action\":\"grant.approve\",\"actor\":{\"address\":\"192.0.2.7\",\"organisation\":\"hospital-a\",\
             \"principal\":\"lin.wei\"},\"at\":\"1970-01-01T00:00:00.001Z\",\"code\":\"policy.not-permitted\",\
             \"detail\":{\"count\":\"3\",\"terms_sm3\":\"00\"},\"outcome\":\"refused\",\
             \"resource\":\"grant/g\\\"1\",\"sequence\":7}"
        );
    }

    #[test]
    fn unknown_members_are_refused() {
        let mut json = serde_json::to_value(full()).unwrap();
        json["row"] = "x".into();
        assert!(serde_json::from_value::<Event>(json).is_err());
    }
}
