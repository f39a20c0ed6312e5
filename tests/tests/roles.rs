//! Every route refuses the wrong role, the wrong organisation and the wrong certificate.
//!
//! Who may what is policies/cases.toml, the table that the policies themselves are held to; here the routes are held to
//! it, over the wire. Routes come from the server's own table, so a new one without a case fails.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use glovebox_api::{Decision, JobState, Problem, SubmitJob};
use glovebox_catalog::{PrincipalId, Role};
use glovebox_engine::PageQuery;
use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request};
use glovebox_server::{ROUTES, Route};
use reqwest::Response;

use crate::enclave;
use crate::rest::zone::{Zone, now_unix_ms, repository};
use crate::world::{Person, World, file_others, ingest, other, people};

/// Routes that everyone on file may use. This list may only shrink.
const OPEN_TO_ALL: [(&str, &str); 7] = [
    ("GET", "/v1/whoami"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/key"),
    ("GET", "/v1/organisations"),
    ("GET", "/v1/audit/head"),
    ("GET", "/v1/audit/proofs/inclusion/{sequence}"),
    ("GET", "/v1/audit/proofs/consistency"),
];

type Matrix = BTreeMap<String, BTreeMap<String, String>>;

fn matrix() -> Matrix {
    let text = std::fs::read_to_string(repository("policies/cases.toml")).unwrap();
    let cases: toml::Table = toml::from_str(&text).unwrap();
    cases["matrix"].clone().try_into().unwrap()
}

/// Whether `person` may use `route` on the things of the world: those of company-c, on data of hospital-a.
fn may(matrix: &Matrix, person: Person, route: &Route) -> bool {
    let Some(action) = route.action else { return true };
    let own = match (route.method, route.path) {
        // Made for the organisation of whoever asks.
        ("POST", "/v1/grants" | "/v1/modules" | "/v1/modules/lint") => true,
        // Each supplier has a slice of the log of its own.
        ("GET", "/v1/audit/own") => true,
        // Seen here is whether `developer` of company-c is listed.
        ("GET", "/v1/principals") => person.organisation == "company-c",
        // Recipients alone read what left, and here the supplier is none.
        ("GET", "/v1/releases" | "/v1/releases/{id}") => person.organisation == "company-c",
        _ => ["company-c", "hospital-a"].contains(&person.organisation),
    };
    match matrix[action.as_str()][person.role.as_str()].as_str() {
        "any" => true,
        "own" => own,
        "others" => !own,
        "never" => false,
        unknown => panic!("{unknown}"),
    }
}

/// Whether `person` may know that there is what `route` names: then a refusal says why; else it is not there.
fn sees(matrix: &Matrix, person: Person, route: &Route) -> bool {
    let sights: &[&str] = match (route.method, route.path) {
        ("POST", "/v1/jobs" | "/v1/jobs/explain") => &["grant.read", "meter.read"],
        (_, path) if !path.contains('{') => return true,
        (_, path) => match path.split('/').nth(2).unwrap() {
            "principals" => &["principal.read"],
            "organisations" => &["organisation.read"],
            "datasets" => &["dataset.read", "snapshot.read"],
            "grants" => &["grant.read", "meter.read"],
            "modules" => &["module.read"],
            "jobs" => &["job.read", "receipt.read"],
            "releases" => &["release.read", "job.read", "receipt.read"],
            "reviews" => &["review.read", "job.read"],
            kind => panic!("`{kind}` is new: say here how one learns of it"),
        },
    };
    let is_party = ["company-c", "hospital-a"].contains(&person.organisation);
    sights.iter().any(|sight| match matrix[*sight][person.role.as_str()].as_str() {
        "own" if *sight == "release.read" || *sight == "principal.read" => person.organisation == "company-c",
        "own" => is_party,
        "others" => !is_party,
        allowed => allowed == "any",
    })
}

/// What a list shows to those who may see the world's things, where the route is a list that hides the rest.
fn marker(world: &World, route: &Route) -> Option<String> {
    let id = match (route.method, route.path) {
        ("GET", "/v1/organisations") => "company-c",
        ("GET", "/v1/principals") => "developer",
        ("GET", "/v1/datasets") => world.dataset.id.as_str(),
        ("GET", "/v1/grants" | "/v1/meters") => world.grant.id.as_str(),
        ("GET", "/v1/modules") => world.module.as_str(),
        ("GET", "/v1/jobs") => world.job.id.as_str(),
        ("GET", "/v1/releases") => world.release.as_str(),
        ("GET", "/v1/reviews") => world.review.as_str(),
        _ => return None,
    };
    Some(format!("\":\"{id}\""))
}

fn is_stream(route: &Route) -> bool {
    route.path.ends_with("/events") && route.path != "/v1/audit/events"
}

async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    (status, answer.json::<Problem>().await.unwrap().code)
}

