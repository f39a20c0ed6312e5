//! Where attacks run: the real server with its clients, and tables of made-up persons, each side of a comparison on a
//! dataset of its own, so that what was released to one side does not guard the other.

use std::time::Duration;

use glovebox_api::{Decision, JobState, JobView, SubmitJob};
use glovebox_catalog::{
    Capacity, Dataset, DatasetId, Delta, Epsilon, Grant, GrantId, GrantTerms, OrganisationId, Privacy, PrivacyLimit,
    Recipient,
};
use glovebox_client::{Client, ClientError};
use glovebox_engine::{Config, Engine};
use glovebox_gate::{ReleaseDocument, Table};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::enclave;
use crate::rest::zone::{PASSPHRASE, Zone, repository};
use crate::world::{file_others, ingest, other};

/// Columns of 60 bits each that a person brings beside the secret: a genome of so many single letters.
pub(crate) const GENES: usize = 4;
pub(crate) const GENES_BITS: usize = 60;

/// The rows of a table: one a person, whose number is their place.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) secrets: Vec<bool>,
    pub(crate) amounts: Vec<f64>,
    pub(crate) genes: Vec<[u64; GENES]>,
}

pub(crate) fn generator(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

impl People {
    /// So many persons, each secret a fair coin, each amount from 0 to 1,000.
    pub(crate) fn draw(persons: usize, seed: u64) -> Self {
        let mut random = generator(seed);
        Self {
            secrets: (0..persons).map(|_| random.random()).collect(),
            amounts: (0..persons).map(|_| (random.random::<f64>() * 1e6).round() / 1e3).collect(),
            genes: vec![[0; GENES]; persons],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.secrets.len()
    }

    /// The table without the persons of these numbers.
    fn csv(&self, without: &[usize]) -> String {
        let mut csv = "person_id,number,secret,amount,g0,g1,g2,g3\n".to_owned();
        for number in (0..self.len()).filter(|number| !without.contains(number)) {
            let [g0, g1, g2, g3] = self.genes[number];
            let (secret, amount) = (u8::from(self.secrets[number]), self.amounts[number]);
            csv += &format!("{},{number},{secret},{amount},{g0},{g1},{g2},{g3}\n", number + 1);
        }
        csv
    }
}

fn dataset(id: &str) -> Dataset {
    let field = |name: &str, kind: &str, max: f64| {
        let (max, identifiability) = match (kind, name) {
            ("float64", _) => (json!(max), "sensitive"),
            (_, "person_id") => (json!(max as i64), "direct"),
            _ => (json!(max as i64), "quasi"),
        };
        json!({"name": name, "description": name, "type": kind, "min": 0, "max": max, "nullable": false, "grade": 3,
               "category": "personal-attributes", "identifiability": identifiability})
    };
    let genes = (0..GENES).map(|gene| field(&format!("g{gene}"), "int64", (1_u64 << GENES_BITS) as f64));
    let fields =
        [("person_id", "int64", 1e6), ("number", "int64", 1e6), ("secret", "int64", 1.0), ("amount", "float64", 1e6)];
    let fields: Vec<_> = fields.into_iter().map(|(name, kind, max)| field(name, kind, max)).chain(genes).collect();
    let mut dataset = enclave::dataset();
    dataset.id = DatasetId::new(id).unwrap();
    dataset.schema = serde_json::from_value(json!({"person_key": "person_id", "fields": fields})).unwrap();
    dataset.grade = glovebox_catalog::Grade::new(3).unwrap();
    dataset
}

/// The profile that ships as `default` under another name and with other rules; `null` takes a rule away.
pub(crate) fn profile(name: &str, changes: serde_json::Value) -> String {
    let text = std::fs::read_to_string(repository("policies/disclosure/default.toml")).unwrap();
    let mut rules: toml::Table = toml::from_str(&text).unwrap();
    rules.insert("name".into(), name.into());
    for (rule, value) in changes.as_object().unwrap() {
        match value {
            serde_json::Value::Null => rules.remove(rule),
            value => rules.insert(rule.clone(), toml::Value::try_from(value).unwrap()),
        };
    }
    toml::to_string(&rules).unwrap()
}

pub(crate) struct Arena {
    pub(crate) zone: Zone,
}

impl Arena {
    pub(crate) async fn start(profiles: Vec<String>) -> Self {
        Self::start_with(profiles, |_| {}).await
    }

    pub(crate) async fn start_with(profiles: Vec<String>, change: impl FnOnce(&mut Config)) -> Self {
        let zone = Zone::start_with(Default::default(), |config| {
            config.profiles = profiles;
            change(config);
        })
        .await;
        file_others(&zone).await;
        Self { zone }
    }

    /// A dataset with these persons, and a grant of company-c on it under a profile.
    pub(crate) async fn side(&self, id: &str, people: &People, profile: &str) -> Side<'_> {
        self.side_with(id, people, profile, |_, _| {}).await
    }

    /// The same with other terms.
    pub(crate) async fn side_with(
        &self,
        id: &str,
        people: &People,
        profile: &str,
        change: impl FnOnce(&mut Dataset, &mut GrantTerms),
    ) -> Side<'_> {
        let mut dataset = dataset(id);
        let mut terms = terms(&dataset, profile);
        change(&mut dataset, &mut terms);
        self.zone.client("supplier").register_dataset(&dataset).await.unwrap();
        ingest(&self.zone, &dataset, people.csv(&[])).await;
        let developer = self.zone.client("developer");
        let grant = self.approved(&developer, &terms).await.id;
        Side { arena: self, dataset, terms, grant, developer }
    }

    /// Stops the server, and opens the enclave again without one.
    pub(crate) async fn reopen(&mut self, profiles: Vec<String>) -> Engine {
        self.zone.stop().await;
        let mut config = enclave::config(&self.zone.folder.path().join("state"));
        config.profiles = profiles;
        // The last task that held the enclave may be dropped a moment after the server has returned.
        for _ in 0..100 {
            match Engine::open(config.clone(), PASSPHRASE) {
                Ok(engine) => {
                    engine.start();
                    return engine;
                }
                Err(error) => assert!(error.to_string().contains("in use"), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the enclave is still in use");
    }

    async fn approved(&self, developer: &Client, terms: &GrantTerms) -> Grant {
        let grant = developer.propose_grant(terms).await.unwrap();
        let why = Decision { comment: "fine".into() };
        let supplier = self.zone.client("supplier");
        supplier.approve_grant(&grant.id, Some(Capacity::Supplier), &why).await.unwrap();
        self.zone.client("reviewer").approve_grant(&grant.id, None, &why).await.unwrap()
    }
}

/// What a developer of such data would be given for a study: a hundred jobs.
fn terms(dataset: &Dataset, profile: &str) -> GrantTerms {
    let mut terms = enclave::terms(&dataset.id);
    let fields = dataset.schema.fields.iter().map(|field| field.name.clone());
    terms.scopes[0].fields = fields.filter(|name| name != "person_id").collect();
    terms.disclosure_profile = profile.into();
    (terms.budget.jobs_max, terms.budget.releases_max) = (100, 100);
    terms
}

/// Lets a dataset and a grant on it lose so much privacy.
pub(crate) fn allow(dataset: &mut Dataset, terms: &mut GrantTerms, epsilon: f64) {
    let epsilon = Epsilon::new(epsilon).unwrap();
    let delta = Delta::new(1e-9).unwrap();
    dataset.privacy = Some(PrivacyLimit { epsilon, delta, epsilon_per_developer: None });
    terms.budget.epsilon_max = epsilon;
}

pub(crate) fn laplace(epsilon: f64) -> Privacy {
    Privacy::Laplace { epsilon: Epsilon::new(epsilon).unwrap() }
}

/// A developer with a grant on a dataset.
pub(crate) struct Side<'a> {
    arena: &'a Arena,
    pub(crate) dataset: Dataset,
    terms: GrantTerms,
    grant: GrantId,
    pub(crate) developer: Client,
}

impl<'a> Side<'a> {
    /// The same developer with one more grant on the same terms.
    pub(crate) async fn another_grant(&self) -> Side<'a> {
        self.as_other(self.arena.zone.client("developer"), "company-c").await
    }

    /// A developer of another organisation, with a grant on the same terms.
    pub(crate) async fn another_developer(&self) -> Side<'a> {
        self.as_other(other(&self.arena.zone, "developer-d"), "company-d").await
    }

    async fn as_other(&self, developer: Client, organisation: &str) -> Side<'a> {
        let recipient =
            Recipient { organisation: OrganisationId::new(organisation).unwrap(), jurisdiction: "CN".to_owned() };
        let terms = GrantTerms { recipients: vec![recipient], ..self.terms.clone() };
        let grant = self.arena.approved(&developer, &terms).await.id;
        Side { arena: self.arena, dataset: self.dataset.clone(), terms, grant, developer }
    }

    /// Publishes a new snapshot without the persons of these numbers.
    pub(crate) async fn publish(&self, people: &People, without: &[usize]) {
        ingest(&self.arena.zone, &self.dataset, people.csv(without)).await;
    }

    pub(crate) async fn run(&self, module: Vec<u8>) -> Ran {
        self.run_with(module, None).await
    }

    /// Submits a module and a job with it, and waits for its end.
    pub(crate) async fn run_with(&self, module: Vec<u8>, privacy: Option<Privacy>) -> Ran {
        self.ended(self.submit(module, privacy).await).await
    }

    /// Submits a module and a job with it. The error is the code of a refusal.
    pub(crate) async fn submit(&self, module: Vec<u8>, privacy: Option<Privacy>) -> Result<JobView, String> {
        let request = self.request(module, privacy).await;
        self.developer.submit_job(&request).await.map_err(|error| refusal(&error))
    }

    /// Submits a module, and says what would run it.
    pub(crate) async fn request(&self, module: Vec<u8>, privacy: Option<Privacy>) -> SubmitJob {
        let module = self.developer.submit_module(module).await.unwrap().id;
        let (grant, dataset) = (self.grant.clone(), self.dataset.id.clone());
        SubmitJob { grant, dataset, module, parameters: Default::default(), privacy }
    }

    /// Waits for the end of a job.
    pub(crate) async fn ended(&self, job: Result<JobView, String>) -> Ran {
        let job = match job {
            Ok(job) => job,
            Err(code) => return Ran { job: None, codes: vec![code], document: None },
        };
        let job = tokio::time::timeout(Duration::from_secs(120), self.developer.finished_job(&job.id)).await;
        let job = job.unwrap().unwrap();
        let document = match &job.release {
            Some(release) => Some(self.developer.release(release).await.unwrap()),
            None => None,
        };
        let codes = job.reasons.iter().map(|reason| reason.code.clone()).collect();
        Ran { job: Some(job), codes, document }
    }
}

