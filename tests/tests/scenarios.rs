//! Scenarios as data: job, grant, parameters and table on one side, what leaves or why nothing does on the other
//! (tests/scenarios/README.md). Each runs over the REST interface, through every door that its job has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glovebox_api::{JobState, SourceFormat, SubmitJob};
use glovebox_catalog::{
    Budget, Capacity, Dataset, DatasetScope, Grant, GrantTerms, LegalBasis, OrganisationId, Purpose, Recipient,
    RowFilter, Timestamp,
};
use glovebox_client::{Client, ClientError};
use glovebox_gate::{Cell, ReleaseDocument};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::enclave::{UNGUARDED, unguarded_profile};
use crate::rest::zone::{Zone, now_unix_ms, repository};
use crate::world::{file_others, other};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    title: String,
    /// Folder of examples/data.
    dataset: String,
    /// Folder of examples/jobs; every module in it is run.
    job: String,
    #[serde(default)]
    parameters: BTreeMap<String, f64>,
    /// Jobs that run and are released under the grant before the one that counts.
    #[serde(default)]
    released_before: u32,
    grant: GrantPart,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantPart {
    purpose: Purpose,
    fields: Vec<String>,
    filter: Option<RowFilter>,
    /// The job is submitted once these are over.
    valid_seconds: Option<i64>,
    #[serde(default)]
    budget: BudgetPart,
}

/// What differs from a budget that is never used up.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetPart {
    jobs_max: Option<u64>,
    releases_max: Option<u64>,
    cells_max: Option<u64>,
    bytes_out_max: Option<u64>,
    fuel_max_units: Option<u64>,
    rows_max: Option<u64>,
    leakage_bits_max: Option<u64>,
}

impl GrantPart {
    fn terms(&self, dataset: &Dataset, recipient: &str) -> GrantTerms {
        let now = now_unix_ms();
        let BudgetPart { jobs_max, releases_max, cells_max, bytes_out_max, fuel_max_units, rows_max, leakage_bits_max } =
            self.budget;
        let fields = self.fields.iter().cloned().collect();
        GrantTerms {
            title: "A scenario".into(),
            purpose: self.purpose,
            basis: LegalBasis::PublicOrAnonymised,
            scopes: vec![DatasetScope { dataset: dataset.id.clone(), fields, filter: self.filter.clone() }],
            valid_from: Timestamp::from_unix_ms(now - 60_000),
            valid_until: Timestamp::from_unix_ms(now + 1_000 * self.valid_seconds.unwrap_or(86_400)),
            recipients: vec![Recipient {
                organisation: OrganisationId::new(recipient).unwrap(),
                jurisdiction: "CN".into(),
            }],
            budget: Budget {
                jobs_max: jobs_max.unwrap_or(1_000),
                releases_max: releases_max.unwrap_or(1_000),
                cells_max: cells_max.unwrap_or(1_000_000),
                claims_max: 1 << 40,
                bytes_out_max: bytes_out_max.unwrap_or(1 << 40),
                fuel_max_units: fuel_max_units.unwrap_or(1 << 60),
                rows_max: rows_max.unwrap_or(1 << 40),
                leakage_bits_max: leakage_bits_max.unwrap_or(1 << 40),
                epsilon_max: glovebox_catalog::Epsilon::ZERO,
            },
            disclosure_profile: UNGUARDED.into(),
            isolations: glovebox_catalog::automatic_isolations(),
            review_required: false,
            agreement_sm3: "0".repeat(64),
        }
    }
}

/// The modules of an example job: the columnar door, and the component door where the job has it.
fn doors(job: &str) -> Vec<PathBuf> {
    let folder = repository("examples/jobs").join(job);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut modules: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "wasm")).collect();
    modules.sort();
    assert!(!modules.is_empty(), "{job} has no module");
    modules
}

struct Stage {
    zone: Zone,
    datasets: BTreeMap<String, Dataset>,
}

