//! A zone in which there is one of everything, people of other organisations, and a request for every route: what the
//! tests of roles and of leaks send.

use bytes::Bytes;
use futures::stream;
use glovebox_api::{Decision, JobState, JobView, NewPrincipal, SourceFormat, SubmitJob};
use glovebox_catalog::{
    Dataset, Grant, GrantTerms, ModuleId, Organisation, OrganisationId, OrganisationKind, PrincipalId, ReleaseId,
    ReviewId, Role,
};
use glovebox_client::Client;
use glovebox_gm::pki::{Issued, Kind};
use glovebox_server::{ROUTES, Route};
use reqwest::{Method, Response};

use crate::enclave;
use crate::rest::zone::{PEOPLE, Zone};

/// People beside those of the zone: a competitor of each kind, and a colleague who leaves.
pub(crate) const OTHERS: [(&str, &str, OrganisationKind, Role); 4] = [
    ("supplier-b", "hospital-b", OrganisationKind::Supplier, Role::Supplier),
    ("developer-d", "company-d", OrganisationKind::Developer, Role::Developer),
    ("reviewer-2", "ministry", OrganisationKind::ReviewBoard, Role::Reviewer),
    ("leaver", "company-c", OrganisationKind::Developer, Role::Developer),
];

/// Someone with a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: &'static str,
    pub(crate) organisation: &'static str,
    pub(crate) role: Role,
}

pub(crate) struct World {
    pub(crate) zone: Zone,
    pub(crate) dataset: Dataset,
    /// Active, of company-c on data of hospital-a; a job has run under it.
    pub(crate) grant: Grant,
    /// The same, waiting for approvals.
    pub(crate) proposed: Grant,
    pub(crate) module: ModuleId,
    pub(crate) job: JobView,
    pub(crate) release: ReleaseId,
    /// Of the output of another job of the same developer.
    pub(crate) review: ReviewId,
}

