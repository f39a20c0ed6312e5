//! An enclave without a server, small enough to be stopped, copied, damaged and opened again many times over: everyone
//! on file, a table of 400 persons, an approved grant, a module, and one release that has left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use glovebox_api::{Decision, JobState, JobView, NewPrincipal, SourceFormat, SubmitJob};
use glovebox_audit::{SignedTreeHead, verify_export};
use glovebox_catalog::{
    Budget, Capacity, Dataset, DatasetId, DatasetScope, Grant, GrantTerms, LegalBasis, Organisation, OrganisationId,
    OrganisationKind, Principal, PrincipalId, Purpose, Recipient, Role, Timestamp,
};
use glovebox_engine::{Bootstrap, Caller, Config, Engine, GrantAction, PageQuery};
use glovebox_gm::VerifyingKey;
use glovebox_meter::Amounts;

use crate::rest::zone::{PASSPHRASE, PEOPLE, now_unix_ms, repository};

/// Name of [`unguarded_profile`].
pub(crate) const UNGUARDED: &str = "default-unguarded";
const DAY_MS: i64 = 86_400_000;
/// Far more than any of these jobs takes, on a machine that does ten other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// What an enclave was made with; enough to go on after it was opened again.
#[derive(Clone)]
pub(crate) struct Contents {
    pub(crate) dataset: DatasetId,
    pub(crate) job: SubmitJob,
}

/// Someone on file, as the engine sees them.
pub(crate) fn caller(id: &str) -> Caller {
    let (_, organisation, _, role) = PEOPLE.into_iter().find(|person| person.0 == id).unwrap();
    Caller {
        principal: Principal {
            id: PrincipalId::new(id).unwrap(),
            name: id.to_owned(),
            organisation: OrganisationId::new(organisation).unwrap(),
            roles: [role].into(),
            active: true,
        },
        address: None,
    }
}

/// One worker, so that jobs run in the order of their submission.
pub(crate) fn config(state: &Path) -> Config {
    let mut config = Config::new(state);
    config.workers = 1;
    config.passphrase_iterations = 10_000;
    // How long a run took is no secret in these tests.
    config.pace_step = Duration::ZERO;
    config.ingest_memory_bytes = 16 << 20;
    config.profiles = vec![unguarded_profile()];
    config
}

/// The profile `default` without its guard against differencing, for tests of what else could tell something.
pub(crate) fn unguarded_profile() -> String {
    let text = std::fs::read_to_string(repository("policies/disclosure/default.toml")).unwrap();
    let unguarded =
        text.replace("name = \"default\"", &format!("name = \"{UNGUARDED}\"")).replace("\ndifferencing = 10\n", "\n");
    assert!(!unguarded.contains("differencing ="), "the profile has another form");
    unguarded
}

pub(crate) fn open(state: &Path) -> Engine {
    Engine::open(config(state), PASSPHRASE).unwrap()
}

/// 400 persons, one row each: both sexes, ages 18 to 80, body-mass indices from 18.0 to 42.9. `seed` shifts the values.
pub(crate) fn table(seed: u32) -> String {
    let row = |person: u32| {
        let sex = if person.is_multiple_of(2) { "female" } else { "male" };
        let age = 18 + (person * 7 + seed) % 63;
        format!("{person},{sex},{age},{:.1}\n", 18.0 + f64::from((person * 13 + seed) % 250) / 10.0)
    };
    std::iter::once("person_id,sex,age_years,bmi\n".to_owned()).chain((1..=400).map(row)).collect()
}

/// Four fields of the NHANES schema, under another id.
pub(crate) fn dataset() -> Dataset {
    let text = std::fs::read_to_string(repository("examples/data/nhanes-2017/dataset.json")).unwrap();
    let mut dataset: Dataset = serde_json::from_str(&text).unwrap();
    dataset.id = DatasetId::new("clinic").unwrap();
    dataset.schema.fields.retain(|field| ["person_id", "sex", "age_years", "bmi"].contains(&field.name.as_str()));
    dataset
}

pub(crate) fn terms(dataset: &DatasetId) -> GrantTerms {
    GrantTerms {
        title: "Obesity by age".into(),
        purpose: Purpose::Research,
        basis: LegalBasis::PublicOrAnonymised,
        scopes: vec![DatasetScope {
            dataset: dataset.clone(),
            fields: ["sex", "age_years", "bmi"].map(str::to_owned).into(),
            filter: None,
        }],
        valid_from: Timestamp::from_unix_ms(now_unix_ms() - DAY_MS),
        valid_until: Timestamp::from_unix_ms(now_unix_ms() + 30 * DAY_MS),
        recipients: vec![Recipient {
            organisation: OrganisationId::new("company-c").unwrap(),
            jurisdiction: "CN".into(),
        }],
        budget: Budget {
            jobs_max: 10_000,
            releases_max: 10_000,
            claims_max: 1 << 40,
            cells_max: 1_000_000,
            bytes_out_max: 1 << 40,
            fuel_max_units: 1 << 60,
            rows_max: 1 << 40,
            leakage_bits_max: 1 << 40,
            epsilon_max: glovebox_catalog::Epsilon::ZERO,
        },
        disclosure_profile: "default".into(),
        isolations: glovebox_catalog::automatic_isolations(),
        review_required: false,
        agreement_sm3: "0".repeat(64),
    }
}

pub(crate) fn module_bytes() -> Vec<u8> {
    std::fs::read(repository("examples/jobs/bmi-by-age-sex/bmi-by-age-sex.wasm")).unwrap()
}