#[test]
fn few_routes_are_open_to_all() {
    let matrix = matrix();
    let open = |route: &&Route| {
        route.action.is_none_or(|action| matrix[action.as_str()].values().all(|allowed| allowed == "any"))
    };
    let mut open: Vec<_> = ROUTES.iter().filter(open).map(|route| (route.method, route.path)).collect();
    let mut listed = OPEN_TO_ALL.to_vec();
    open.sort_unstable();
    listed.sort_unstable();
    assert_eq!(open, listed);
    assert!(OPEN_TO_ALL.len() <= 7, "the list of exceptions may only shrink");
    assert!(Role::ALL.iter().all(|role| people().iter().any(|person| person.role == *role)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_the_right_role_and_organisation_only() {
    let world = World::start().await;
    let matrix = matrix();
    let before = state(&world).await;
    let mut wrong = Vec::new();
    for person in people() {
        let client = world.raw(person);
        for route in ROUTES.iter().filter(|route| !may(&matrix, person, route)) {
            let told = format!("{} of {}: {} {}", person.role.as_str(), person.organisation, route.method, route.path);
            let answer = world.send(&client, route).await.unwrap();
            match marker(&world, route) {
                Some(marker) => {
                    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
                    if status != 200 || text.contains(&marker) {
                        wrong.push(format!("{told} shows {text}"));
                    }
                }
                None => {
                    let (status, code) = problem(answer).await;
                    let expected = match sees(&matrix, person, route) {
                        true => (403, "policy.not-permitted"),
                        false => (404, "request.not-found"),
                    };
                    if (status, code.as_str()) != expected {
                        wrong.push(format!("{told} gives {status} {code}"));
                    }
                    let head = client.head(world.zone.url(&world.asked(route).path)).send().await.unwrap();
                    if route.method == "GET" && head.status() != expected.0 {
                        wrong.push(format!("HEAD: {told} gives {}", head.status()));
                    }
                }
            }
        }
    }
    assert_eq!(state(&world).await, before, "a refused request changed something");

    // Backwards, so that what ends a grant or a person comes last.
    let clients: Vec<_> = people().into_iter().map(|person| (person, world.raw(person))).collect();
    for route in ROUTES.iter().rev() {
        for (person, client) in clients.iter().filter(|(person, _)| may(&matrix, *person, route)) {
            let told = format!("{} of {}: {} {}", person.role.as_str(), person.organisation, route.method, route.path);
            let answer = world.send(client, route).await.unwrap();
            let status = answer.status().as_u16();
            let fits = if route.method == "GET" { status == 200 } else { [200, 201, 202, 409, 422].contains(&status) };
            let text = if is_stream(route) && fits { String::new() } else { answer.text().await.unwrap() };
            let shows = marker(&world, route).is_none_or(|marker| text.contains(&marker));
            if !fits || !shows {
                wrong.push(format!("{told} gives {status} {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a refused request must leave as it was.
async fn state(world: &World) -> String {
    let zone = &world.zone;
    let (regulator, officer) = (zone.client("regulator"), zone.client("officer"));
    let all = Default::default();
    let mut state = format!("{:?}", officer.organisations(&all).await.unwrap());
    state += &format!("{:?}", officer.principals(&all).await.unwrap());
    state += &format!("{:?}", regulator.datasets(&all).await.unwrap());
    state += &format!("{:?}", regulator.snapshots(&world.dataset.id, &all).await.unwrap());
    state += &format!("{:?}", regulator.grants(&all).await.unwrap());
    state += &format!("{:?}", regulator.modules(&all).await.unwrap());
    state += &format!("{:?}", regulator.jobs(&all).await.unwrap());
    state += &format!("{:?}", regulator.reviews(None, &all).await.unwrap());
    state + &format!("{:?}", regulator.meters(&all).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_without_a_valid_certificate_of_someone_on_file() {
    let world = World::start().await;
    let zone = &world.zone;
    let issue = |authority: &Authority, valid_from_unix_ms, days| -> Issued {
        let request = Request {
            common_name: "developer".into(),
            organisation: "company-c".into(),
            roles: vec!["developer".into()],
            kind: Kind::Client,
            valid_from_unix_ms,
            days,
        };
        authority.issue(&request).unwrap()
    };
    let now = now_unix_ms();
    let day_ms = 86_400_000;
    let forger = Authority::create(Algorithm::P256, "zone", now - 30 * day_ms, 365).unwrap();
    let revoked = issue(&zone.authority, now - day_ms, 30);
    let still_in = zone.client_with(&revoked);
    zone.revoke(&[&revoked], 2);
    let start = Instant::now();
    while still_in.whoami().await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(10), "the revocation was not taken up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let server = zone.issue("developer", "company-c", &["developer"], Kind::Server { names: vec!["x".into()] }, 1, 10);
    for (what, certificate) in [
        ("none", None),
        ("expired", Some(issue(&zone.authority, now - 20 * day_ms, 10))),
        ("not yet valid", Some(issue(&zone.authority, now + day_ms, 10))),
        ("forged", Some(issue(&forger, now - day_ms, 10))),
        ("of a server", Some(server)),
        ("revoked", Some(revoked)),
    ] {
        let client = zone.raw(certificate.as_ref());
        for route in ROUTES {
            let answer = world.send(&client, route).await;
            assert!(answer.is_err(), "{what}: {} {} gives {answer:?}", route.method, route.path);
        }
    }

    let leaver = PrincipalId::new("leaver").unwrap();
    zone.client("officer").deactivate_principal(&leaver, &Decision::default()).await.unwrap();
    for (common_name, organisation, role, code) in [
        ("stranger", "company-c", "developer", "policy.unknown-principal"),
        ("developer", "company-d", "developer", "policy.organisation-mismatch"),
        ("developer", "company-c", "operator", "policy.no-role"),
        ("leaver", "company-c", "developer", "policy.principal-inactive"),
    ] {
        let client = zone.raw(Some(&zone.issue(common_name, organisation, &[role], Kind::Client, 1, 30)));
        for route in ROUTES {
            let answer = world.send(&client, route).await.unwrap();
            let told = (403, code.to_owned());
            assert_eq!(problem(answer).await, told, "{common_name}: {} {}", route.method, route.path);
        }
    }
}

/// Rights end with the person's: on the open connection, for the job that runs and for the one that waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_developer_who_leaves_loses_connection_and_jobs() {
    let zone = Zone::start().await;
    file_others(&zone).await;
    let dataset = enclave::dataset();
    zone.client("supplier").register_dataset(&dataset).await.unwrap();
    ingest(&zone, &dataset, enclave::table(0)).await;
    let grant = zone.with_grant(&dataset.id).await;
    let leaver = other(&zone, "leaver");
    let module = leaver.submit_module(enclave::slow_module()).await.unwrap();
    let request = SubmitJob {
        grant: grant.id,
        dataset: dataset.id,
        module: module.id,
        parameters: Default::default(),
        privacy: None,
    };
    let running = leaver.submit_job(&request).await.unwrap();
    let waiting = leaver.submit_job(&request).await.unwrap();
    let operator = zone.client("operator");
    let start = Instant::now();
    while operator.job(&running.id).await.unwrap().state != JobState::Running {
        assert!(start.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let id = PrincipalId::new("leaver").unwrap();
    zone.client("officer").deactivate_principal(&id, &Decision::default()).await.unwrap();
    assert_eq!(leaver.job(&running.id).await.unwrap_err().code(), Some("policy.principal-inactive"));
    for job in [&running, &waiting] {
        let ended = tokio::time::timeout(Duration::from_secs(20), operator.finished_job(&job.id)).await.unwrap();
        assert_eq!(ended.unwrap().state, JobState::Killed);
    }
    let meters = operator.meters(&Default::default()).await.unwrap().items;
    // The running job is paid for; nothing is held any more.
    assert_eq!(meters.iter().map(|grant| (grant.committed.jobs, grant.reserved.jobs)).collect::<Vec<_>>(), [(1, 0)]);
}

/// The zone answers its own networks only, whoever asks.
#[test]
fn a_foreign_address_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let contents = runtime.block_on(enclave::make(folder.path()));
    let engine = enclave::open(folder.path());
    let foreign: Vec<IpAddr> = ["8.8.8.8", "2001:db8::1", "172.32.0.1"].map(|text| text.parse().unwrap()).into();
    let first = PageQuery::default();
    for address in foreign {
        let from = |id: &str| glovebox_engine::Caller { address: Some(address), ..enclave::caller(id) };
        assert_eq!(engine.organisations(&from("officer")).unwrap(), []);
        assert_eq!(engine.principals(&from("officer")).unwrap(), []);
        assert_eq!(engine.datasets(&from("supplier"), &first).unwrap().items, []);
        assert_eq!(engine.grants(&from("regulator"), &first).unwrap().items, []);
        assert_eq!(engine.jobs(&from("developer"), &first).unwrap().items, []);
        assert_eq!(engine.releases(&from("developer"), &first).unwrap().items, []);
        assert_eq!(engine.meters(&from("operator")).unwrap(), []);
        assert!(engine.tree_head(&from("regulator")).is_err());
        assert!(engine.export(&from("regulator")).is_err());
        assert!(engine.live_meters(&from("operator")).is_err());
        assert!(engine.submit_job(&from("developer"), contents.job.clone()).is_err());
        assert!(engine.submit_module(&from("developer"), &enclave::module_bytes()).is_err());
    }
    assert_eq!(enclave::jobs(&engine).len(), 1);
}