/// Everyone but the one who leaves.
pub(crate) fn people() -> Vec<Person> {
    let everyone = PEOPLE.into_iter().chain(OTHERS).filter(|person| person.0 != "leaver");
    everyone.map(|(id, organisation, _, role)| Person { id, organisation, role }).collect()
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(enclave::dataset(), enclave::table(0)).await
    }

    pub(crate) async fn start_with(dataset: Dataset, table: String) -> Self {
        let zone = Zone::start().await;
        file_others(&zone).await;
        // One that is shut out, so that nobody of these people is.
        let (id, name, jurisdiction) = (OrganisationId::new("company-e").unwrap(), "E".into(), "CN".into());
        let shut_out = Organisation { id, name, kind: OrganisationKind::Developer, jurisdiction };
        zone.client("officer").create_organisation(&shut_out).await.unwrap();
        zone.client("supplier").register_dataset(&dataset).await.unwrap();
        ingest(&zone, &dataset, table).await;
        let proposed = zone.client("developer").propose_grant(&enclave::terms(&dataset.id)).await.unwrap();
        let grant = zone.with_grant(&dataset.id).await;
        let developer = zone.client("developer");
        let module = developer.submit_module(enclave::module_bytes()).await.unwrap().id;
        let request = SubmitJob {
            grant: grant.id.clone(),
            dataset: dataset.id.clone(),
            module: module.clone(),
            parameters: Default::default(),
            privacy: None,
        };
        let job = developer.submit_job(&request).await.unwrap();
        let job = developer.finished_job(&job.id).await.unwrap();
        let release = job.release.clone().unwrap();
        let terms = GrantTerms { review_required: true, ..enclave::terms(&dataset.id) };
        let reviewed = zone.granted(&terms).await;
        let waiting = developer.submit_job(&SubmitJob { grant: reviewed.id, ..request }).await.unwrap();
        let review = in_review(&zone, &waiting).await;
        Self { zone, dataset, grant, proposed, module, job, release, review }
    }

    pub(crate) fn certificate(&self, person: Person) -> Issued {
        self.zone.issue(person.id, person.organisation, &[person.role.as_str()], Kind::Client, 1, 30)
    }

    pub(crate) fn raw(&self, person: Person) -> reqwest::Client {
        self.zone.raw(Some(&self.certificate(person)))
    }

    /// The request for a route, on the things of this world. A route without one fails here.
    pub(crate) fn asked(&self, route: &Route) -> Asked {
        let (grant, proposed, module) = (&self.grant.id, &self.proposed.id, &self.module);
        let (job, release, dataset) = (&self.job.id, &self.release, &self.dataset.id);
        let review = &self.review;
        let path = |path: String| Asked { path, content_type: "application/json", body: Bytes::new() };
        let json = |to: String, body: serde_json::Value| Asked { body: body.to_string().into(), ..path(to) };
        let why = || serde_json::to_value(Decision { comment: "why".into() }).unwrap();
        if let Some(to) = self.stopped(route) {
            return json(to, why());
        }
        match (route.method, route.path) {
            ("POST", to @ "/v1/organisations") => json(
                to.into(),
                serde_json::json!({"id": "new", "name": "N", "kind": "developer", "jurisdiction": "CN"}),
            ),
            ("POST", to @ "/v1/principals") => json(
                to.into(),
                serde_json::json!({"id": "new", "name": "N", "organisation": "company-d", "roles": ["developer"]}),
            ),
            ("POST", "/v1/principals/{id}/deactivate") => json("/v1/principals/leaver/deactivate".into(), why()),
            ("POST", to @ "/v1/datasets") => {
                let mut other = serde_json::to_value(&self.dataset).unwrap();
                other["id"] = "clinic-2".into();
                json(to.into(), other)
            }
            ("POST", "/v1/datasets/{id}/limits") => {
                json(format!("/v1/datasets/{dataset}/limits"), serde_json::json!({"term_max_days": 365}))
            }
            ("POST", "/v1/datasets/{id}/snapshots") => Asked {
                content_type: "text/csv",
                body: "person_id\n".into(),
                ..path(format!("/v1/datasets/{dataset}/snapshots"))
            },
            ("GET", to) if to.starts_with("/v1/datasets/{id}") => {
                path(to.replace("{id}", dataset.as_str()).replace("{number}", "1"))
            }
            ("POST", to @ "/v1/grants") => json(to.into(), serde_json::to_value(enclave::terms(dataset)).unwrap()),
            ("GET", "/v1/grants/{id}") => path(format!("/v1/grants/{grant}")),
            ("POST", "/v1/grants/{id}/approve") => json(format!("/v1/grants/{proposed}/approve"), why()),
            ("POST", "/v1/grants/{id}/refuse") => json(format!("/v1/grants/{proposed}/refuse"), why()),
            ("POST", "/v1/grants/{id}/revoke") => json(format!("/v1/grants/{grant}/revoke"), why()),
            ("POST", to @ "/v1/modules") => {
                Asked { content_type: "application/wasm", body: enclave::module_bytes().into(), ..path(to.into()) }
            }
            ("GET", "/v1/modules/{id}") => path(format!("/v1/modules/{module}")),
            ("POST", to @ "/v1/modules/lint") => json(to.into(), serde_json::json!({ "manifest": manifest() })),
            ("POST", to @ "/v1/jobs/explain") => json(to.into(), with_noise(&self.job)),
            ("POST", to @ "/v1/jobs") => json(to.into(), serde_json::to_value(&self.job.request).unwrap()),
            ("GET", "/v1/jobs/{id}") => path(format!("/v1/jobs/{job}")),
            ("GET", "/v1/jobs/{id}/events") => path(format!("/v1/jobs/{job}/events")),
            ("POST", "/v1/jobs/{id}/cancel") => path(format!("/v1/jobs/{job}/cancel")),
            ("GET", "/v1/jobs/{id}/receipt") => path(format!("/v1/jobs/{job}/receipt")),
            ("GET", "/v1/releases/{id}") => path(format!("/v1/releases/{release}")),
            ("GET", "/v1/releases/{id}/receipt") => path(format!("/v1/releases/{release}/receipt")),
            ("GET", "/v1/reviews/{id}") => path(format!("/v1/reviews/{review}")),
            ("GET", "/v1/reviews/{id}/output") => path(format!("/v1/reviews/{review}/output")),
            ("POST", to) if to.starts_with("/v1/reviews/{id}/") => json(to.replace("{id}", review.as_str()), why()),
            ("GET", "/v1/audit/proofs/inclusion/{sequence}") => path("/v1/audit/proofs/inclusion/0".into()),
            ("GET", "/v1/audit/proofs/consistency") => path("/v1/audit/proofs/consistency?from=1&to=2".into()),
            ("GET", to) if !to.contains('{') => path(to.into()),
            (method, to) => panic!("{method} {to} is new: say here what is asked of it"),
        }
    }

    /// The path of a route that stops something of this world or lets it go on, or lets somebody answer for it.
    fn stopped(&self, route: &Route) -> Option<String> {
        let ends = ["/suspend", "/resume", "/take-over"];
        let is_of_these = route.method == "POST" && ends.iter().any(|end| route.path.ends_with(end));
        let id = match route.path.split('/').nth(2)? {
            "organisations" => "company-e",
            "datasets" => self.dataset.id.as_str(),
            "modules" => self.module.as_str(),
            "grants" => self.grant.id.as_str(),
            _ => "",
        };
        is_of_these.then(|| route.path.replace("{id}", id))
    }

    pub(crate) async fn send(&self, client: &reqwest::Client, route: &Route) -> Result<Response, reqwest::Error> {
        let Asked { path, content_type, body } = self.asked(route);
        let method = Method::from_bytes(route.method.as_bytes()).unwrap();
        client.request(method, self.zone.url(&path)).header("content-type", content_type).body(body).send().await
    }
}

