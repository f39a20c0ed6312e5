//! The case table policies/cases.toml: every action of every role, and the cases that attack the rules.

use std::collections::BTreeMap;

use glovebox_catalog::{Capacity, Grade, GrantState, PrincipalId, Purpose, Role, Timestamp};
use serde::Deserialize;

use crate::fixtures::{POLICIES, SCHEMA, authoriser, now, parties, principal};
use crate::{Action, Authoriser, Context, Decision, PolicyError, Request, ResourceRef};

const CASES: &str = include_str!("../../../policies/cases.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    matrix: BTreeMap<String, BTreeMap<String, Expected>>,
    case: Vec<Case>,
}

/// On whose resources an action is permitted.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Any,
    Own,
    Others,
    Never,
}

/// One question with all its circumstances. What is left out is as in the matrix: today, from the zone, grade 3.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    role: String,
    action: String,
    allow: bool,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    organisations: Vec<String>,
    #[serde(default)]
    suppliers: Vec<String>,
    #[serde(default)]
    recipients: Vec<String>,
    #[serde(default = "jurisdictions")]
    jurisdictions: Vec<String>,
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    capacity: Option<Capacity>,
    #[serde(default)]
    purpose: Option<Purpose>,
    #[serde(default)]
    state: Option<GrantState>,
    #[serde(default)]
    time: Option<Timestamp>,
    #[serde(default)]
    address: Option<std::net::IpAddr>,
    #[serde(default)]
    grade: Option<Grade>,
    #[serde(default)]
    left: bool,
}

fn jurisdictions() -> Vec<String> {
    vec!["CN".into()]
}

fn table() -> Table {
    toml::from_str(CASES).unwrap()
}

/// A resource of the action's kind with everything that a grant has, whose parties are `own` or strangers.
fn resource(action: Action, role: Role, own: bool) -> ResourceRef {
    let party = |of: Role| if own && of == role { parties(&["mine"]) } else { parties(&["theirs"]) };
    let supplier = party(Role::Supplier);
    let developer = if own && role != Role::Supplier { parties(&["mine"]) } else { parties(&["theirs"]) };
    ResourceRef {
        kind: action.resource_kind(),
        id: "thing".into(),
        // A dataset is its supplier's; a member or organisation, whoever asks; all else its developer's.
        organisations: match action.resource_kind().as_str() {
            "Organisation" | "Member" if own => parties(&["mine"]),
            "Dataset" => supplier.clone(),
            _ => developer.clone(),
        },
        suppliers: supplier.clone(),
        recipients: if role == Role::Supplier { supplier } else { developer },
        jurisdictions: ["CN".to_owned()].into(),
        principal: Some(PrincipalId::new("somebody").unwrap()),
        purpose: Some(Purpose::Research),
        state: Some(GrantState::Active),
        term: Some((now(), now().plus_days(1))),
    }
}

fn ask(authoriser: &Authoriser, action: Action, role: Role, own: bool) -> Decision {
    let capacity = match (action, role) {
        (Action::GrantApprove | Action::GrantRefuse, Role::Supplier) => Some(Capacity::Supplier),
        (Action::GrantApprove | Action::GrantRefuse, _) => Some(Capacity::Reviewer),
        _ => None,
    };
    let context = Context {
        purpose: Some(Purpose::Research),
        time: now(),
        address: Some("10.1.2.3".parse().unwrap()),
        grade: Some(Grade::new(3).unwrap()),
        capacity,
    };
    let principal = principal("me", "mine", &[role]);
    authoriser.authorise(&Request { principal: &principal, action, resource: resource(action, role, own), context })
}