impl Stage {
    async fn set() -> Self {
        // `expected.py` judges each table by itself; what tables say together is the guard's, tried in `attacks`.
        let change = |config: &mut glovebox_engine::Config| {
            config.workers = 2;
            config.profiles = vec![unguarded_profile()];
        };
        let zone = Zone::start_with(Default::default(), change).await;
        file_others(&zone).await;
        let mut datasets = BTreeMap::new();
        for name in ["nhanes-2017", "rand-hie"] {
            let folder = repository("examples/data").join(name);
            let text = std::fs::read_to_string(folder.join("dataset.json")).unwrap();
            let dataset: Dataset = serde_json::from_str(&text).unwrap();
            supplier(&zone, &dataset).register_dataset(&dataset).await.unwrap();
            let table = folder.join(format!("{name}.csv"));
            zone.client("operator").ingest_file(&dataset.id, SourceFormat::Csv, table, |_| {}).await.unwrap();
            datasets.insert(name.to_owned(), dataset);
        }
        Self { zone, datasets }
    }

    async fn granted(&self, terms: &GrantTerms, dataset: &Dataset) -> Grant {
        let grant = self.zone.client("developer").propose_grant(terms).await.unwrap();
        let why = Default::default();
        supplier(&self.zone, dataset).approve_grant(&grant.id, Some(Capacity::Supplier), &why).await.unwrap();
        self.zone.client("reviewer").approve_grant(&grant.id, None, &why).await.unwrap()
    }

    /// What comes out of a scenario through one door, in the form of its expected.json.
    async fn play(&self, scenario: &Scenario, door: &Path) -> Value {
        let dataset = &self.datasets[&scenario.dataset];
        let terms = scenario.grant.terms(dataset, "company-c");
        let grant = self.granted(&terms, dataset).await;
        let developer = self.zone.client("developer");
        let module = developer.submit_module(std::fs::read(door).unwrap()).await.unwrap();
        let request = SubmitJob {
            grant: grant.id,
            dataset: dataset.id.clone(),
            module: module.id,
            parameters: scenario.parameters.clone(),
            privacy: None,
        };
        for _ in 0..scenario.released_before {
            let before = developer.submit_job(&request).await.unwrap();
            assert_eq!(developer.finished_job(&before.id).await.unwrap().state, JobState::Released);
        }
        if scenario.grant.valid_seconds.is_some() {
            let left = u64::try_from(terms.valid_until.unix_ms() - now_unix_ms()).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(left + 50)).await;
        }
        let submitted = match developer.submit_job(&request).await {
            Ok(submitted) => submitted,
            Err(ClientError::Problem(problem)) => {
                let codes: Vec<_> = problem.reasons.iter().map(|reason| reason.code.as_str()).collect();
                return json!({"status": problem.status, "codes": codes});
            }
            Err(error) => panic!("{error}"),
        };
        let ended = developer.finished_job(&submitted.id).await.unwrap();
        if let Some(release) = &ended.release {
            assert_eq!(ended.state, JobState::Released);
            return shown(&developer.release(release).await.unwrap());
        }
        let mut codes: Vec<_> = ended.reasons.iter().map(|reason| reason.code.as_str()).collect();
        codes.dedup();
        json!({"state": ended.state, "codes": codes})
    }
}

/// Someone who decides for the dataset's supplier.
fn supplier(zone: &Zone, dataset: &Dataset) -> Client {
    match dataset.supplier.as_str() {
        "hospital-a" => zone.client("supplier"),
        "hospital-b" => other(zone, "supplier-b"),
        unknown => panic!("nobody acts for {unknown}"),
    }
}

