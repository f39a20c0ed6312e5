//! A small zone for the tests of this crate: one hospital, one company, one laboratory.

use std::collections::BTreeSet;

use glovebox_catalog::{
    Budget, Capacity, Category, Code, Dataset, DatasetId, DatasetScope, Field, FieldType, Grade, Grant, GrantId,
    GrantTerms, Identifiability, InputColumn, InputType, JobManifest, LegalBasis, Organisation, OrganisationId,
    OrganisationKind, Principal, PrincipalId, Purpose, Recipient, Role, Schema, Sharing, Snapshot, Timestamp,
};

use crate::{Authoriser, decide, propose};

pub(crate) const POLICIES: &str = concat!(
    include_str!("../../../policies/roles.cedar"),
    include_str!("../../../policies/datasets.cedar"),
    include_str!("../../../policies/grants.cedar"),
    include_str!("../../../policies/jobs.cedar"),
    include_str!("../../../policies/reviews.cedar"),
    include_str!("../../../policies/suspensions.cedar"),
    include_str!("../../../policies/transfer.cedar"),
);
pub(crate) const SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

pub(crate) fn authoriser() -> Authoriser {
    Authoriser::new(POLICIES, SCHEMA).unwrap()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-11-23T08:00:00Z").unwrap()
}

pub(crate) fn organisation_id(id: &str) -> OrganisationId {
    OrganisationId::new(id).unwrap()
}

pub(crate) fn grant_id() -> GrantId {
    GrantId::new("grt-1").unwrap()
}

pub(crate) fn principal(id: &str, organisation: &str, roles: &[Role]) -> Principal {
    Principal {
        id: PrincipalId::new(id).unwrap(),
        name: id.into(),
        organisation: organisation_id(organisation),
        roles: roles.iter().copied().collect(),
        active: true,
    }
}

pub(crate) fn developer() -> Principal {
    principal("dev", "company", &[Role::Developer])
}

pub(crate) fn supplier() -> Principal {
    principal("sup", "hospital", &[Role::Supplier])
}

pub(crate) fn reviewer() -> Principal {
    principal("rev", "laboratory", &[Role::Reviewer])
}

pub(crate) fn organisations() -> Vec<Organisation> {
    let organisation =
        |id: &str, kind| Organisation { id: organisation_id(id), name: id.into(), kind, jurisdiction: "CN".into() };
    vec![
        organisation("hospital", OrganisationKind::Supplier),
        organisation("company", OrganisationKind::Developer),
        organisation("laboratory", OrganisationKind::ReviewBoard),
    ]
}

pub(crate) fn dataset() -> Dataset {
    let field = |name: &str, field_type, grade, identifiability| Field {
        name: name.into(),
        description: name.into(),
        unit: None,
        field_type,
        nullable: false,
        grade: Grade::new(grade).unwrap(),
        category: Category::HealthStatus,
        identifiability,
    };
    let code = |value: &str| Code { value: value.into(), label: value.into() };
    let sex = FieldType::Code { codes: vec![code("1"), code("2")] };
    let whole = || FieldType::Int64 { min: None, max: None };
    let decimal = FieldType::Float64 { min: None, max: None };
    Dataset {
        id: DatasetId::new("table").unwrap(),
        supplier: organisation_id("hospital"),
        title: "A table".into(),
        description: String::new(),
        category: Category::HealthStatus,
        grade: Grade::new(5).unwrap(),
        sharing: Sharing::Conditional,
        conditions: String::new(),
        update_period_days: None,
        source: "made up".into(),
        licence: "CC0-1.0".into(),
        privacy: None,
        limits: glovebox_catalog::DatasetLimits::default(),
        assessment: None,
        schema: Schema {
            person_key: "person".into(),
            fields: vec![
                field("person", FieldType::Text, 4, Identifiability::Direct),
                field("phone", whole(), 4, Identifiability::Direct),
                field("note", FieldType::Text, 3, Identifiability::Sensitive),
                field("sex", sex, 2, Identifiability::Quasi),
                field("age", whole(), 3, Identifiability::Quasi),
                field("bmi", decimal, 3, Identifiability::Sensitive),
                field("visit", FieldType::Date, 3, Identifiability::Quasi),
                field("smoker", FieldType::Boolean, 3, Identifiability::Sensitive),
                field("hiv", FieldType::Boolean, 5, Identifiability::Sensitive),
            ],
        },
    }
}

pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        dataset: dataset().id,
        number: 1,
        rows: 100,
        persons: 90,
        quarantined_rows: 0,
        digest_sm3: "0".repeat(64),
        size_bytes: 1,
        published_at: now(),
    }
}

pub(crate) fn terms() -> GrantTerms {
    GrantTerms {
        title: "BMI by sex".into(),
        purpose: Purpose::Research,
        basis: LegalBasis::SeparateConsent,
        scopes: vec![DatasetScope {
            dataset: dataset().id,
            fields: ["sex", "age", "bmi", "hiv"].iter().map(|name| (*name).to_owned()).collect(),
            filter: None,
        }],
        valid_from: now(),
        valid_until: now().plus_days(30),
        recipients: vec![Recipient { organisation: organisation_id("company"), jurisdiction: "CN".into() }],
        budget: Budget {
            jobs_max: 3,
            releases_max: 3,
            claims_max: 1 << 40,
            cells_max: 100,
            bytes_out_max: 100_000,
            fuel_max_units: 1_000_000_000,
            rows_max: 1_000_000,
            leakage_bits_max: 1_000_000,
            epsilon_max: glovebox_catalog::Epsilon::ZERO,
        },
        disclosure_profile: "default".into(),
        isolations: glovebox_catalog::automatic_isolations(),
        review_required: false,
        agreement_sm3: "a".repeat(64),
    }
}

pub(crate) fn proposed() -> Grant {
    propose(grant_id(), terms(), &developer(), &[dataset()], &organisations(), now()).unwrap()
}

pub(crate) fn active() -> Grant {
    let mut grant = proposed();
    decide(&mut grant, &supplier(), Capacity::Supplier, true, "", now()).unwrap();
    decide(&mut grant, &reviewer(), Capacity::Reviewer, true, "", now()).unwrap();
    grant
}

pub(crate) fn manifest(inputs: &[(&str, InputType)]) -> JobManifest {
    let json = serde_json::json!({
        "abi": glovebox_catalog::ABI_VERSION, "name": "job", "version": "1.0.0", "description": "",
        "isolation": "row", "inputs": [{"name": "sex", "type": {"code": ["1"]}}],
        "outputs": [{"name": "persons", "reducer": "distinct-persons"}],
        "contributions_per_person_max": 1
    });
    let mut manifest = JobManifest::parse(json.to_string().as_bytes()).unwrap();
    manifest.inputs = inputs
        .iter()
        .map(|(name, input_type)| InputColumn { name: (*name).into(), input_type: input_type.clone(), nullable: false })
        .collect();
    manifest.check().unwrap();
    manifest
}

pub(crate) fn parties(ids: &[&str]) -> BTreeSet<OrganisationId> {
    ids.iter().map(|id| organisation_id(id)).collect()
}