/// The request of `job`, with noise.
fn with_noise(job: &JobView) -> serde_json::Value {
    let mut request = serde_json::to_value(&job.request).unwrap();
    request["privacy"] = serde_json::json!({ "mechanism": "laplace", "epsilon": 1 });
    request
}

/// The manifest of the world's module.
fn manifest() -> glovebox_catalog::JobManifest {
    glovebox_sandbox::inspect(&enclave::module_bytes()).unwrap().manifest().clone()
}

/// What is sent to a route.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

/// Waits until the output of a job waits for reviewers.
pub(crate) async fn in_review(zone: &Zone, job: &JobView) -> ReviewId {
    let (developer, start) = (zone.client("developer"), std::time::Instant::now());
    loop {
        let now = developer.job(&job.id).await.unwrap();
        match now.state {
            JobState::InReview => return now.review.unwrap(),
            state => assert!(!state.is_final() && start.elapsed().as_secs() < 60, "{now:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

pub(crate) async fn file_others(zone: &Zone) {
    let officer = zone.client("officer");
    for (id, organisation, kind, role) in OTHERS {
        let organisation = OrganisationId::new(organisation).unwrap();
        if organisation.as_str() != "company-c" {
            let (name, jurisdiction) = (organisation.to_string(), "CN".to_owned());
            let filed = Organisation { id: organisation.clone(), name, kind, jurisdiction };
            officer.create_organisation(&filed).await.unwrap();
        }
        let id = PrincipalId::new(id).unwrap();
        let name = id.to_string();
        officer.create_principal(&NewPrincipal { id, name, organisation, roles: [role].into() }).await.unwrap();
    }
}

pub(crate) async fn ingest(zone: &Zone, dataset: &Dataset, table: String) {
    let length = table.len() as u64;
    let rows = stream::iter([Ok::<_, std::io::Error>(Bytes::from(table))]);
    zone.client("operator").ingest(&dataset.id, SourceFormat::Csv, rows, Some(length), |_| {}).await.unwrap();
}

/// A client as one of [`OTHERS`].
pub(crate) fn other(zone: &Zone, id: &str) -> Client {
    let (id, organisation, _, role) = OTHERS.into_iter().find(|person| person.0 == id).unwrap();
    zone.client_with(&zone.issue(id, organisation, &[role.as_str()], Kind::Client, 1, 30))
}

/// Every route has a request, and every request a route.
#[test]
fn no_route_is_listed_twice() {
    let mut seen: Vec<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    seen.sort_unstable();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all);
}