fn refusal(error: &ClientError) -> String {
    assert!(error.status().is_some_and(|status| status < 500), "{error}");
    error.code().unwrap_or_default().to_owned()
}

/// What came of a job, as its developer sees it.
#[derive(Debug)]
pub(crate) struct Ran {
    /// None when it was refused at once.
    pub(crate) job: Option<JobView>,
    /// Why it was refused or withheld.
    pub(crate) codes: Vec<String>,
    pub(crate) document: Option<ReleaseDocument>,
}

impl Ran {
    /// The tables that left, none when none did.
    pub(crate) fn tables(&self) -> &[Table] {
        self.document.as_ref().map_or(&[], |document| &document.tables)
    }

    /// The one cell of each output of a survey of `queries` queries; none where nothing is shown.
    pub(crate) fn figures(&self, queries: usize) -> Vec<Option<f64>> {
        let figure = |query| self.tables().get(query).and_then(|table: &Table| table.cells.first()?.value);
        (0..queries).map(figure).collect()
    }

    pub(crate) fn is_released(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.state == JobState::Released)
    }

    /// Bits that the release states as its bound; none left, none stated.
    pub(crate) fn leakage_bits(&self) -> u64 {
        self.document.as_ref().map_or(0, |document| document.leakage.bits)
    }
}

/// Share of `secrets` that are told, where a secret of which the attacker has learnt nothing is a coin's throw: one half
/// for guesses alone.
pub(crate) fn told(guesses: &[Option<bool>], secrets: &[bool]) -> f64 {
    assert_eq!(guesses.len(), secrets.len());
    let points = guesses.iter().zip(secrets).map(|(guess, secret)| match guess {
        Some(guess) => f64::from(u8::from(guess == secret)),
        None => 0.5,
    });
    points.sum::<f64>() / secrets.len() as f64
}
