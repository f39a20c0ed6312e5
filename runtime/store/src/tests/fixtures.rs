//! A zone with one hospital, one company, one grant and one module.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use glovebox_audit::{Actor, Draft, Statement};
use glovebox_catalog::{
    Budget, Category, Dataset, DatasetId, Door, Grade, Grant, GrantId, GrantState, GrantTerms, Isolation, JobId,
    JobManifest, LegalBasis, ModuleId, Organisation, OrganisationId, OrganisationKind, Principal, PrincipalId, Purpose,
    Refusal, ReleaseId, Role, Schema, Separation, Sharing, Snapshot, Timestamp,
};
use glovebox_gm::{Key256, SigningKey, sm3};
use glovebox_meter::Amounts;

use crate::{BudgetLimits, JobRow, ModuleRow, ReleaseRow, Settlement, StateKey, Store, StoreError};

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-11-23T08:00:00Z").unwrap()
}

pub(crate) fn draft(action: &str) -> Draft {
    let actor = Actor {
        principal: Some(PrincipalId::new("lin.wei").unwrap()),
        organisation: Some(hospital()),
        address: Some("10.0.0.7".into()),
    };
    Draft::done(now(), actor, action, "thing/1")
}

pub(crate) fn hospital() -> OrganisationId {
    OrganisationId::new("hospital").unwrap()
}

pub(crate) fn company() -> OrganisationId {
    OrganisationId::new("company").unwrap()
}

pub(crate) fn developer() -> PrincipalId {
    PrincipalId::new("dev").unwrap()
}

pub(crate) fn grant_id() -> GrantId {
    GrantId::new("grt-1").unwrap()
}

pub(crate) fn job_id(number: u64) -> JobId {
    JobId::new(format!("job-{number:08}")).unwrap()
}

pub(crate) fn organisation(id: &OrganisationId, kind: OrganisationKind) -> Organisation {
    Organisation { id: id.clone(), name: id.to_string(), kind, jurisdiction: "CN".into() }
}

pub(crate) fn principal(id: &str) -> Principal {
    Principal {
        id: PrincipalId::new(id).unwrap(),
        name: id.into(),
        organisation: company(),
        roles: [Role::Developer].into(),
        active: true,
    }
}

pub(crate) fn dataset(id: &str) -> Dataset {
    Dataset {
        id: DatasetId::new(id).unwrap(),
        supplier: hospital(),
        title: "A table".into(),
        description: String::new(),
        category: Category::HealthStatus,
        grade: Grade::new(3).unwrap(),
        sharing: Sharing::Conditional,
        conditions: String::new(),
        update_period_days: None,
        source: "made up".into(),
        licence: "CC0-1.0".into(),
        privacy: None,
        limits: glovebox_catalog::DatasetLimits::default(),
        assessment: None,
        schema: Schema { person_key: "id".into(), fields: Vec::new() },
    }
}

pub(crate) fn snapshot(number: u32) -> Snapshot {
    Snapshot {
        dataset: dataset("table").id,
        number,
        rows: 10,
        persons: 9,
        quarantined_rows: 0,
        digest_sm3: "0".repeat(64),
        size_bytes: 1,
        published_at: now(),
    }
}

pub(crate) fn grant(id: &GrantId) -> Grant {
    Grant {
        id: id.clone(),
        proposed_by: developer(),
        organisation: company(),
        proposed_at: now(),
        terms: GrantTerms {
            title: "BMI".into(),
            purpose: Purpose::Research,
            basis: LegalBasis::Consent,
            scopes: Vec::new(),
            valid_from: now(),
            valid_until: now().plus_days(1),
            recipients: Vec::new(),
            budget: Budget {
                jobs_max: 10,
                releases_max: 10,
                claims_max: 1 << 40,
                cells_max: 10,
                bytes_out_max: 10,
                fuel_max_units: 1_000,
                rows_max: 10,
                leakage_bits_max: 10,
                epsilon_max: glovebox_catalog::Epsilon::ZERO,
            },
            disclosure_profile: "default".into(),
            isolations: glovebox_catalog::automatic_isolations(),
            review_required: false,
            agreement_sm3: "0".repeat(64),
        },
        suppliers: [hospital()].into(),
        approvals: Vec::new(),
        responsible: None,
        revision: 0,
        asked: None,
        suspended_by: Default::default(),
        state: GrantState::Active,
    }
}

pub(crate) const WASM: &[u8] = b"\0asm\x01\0\0\0";

pub(crate) fn module() -> ModuleRow {
    let manifest = serde_json::json!({
        "abi": glovebox_catalog::ABI_VERSION, "name": "job", "version": "1.0.0", "description": "",
        "isolation": "row", "inputs": [{"name": "sex", "type": "boolean"}],
        "outputs": [{"name": "persons", "reducer": "distinct-persons"}], "contributions_per_person_max": 1
    });
    ModuleRow {
        id: ModuleId::new(sm3(WASM).to_string()).unwrap(),
        sha256: "0".repeat(64),
        size_bytes: WASM.len() as u64,
        organisation: company(),
        submitted_by: developer(),
        submitted_at: now(),
        door: Door::Columnar,
        separation: Separation::StatelessProof,
        manifest: JobManifest::parse(manifest.to_string().as_bytes()).unwrap(),
    }
}