#[test]
fn the_matrix_is_complete_and_holds() {
    let table = table();
    let authoriser = authoriser();
    let mut faults = Vec::new();
    for action in Action::ALL {
        for role in Role::ALL {
            let expected = table.matrix.get(action.as_str()).and_then(|row| row.get(role.as_str()));
            let own = ask(&authoriser, *action, role, true).is_allowed();
            let others = ask(&authoriser, *action, role, false).is_allowed();
            let found = match (own, others) {
                (true, true) => Expected::Any,
                (true, false) => Expected::Own,
                (false, true) => Expected::Others,
                (false, false) => Expected::Never,
            };
            if expected != Some(&found) {
                faults.push(format!("{action} by {}: expected {expected:?}, found {found:?}", role.as_str()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let pairs: usize = table.matrix.values().map(BTreeMap::len).sum();
    assert_eq!(pairs, Action::ALL.len() * Role::ALL.len(), "the table names an action or role that is none");
}

#[test]
fn the_cases_hold() {
    let authoriser = authoriser();
    for case in table().case {
        let name = &case.name;
        let action = *Action::ALL.iter().find(|action| action.as_str() == case.action).expect(name);
        let mut asking = principal("me", "mine", &[case.role.parse().unwrap()]);
        asking.active = !case.left;
        let ids = |texts: &[String]| parties(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let resource = ResourceRef {
            kind: action.resource_kind(),
            id: "thing".into(),
            organisations: ids(&case.organisations),
            suppliers: ids(&case.suppliers),
            recipients: ids(&case.recipients),
            jurisdictions: case.jurisdictions.iter().cloned().collect(),
            principal: case.person.map(|id| PrincipalId::new(id).unwrap()),
            purpose: Some(Purpose::Research),
            state: Some(case.state.unwrap_or(GrantState::Active)),
            term: Some((now(), now().plus_days(1))),
        };
        let context = Context {
            purpose: case.purpose,
            time: case.time.unwrap_or(now()),
            address: case.address,
            grade: Some(case.grade.unwrap_or(Grade::new(3).unwrap())),
            capacity: case.capacity,
        };
        let decision = authoriser.authorise(&Request { principal: &asking, action, resource, context });
        assert_eq!(decision.is_allowed(), case.allow, "{name}: {decision:?}");
        if let Some(policy) = &case.policy {
            let named = match &decision {
                Decision::Allowed { policies } => policies.contains(policy),
                Decision::Denied(refusal) => refusal.rule.contains(&format!("`{policy}`")),
            };
            assert!(named, "{name}: expected policy {policy}, found {decision:?}");
        }
    }
}

#[test]
fn every_policy_decides_some_case() {
    let told: String = table().case.into_iter().filter_map(|case| case.policy).collect::<Vec<_>>().join(" ");
    let authoriser = authoriser();
    let mut used = String::new();
    for action in Action::ALL {
        for role in Role::ALL {
            for own in [true, false] {
                used.push_str(&format!("{:?}", ask(&authoriser, *action, role, own)));
            }
        }
    }
    for line in POLICIES.lines().filter_map(|line| line.strip_prefix("@id(\"")) {
        let id = line.trim_end_matches("\")");
        assert!(told.contains(id) || used.contains(id), "no case meets policy `{id}`");
    }
}

#[test]
fn policies_that_could_fail_are_not_loaded() {
    let fault = |policies: &str| match Authoriser::new(policies, SCHEMA) {
        Err(PolicyError::Policies { detail }) => detail,
        other => panic!("{other:?}"),
    };
    assert!(fault("permit (principal, action, resource);").contains("@id"));
    assert!(fault("permit (principal").contains("unexpected"));
    let twice = "@id(\"a\") permit (principal, action == Action::\"key.read\", resource);";
    assert!(fault(&format!("{twice}{twice}")).contains('a'));
    // An attribute that may be absent, asked for without `has`.
    let careless =
        "@id(\"a\") forbid (principal, action == Action::\"key.read\", resource) when { context.grade > 3 };";
    assert!(fault(careless).contains("grade"));
    // An action that the schema does not know: a typing error would otherwise permit nothing, or forbid nothing.
    let unknown = "@id(\"a\") forbid (principal, action == Action::\"key.raed\", resource);";
    assert!(fault(unknown).contains("key.raed"));
    assert!(fault("@id(\"a\") permit (principal == ?principal, action, resource);").contains("templates"));
}

#[test]
fn a_schema_without_an_action_is_not_loaded() {
    let lacking: String = SCHEMA.lines().filter(|line| !line.contains("release.read")).collect::<Vec<_>>().join("\n");
    let policies = "@id(\"a\") permit (principal, action == Action::\"key.read\", resource);";
    let fault = Authoriser::new(policies, &lacking).unwrap_err();
    assert!(fault.to_string().contains("release.read"), "{fault}");
    assert!(Authoriser::new(policies, SCHEMA).is_ok());
}

#[test]
fn without_policies_nothing_is_permitted() {
    let authoriser = Authoriser::new("", SCHEMA).unwrap();
    for action in Action::ALL {
        for role in Role::ALL {
            assert!(!ask(&authoriser, *action, role, true).is_allowed(), "{action} {role:?}");
        }
    }
}

#[test]
fn a_resource_of_another_kind_is_denied() {
    let principal = principal("me", "mine", &[Role::Developer]);
    let resource = ResourceRef::enclave();
    let request = Request { principal: &principal, action: Action::JobRead, resource, context: Context::at(now()) };
    let refusal = authoriser().authorise(&request).into_result().unwrap_err();
    assert_eq!(refusal.code, "policy.undecidable");
}

#[test]
fn a_principal_without_a_role_reads_only_what_all_may() {
    let nobody = principal("me", "mine", &[]);
    let authoriser = authoriser();
    for action in Action::ALL {
        for own in [true, false] {
            let resource = resource(*action, Role::Developer, own);
            let request = Request { principal: &nobody, action: *action, resource, context: Context::at(now()) };
            let open = ["organisation.read", "principal.read", "key.read", "audit.prove"].contains(&action.as_str());
            assert!(open || !authoriser.authorise(&request).is_allowed(), "{action}");
        }
    }
}
