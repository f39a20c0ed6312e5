//! The example jobs that fit models and make tables, through the whole enclave: what leaves under rules or with noise is
//! still near what statsmodels, lifelines and pandas find (examples/jobs/references.json).
//!
//! Rounding is the same in every run: tolerances under rules are about twice what was measured. Tolerances with noise are at
//! least seven standard deviations of the fitted figure (each job's README says how far 95 of 100 runs are off), or fifteen
//! scales of Laplace noise, so chance fails a run less often than once in a million.

use std::collections::BTreeMap;

use glovebox_api::{JobState, JobView, SubmitJob};
use glovebox_catalog::{
    Capacity, Dataset, DatasetId, DatasetScope, Delta, Epsilon, GrantTerms, OrganisationId, Privacy, PrivacyLimit, Rho,
};
use glovebox_client::{Client, ClientError};
use glovebox_gate::{Cell, Mechanism, ReleaseDocument};
use serde_json::Value;

use crate::rest::zone::{Zone, repository, terms};
use crate::world::{file_others, ingest, other};

/// Both example tables in one zone, with limits of privacy loss that these tests can't reach.
struct Bench {
    zone: Zone,
    datasets: BTreeMap<&'static str, Dataset>,
}

impl Bench {
    async fn set() -> Self {
        let zone = Zone::start().await;
        file_others(&zone).await;
        let mut datasets = BTreeMap::new();
        for (name, supplier) in [("nhanes-2017", zone.client("supplier")), ("rand-hie", other(&zone, "supplier-b"))] {
            let read =
                |file: String| std::fs::read_to_string(repository(&format!("examples/data/{name}/{file}"))).unwrap();
            let mut dataset: Dataset = serde_json::from_str(&read("dataset.json".to_owned())).unwrap();
            let (epsilon, delta) = (Epsilon::new(1_000.0).unwrap(), Delta::new(1e-6).unwrap());
            dataset.privacy = Some(PrivacyLimit { epsilon, delta, epsilon_per_developer: None });
            supplier.register_dataset(&dataset).await.unwrap();
            ingest(&zone, &dataset, read(format!("{name}.csv"))).await;
            datasets.insert(name, dataset);
        }
        Self { zone, datasets }
    }

    /// A grant that opens every field which a job may read.
    fn terms(&self, table: &str, change: impl FnOnce(&mut GrantTerms)) -> GrantTerms {
        let dataset = &self.datasets[table];
        let open = |name: &&&str| dataset.schema.fields.iter().any(|field| field.name == ***name);
        let wanted = [
            "age_years",
            "sex",
            "bmi",
            "diabetes",
            "systolic_mmhg",
            "total_cholesterol_mgdl",
            "hba1c_percent",
            "admissions",
        ];
        let fields = wanted.iter().filter(open).map(|name| (*name).to_owned()).collect();
        let mut terms = terms(&dataset.id);
        terms.scopes = vec![DatasetScope { dataset: dataset.id.clone(), fields, filter: None }];
        terms.budget.epsilon_max = Epsilon::new(1_000.0).unwrap();
        change(&mut terms);
        terms
    }

    /// Runs a job to its end under a grant of its own; `tolerance` is the job's parameter, if it has one.
    async fn run(&self, job: &str, table: &str, how: How) -> (JobView, Option<ReleaseDocument>) {
        let mut request = self.request(job, table, self.terms(table, |_| {}), how.privacy).await;
        request.parameters = how.tolerance.map(|tolerance| ("tolerance".to_owned(), tolerance)).into_iter().collect();
        let developer = self.zone.client("developer");
        let submitted = developer.submit_job(&request).await.unwrap();
        let ended = developer.finished_job(&submitted.id).await.unwrap();
        let document = match &ended.release {
            Some(release) => Some(developer.release(release).await.unwrap()),
            None => None,
        };
        (ended, document)
    }

    async fn released(&self, job: &str, table: &str, how: How) -> ReleaseDocument {
        let (ended, document) = self.run(job, table, how).await;
        assert_eq!(ended.state, JobState::Released, "{job}: {:?}", ended.reasons);
        document.unwrap()
    }

    async fn request(&self, job: &str, table: &str, terms: GrantTerms, privacy: Option<Privacy>) -> SubmitJob {
        let dataset = &self.datasets[table];
        let developer = self.zone.client("developer");
        let grant = developer.propose_grant(&terms).await.unwrap();
        let why = Default::default();
        self.supplier(dataset).approve_grant(&grant.id, Some(Capacity::Supplier), &why).await.unwrap();
        self.zone.client("reviewer").approve_grant(&grant.id, None, &why).await.unwrap();
        let bytes = std::fs::read(repository(&format!("examples/jobs/{job}/{job}.wasm"))).unwrap();
        let module = developer.submit_module(bytes).await.unwrap().id;
        let dataset = DatasetId::new(table).unwrap();
        SubmitJob { grant: grant.id, dataset, module, parameters: BTreeMap::new(), privacy }
    }