pub(crate) fn job(number: u64) -> JobRow {
    JobRow {
        id: job_id(number),
        grant: grant_id(),
        dataset: dataset("table").id,
        supplier: hospital(),
        module: module().id,
        request: "{}".into(),
        organisation: company(),
        submitted_by: developer(),
        submitted_at: now(),
        state: "queued".into(),
        reasons: Vec::new(),
        release: None,
        reservation: None,
        privacy: None,
        used: None,
        started_at: None,
        ended_at: None,
        snapshot: None,
    }
}

pub(crate) fn amounts(fuel_units: u64) -> Amounts {
    Amounts { jobs: 1, fuel_units, ..Amounts::default() }
}

pub(crate) fn limit(fuel_units: u64) -> BudgetLimits {
    BudgetLimits { grant: Amounts { fuel_units, ..Amounts::UNLIMITED }, developer: Amounts::UNLIMITED }
}

pub(crate) fn release(number: u64) -> ReleaseRow {
    ReleaseRow {
        id: ReleaseId::new(format!("rel-{number:08}")).unwrap(),
        job: job_id(number),
        organisation: company(),
        created_at: now(),
        document: "{\"tables\":[]}".into(),
    }
}

pub(crate) fn statement(number: u64, key: &SigningKey, log_id: &str) -> Statement {
    let digest = sm3(b"");
    Statement {
        receipt_version: glovebox_audit::RECEIPT_VERSION,
        enclave_fingerprint: key.verifying_key().fingerprint(),
        log_id: log_id.into(),
        job: job_id(number),
        release: Some(release(number).id),
        outcome: "released".into(),
        developer: developer(),
        organisation: company(),
        grant: grant_id(),
        grant_terms_sm3: digest,
        policy_sm3: digest,
        disclosure_profile: "default".into(),
        disclosure_profile_sm3: digest,
        dataset: dataset("table").id,
        snapshot: 1,
        snapshot_sm3: digest,
        module: module().id,
        module_sha256: "0".repeat(64),
        isolation: Isolation::Row,
        separation: Separation::StatelessProof,
        mechanism: "disclosure-rules".into(),
        parameters: BTreeMap::new(),
        output_sm3: Some(sm3(release(number).document.as_bytes())),
        cells_released: 1,
        cells_withheld: 0,
        meters: BTreeMap::new(),
        started_at: now(),
        ended_at: now(),
    }
}

/// How a job with release and receipt ends.
pub(crate) fn settlement(number: u64, used: Amounts, key: &SigningKey, log_id: &str) -> Settlement<'static> {
    let statement = statement(number, key, log_id);
    let signature = statement.sign(key).unwrap();
    Settlement {
        job: job_id(number),
        from: &["running"],
        to: "released",
        reasons: Vec::new(),
        used,
        ended_at: now(),
        release: Some(release(number)),
        statement: Some((statement, signature)),
        privacy_used: glovebox_meter::PrivacyLoss::ZERO,
        review: None,
    }
}

pub(crate) fn failure(number: u64, used: Amounts) -> Settlement<'static> {
    Settlement {
        reasons: vec![Refusal::new("run.trap", "a module does not trap", "module", "correct the module")],
        ..Settlement::new(job_id(number), &["running"], "failed", used, now())
    }
}

/// Files organisations, a principal, a dataset with a snapshot, a grant and a module.
pub(crate) fn furnish(store: &Store) {
    let report = serde_json::json!({"rows_read": 10});
    store
        .put_organisation(&organisation(&hospital(), OrganisationKind::Supplier), draft("organisation.create"))
        .unwrap();
    store
        .put_organisation(&organisation(&company(), OrganisationKind::Developer), draft("organisation.create"))
        .unwrap();
    store.put_principal(&principal("dev"), draft("principal.create")).unwrap();
    store.put_dataset(&dataset("table"), draft("dataset.register")).unwrap();
    store.publish(&snapshot(1), &report, draft("dataset.ingest")).unwrap();
    store.put_grant(&grant(&grant_id()), draft("grant.propose")).unwrap();
    store.put_module(&module(), WASM, draft("module.submit")).unwrap();
}

pub(crate) fn furnished() -> Store {
    let store = Store::in_memory().unwrap();
    furnish(&store);
    store
}

/// Submits, reserves and starts a job.
pub(crate) fn start(store: &Store, number: u64, reserved: Amounts, limit: &BudgetLimits) {
    store.insert_job(&job(number), draft("job.submit")).unwrap();
    store.reserve(&grant_id(), limit, reserved, &job_id(number), draft("job.reserve")).unwrap();
    let patch = crate::JobPatch { started_at: Some(now()), snapshot: Some(1), ..Default::default() };
    store.transition(&job_id(number), &["queued"], "running", patch, draft("job.start")).unwrap();
}

/// A file that is gone with the folder.
pub(crate) fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.sqlite");
    (folder, path)
}

/// The key under which the tests seal their state.
pub(crate) fn state_key() -> StateKey {
    StateKey::derive(&Key256::from_slice(&[7; 32]).unwrap())
}

/// Opens the store at `path`, or makes it.
pub(crate) fn open_file(path: &Path) -> Result<Store, StoreError> {
    if path.exists() { Store::open(path, state_key()) } else { Store::create(path, state_key()) }
}