/// A release as expected.json has it: cells by their keys, each a number with its step, or the code of its suppression.
fn shown(document: &ReleaseDocument) -> Value {
    let cell = |cell: &Cell| {
        let key = if cell.keys.is_empty() { "overall".to_owned() } else { cell.keys.join(" / ") };
        let shown = match (&cell.value, &cell.rounded_to, &cell.suppression) {
            (Some(value), Some(step), None) => json!([value, step]),
            (None, None, Some(refusal)) => json!(refusal.code),
            _ => panic!("neither shown nor suppressed: {cell:?}"),
        };
        (key, shown)
    };
    let tables = document.tables.iter().map(|table| {
        let cells: serde_json::Map<_, _> = table.cells.iter().chain(&table.margins).map(cell).collect();
        (table.output.clone(), Value::Object(cells))
    });
    json!({"state": "released", "tables": tables.collect::<serde_json::Map<_, _>>()})
}

/// Where two JSON values differ, one line each.
fn differences(place: &str, expected: &Value, found: &Value, told: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let at = |of: &serde_json::Map<String, Value>| of.get(key).cloned().unwrap_or(Value::Null);
                differences(&format!("{place}.{key}"), &at(a), &at(b), told);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{place}[{index}]"), a, b, told);
            }
        }
        _ if expected == found => {}
        _ => told.push(format!("{place}: expected {expected}, found {found}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_comes_out_as_written_through_every_door() {
    let mut folders: Vec<_> = std::fs::read_dir(repository("tests/scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 17, "{} scenarios", folders.len());
    let stage = Stage::set().await;
    let mut told = Vec::new();
    let mut both_doors = 0;
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let scenario: Scenario =
            toml::from_str(&std::fs::read_to_string(folder.join("scenario.toml")).unwrap()).unwrap();
        assert!(!scenario.title.is_empty());
        let expected: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
        let doors = doors(&scenario.job);
        both_doors += usize::from(doors.len() == 2);
        for door in doors {
            let found = stage.play(&scenario, &door).await;
            let place = format!("{name} through {}", door.file_name().unwrap().to_str().unwrap());
            differences(&place, &expected, &found, &mut told);
        }
    }
    assert!(told.is_empty(), "{} differences:\n{}", told.len(), told.join("\n"));
    assert!(both_doors >= 1);
}

/// The numbers of one scenario once more, straight from the table: nothing here knows the gate.
#[test]
fn the_expected_numbers_of_the_survey_are_those_of_its_table() {
    let text = std::fs::read_to_string(repository("tests/scenarios/bmi-by-age-sex/expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let mut table = csv::Reader::from_path(repository("examples/data/nhanes-2017/nhanes-2017.csv")).unwrap();
    let headers = table.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (sex, age, bmi) = (column("sex"), column("age_years"), column("bmi"));
    let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in table.records().map(Result::unwrap) {
        let years: u32 = row[age].parse().unwrap();
        let edges = [18, 30, 40, 50, 60, 70, 81];
        let band = edges.windows(2).find(|band| (band[0]..band[1]).contains(&years));
        if let (Some(band), Ok(bmi)) = (band, row[bmi].parse::<f64>()) {
            found.entry(format!("{} / [{}, {})", &row[sex], band[0], band[1])).or_default().push(bmi);
        }
    }
    assert_eq!(found.len(), 12);
    let table = |output: &str, key: &str| expected["tables"][output][key].clone();
    let to_five = |count: usize| json!([(count + 2) / 5 * 5, 5]);
    let mut all = 0;
    for (key, values) in &found {
        assert_eq!(table("persons", key), to_five(values.len()), "{key}");
        assert_eq!(table("obese", key), to_five(values.iter().filter(|bmi| **bmi >= 30.0).count()), "{key}");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let (shown, step) = (table("mean_bmi", key)[0].as_f64().unwrap(), table("mean_bmi", key)[1].as_f64().unwrap());
        assert!((mean - shown).abs() <= step / 2.0 + 1e-9 && step <= 1.0, "{key}: {mean} shown as {shown} by {step}");
        all += (values.len() + 2) / 5 * 5;
    }
    assert_eq!(table("persons", "* / *"), json!([all, 5]));
}