    fn supplier(&self, dataset: &Dataset) -> Client {
        if dataset.supplier == OrganisationId::new("hospital-a").unwrap() {
            self.zone.client("supplier")
        } else {
            other(&self.zone, "supplier-b")
        }
    }
}

/// How a job is run: under rules, or with noise.
#[derive(Clone, Copy)]
struct How {
    privacy: Option<Privacy>,
    tolerance: Option<f64>,
}

const RULES: How = How { privacy: None, tolerance: None };

/// Noise that spends `rho` in each round, and steps that are as small as that end the rounds.
fn noise(rho: f64, tolerance: f64) -> How {
    How { privacy: Some(Privacy::Gaussian { rho: Rho::new(rho).unwrap() }), tolerance: Some(tolerance) }
}

fn references(job: &str) -> Value {
    let text = std::fs::read_to_string(repository("examples/jobs/references.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[job].clone()
}

fn laplace(epsilon: f64) -> Option<Privacy> {
    Some(Privacy::Laplace { epsilon: Epsilon::new(epsilon).unwrap() })
}

/// The state after the last round.
fn fitted(document: &ReleaseDocument, names: &[&str]) -> Vec<f64> {
    let model = document.model.as_ref().unwrap();
    assert_eq!(model.names, names);
    assert_eq!(model.rounds as usize, model.states.len());
    model.states.last().unwrap().clone()
}

fn expected(job: &str, names: &[&str]) -> Vec<f64> {
    let references = references(job);
    names.iter().map(|name| references[*name].as_f64().unwrap()).collect()
}

fn value(document: &ReleaseDocument, output: &str, keys: &[&str]) -> f64 {
    let table = document.tables.iter().find(|table| table.output == output).unwrap();
    let is_it = |cell: &&Cell| cell.keys == keys;
    table.cells.iter().chain(&table.margins).find(is_it).unwrap().value.unwrap_or(f64::NAN)
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    let is_near = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance);
    assert!(is_near, "{found:?} is not within {tolerance} of {expected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_tables_that_leave_are_near_those_of_the_statisticians_packages() {
    let bench = Bench::set().await;
    logistic_regression(&bench).await;
    cox_regression(&bench).await;
    clusters(&bench).await;
    survival(&bench).await;
    correlations(&bench).await;
    blocks(&bench).await;
    rules_of_the_grant(&bench).await;
}

/// The same persons in every round, so the guard has nothing to say: rounding alone moves the model, or noise.
async fn logistic_regression(bench: &Bench) {
    let names = ["intercept", "age_per_20_years", "bmi_per_7", "female"];
    let exact = bench.released("diabetes-logistic", "nhanes-2017", RULES).await;
    assert_eq!(exact.mechanism, Mechanism::DisclosureRules);
    assert_near(&fitted(&exact, &names), &expected("diabetes-logistic", &names), 0.05);

    let noisy = bench.released("diabetes-logistic", "nhanes-2017", noise(0.05, 0.1)).await;
    let model = noisy.model.as_ref().unwrap();
    assert!(model.rounds > 1, "{model:?}");
    // What is stated is the loss of the rounds that ran, not of one.
    let rho = Rho::new(0.05).unwrap();
    assert_eq!(noisy.mechanism, Mechanism::Gaussian { rho: rho.times(model.rounds.into()) });
    assert_near(&fitted(&noisy, &names), &expected("diabetes-logistic", &names), 0.5);
}

async fn cox_regression(bench: &Bench) {
    let names = ["female", "age_per_20_years"];
    for (how, tolerance) in [(RULES, 0.05), (noise(0.05, 0.1), 0.3)] {
        let released = bench.released("first-admission-cox", "rand-hie", how).await;
        assert_near(&fitted(&released, &names), &expected("first-admission-cox", &names), tolerance);
    }
}

/// Clusters change by few persons between late rounds. Noise does not mind; under rules the guard hides such clusters, and
/// the rounds end with the centres that they had reached.
async fn clusters(bench: &Bench) {
    let names = ["first_bmi", "first_systolic", "second_bmi", "second_systolic", "third_bmi", "third_systolic"];
    let scale = [7.0, 20.0, 7.0, 20.0, 7.0, 20.0];
    let centres = &references("body-clusters")["centres"];
    let in_units = |centres: Vec<f64>| -> Vec<_> { centres.iter().zip(scale).map(|(at, unit)| at / unit).collect() };
    let expected = in_units(serde_json::from_value(centres.clone()).unwrap());

    let noisy = bench.released("body-clusters", "nhanes-2017", noise(0.05, 0.0)).await;
    assert_near(&in_units(fitted(&noisy, &names)), &expected, 0.25);

    let how = How { tolerance: Some(0.0), ..RULES };
    let exact = bench.released("body-clusters", "nhanes-2017", how).await;
    assert_near(&in_units(fitted(&exact, &names)), &expected, 0.2);
    assert_eq!(value(&exact, "adults", &[]), 5_175.0);
    let hidden = |cell: &Cell| cell.suppression.as_ref().is_some_and(|why| why.code == "gate.differencing");
    assert!(exact.tables.iter().flat_map(|table| &table.cells).any(hidden), "{exact:?}");
}

async fn survival(bench: &Bench) {
    let released = bench.released("first-admission", "rand-hie", RULES).await;
    let expected = references("first-admission");
    for sex in ["male", "female"] {
        let mut survival = 1.0;
        let curve: Vec<f64> = ["[0.5, 1.5)", "[1.5, 2.5)", "[2.5, 3.5)", "[3.5, 4.5)", "[4.5, 5.5)"]
            .map(|year| {
                let [at_risk, events] =
                    ["at-risk", "events"].map(|measure| value(&released, "until_admission", &[sex, year, measure]));
                survival *= 1.0 - events / at_risk;
                survival
            })
            .into();
        let expected: Vec<_> = expected[sex].as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).collect();
        assert_near(&curve, &expected, 0.02);
    }
}

async fn correlations(bench: &Bench) {
    let released = bench.released("metabolic-correlation", "nhanes-2017", RULES).await;
    let table = released.tables.iter().find(|table| table.reducer == "cross-product").unwrap();
    let names = table.dimensions[1].labels.clone();
    for sex in ["male", "female"] {
        let mean = |a: &str, b: &str| value(&released, &table.output, &[sex, a, b]);
        let covariance = |a: &str, b: &str| mean(a, b) - mean(a, "1") * mean(b, "1");
        let correlation = |a: &str, b: &str| covariance(a, b) / (covariance(a, a) * covariance(b, b)).sqrt();
        let found: Vec<_> = names.iter().flat_map(|a| names.iter().map(|b| correlation(a, b))).collect();
        let expected = references("metabolic-correlation");
        let expected: Vec<_> = expected[sex].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        assert_near(&found, &expected, 0.05);
    }
}

/// Any estimator over blocks, with noise; without a privacy request it does not run at all.
async fn blocks(bench: &Bench) {
    let expected = references("pressure-by-age");
    let released = bench.released("pressure-by-age", "nhanes-2017", How { privacy: laplace(40.0), ..RULES }).await;
    assert_eq!(released.mechanism, Mechanism::Laplace { epsilon: Epsilon::new(40.0).unwrap() });
    assert_near(&[value(&released, "median_bmi", &[])], &[expected["median_bmi"].as_f64().unwrap()], 0.5);
    let slope = expected["mmhg_per_decade"].as_f64().unwrap();
    assert_near(&[value(&released, "mmhg_per_decade", &[])], &[slope], 1.0);

    let without = bench.request("pressure-by-age", "nhanes-2017", bench.terms("nhanes-2017", |_| {}), None).await;
    assert_eq!(refused(bench, &without).await, ["gate.block-needs-noise"]);
}

/// Noise where it is not granted, none where it must be, and isolations that the grant does not open.
async fn rules_of_the_grant(bench: &Bench) {
    let table = "nhanes-2017";
    let no_noise = bench.terms(table, |terms| terms.budget.epsilon_max = Epsilon::ZERO);
    let request = bench.request("bmi-by-age-sex", table, no_noise, laplace(1.0)).await;
    assert_eq!(refused(bench, &request).await, ["policy.noise-not-granted"]);

    let noise_only = bench.terms(table, |terms| terms.disclosure_profile = "dp".to_owned());
    let request = bench.request("bmi-by-age-sex", table, noise_only, None).await;
    assert_eq!(refused(bench, &request).await, ["gate.profile-needs-noise"]);

    let rows = bench.terms(table, |terms| terms.isolations = [glovebox_catalog::Isolation::Row].into());
    let request = bench.request("pressure-by-age", table, rows, laplace(1.0)).await;
    assert_eq!(refused(bench, &request).await, ["policy.isolation-not-granted"]);
}

async fn refused(bench: &Bench, request: &SubmitJob) -> Vec<String> {
    match bench.zone.client("developer").submit_job(request).await {
        Err(ClientError::Problem(problem)) => problem.reasons.into_iter().map(|reason| reason.code).collect(),
        other => panic!("{other:?}"),
    }
}