/// Makes an enclave in `state`, runs one job in it, and stops it.
pub(crate) async fn make(state: &Path) -> Contents {
    let (id, organisation, kind, role) = PEOPLE[0];
    let bootstrap =
        Bootstrap { organisation: organisation_of(organisation, kind), principal: person(id, organisation, role) };
    let engine = Engine::create(config(state), PASSPHRASE, bootstrap).unwrap();
    let officer = caller("officer");
    for (id, organisation, kind, role) in PEOPLE.into_iter().skip(1) {
        if organisation != "zone-ops" {
            engine.create_organisation(&officer, organisation_of(organisation, kind)).unwrap();
        }
        engine.create_principal(&officer, person(id, organisation, role)).unwrap();
    }
    let dataset = dataset();
    engine.register_dataset(&caller("supplier"), dataset.clone()).unwrap();
    ingest(&engine, &dataset.id, &table(0)).await;
    let grant = granted(&engine, terms(&dataset.id));
    let module = engine.submit_module(&caller("developer"), &module_bytes()).unwrap();
    let job = SubmitJob {
        grant: grant.id,
        dataset: dataset.id.clone(),
        module: module.id,
        parameters: BTreeMap::new(),
        privacy: None,
    };
    engine.start();
    let first = engine.submit_job(&caller("developer"), job.clone()).unwrap();
    assert_eq!(ended(&engine, &first).await.state, JobState::Released);
    engine.shutdown(PATIENCE).await;
    Contents { dataset: dataset.id, job }
}

pub(crate) async fn ingest(engine: &Engine, dataset: &DatasetId, table: &str) -> u32 {
    let (operator, progress) = (caller("operator"), Arc::new(|_, _| {}));
    let report = engine.ingest(&operator, dataset, SourceFormat::Csv, table.as_bytes(), progress).await.unwrap();
    report.snapshot.number
}

/// Proposes a grant and has it approved by all who must.
pub(crate) fn granted(engine: &Engine, terms: GrantTerms) -> Grant {
    let grant = engine.propose_grant(&caller("developer"), terms).unwrap();
    let why = || Decision { comment: "fine".into() };
    for (who, capacity) in [("supplier", Capacity::Supplier), ("reviewer", Capacity::Reviewer)] {
        let approve = GrantAction::Approve { capacity: Some(capacity) };
        engine.decide_grant(&caller(who), &grant.id, approve, why()).unwrap();
    }
    engine.grant(&caller("operator"), &grant.id).unwrap()
}

/// Waits for the end of a job.
pub(crate) async fn ended(engine: &Engine, job: &JobView) -> JobView {
    let start = Instant::now();
    loop {
        let now = engine.job(&caller("operator"), &job.id).unwrap();
        if now.state.is_final() {
            return now;
        }
        assert!(start.elapsed() < PATIENCE, "{now:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Every job, the newest first.
pub(crate) fn jobs(engine: &Engine) -> Vec<JobView> {
    engine.jobs(&caller("operator"), &PageQuery { cursor: None, limit: 500 }).unwrap().items
}

/// What is committed and what is reserved under the one grant of [`Contents`].
pub(crate) fn account(engine: &Engine, contents: &Contents) -> (Amounts, Amounts) {
    let meters = engine.meters(&caller("operator")).unwrap();
    let meters = meters.into_iter().find(|meters| meters.grant == contents.job.grant).unwrap();
    (meters.committed, meters.reserved)
}

pub(crate) fn key(engine: &Engine) -> VerifyingKey {
    VerifyingKey::from_pem(&engine.key().unwrap().public_key_pem).unwrap()
}

pub(crate) fn head(engine: &Engine) -> SignedTreeHead {
    engine.tree_head(&caller("regulator")).unwrap()
}

/// Verifies the whole log, and that it goes on from `before`; returns its lines.
pub(crate) fn verified_log(engine: &Engine, before: &SignedTreeHead) -> Vec<String> {
    let lines: Vec<String> = engine.export(&caller("regulator")).unwrap().map(Result::unwrap).collect();
    let text: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
    verify_export(text.as_bytes(), &key(engine), Some(before)).unwrap();
    lines
}

/// Copies a folder and all in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn organisation_of(id: &str, kind: OrganisationKind) -> Organisation {
    Organisation { id: OrganisationId::new(id).unwrap(), name: id.to_owned(), kind, jurisdiction: "CN".into() }
}

fn person(id: &str, organisation: &str, role: Role) -> NewPrincipal {
    NewPrincipal {
        id: PrincipalId::new(id).unwrap(),
        name: id.to_owned(),
        organisation: OrganisationId::new(organisation).unwrap(),
        roles: [role].into(),
    }
}

/// A module whose every person burns all the fuel it may.
pub(crate) fn slow_module() -> Vec<u8> {
    person_module("slow", "count", "", "(loop $again (br $again))")
}

/// A module of isolation `person` over `bmi`, whose `gb_person` runs `body` and contributes nothing.
pub(crate) fn person_module(name: &str, reducer: &str, bounds: &str, body: &str) -> Vec<u8> {
    let manifest = format!(
        r#"{{"abi": "glovebox:job@0.1.0", "name": "{name}", "version": "1", "description": "a test",
            "isolation": "person", "inputs": [{{"name": "bmi", "type": "float64"}}],
            "outputs": [{{"name": "out", "reducer": "{reducer}"{bounds}}}], "contributions_per_person_max": 1}}"#
    );
    let escaped: String = manifest.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    wat::parse_str(format!(
        "(module
           (@custom \"glovebox.job\" \"{escaped}\")
           (memory (export \"memory\") 1)
           (func (export \"gb_alloc\") (param i32 i32) (result i32) (i32.const 1024))
           (func (export \"gb_person\") (param i32) (result i64) {body} (i64.const 0)))"
    ))
    .unwrap()
}
