//! Whoever may not see a thing can't tell it from one that is not there: status, headers and body are the same byte by
//! byte, whatever is asked of it, and the log grows alike.
//!
//! Routes come from the golden description of the interface; a new one with an id in its path fails until it is said here
//! what it names.

use std::collections::BTreeMap;

use bytes::Bytes;
use glovebox_api::SubmitJob;
use glovebox_catalog::ModuleId;
use glovebox_client::Paging;
use glovebox_server::{ROUTES, Route};
use reqwest::Method;

use crate::enclave;
use crate::rest::zone::repository;
use crate::world::{Asked, Person, World, other, people};

/// Ids in a path that name nothing of anybody: places in the log, of which everyone may have the proof.
const PUBLIC: [&str; 1] = ["/v1/audit/proofs/inclusion/{sequence}"];

/// Who is on file as an organisation, everybody may know.
const PUBLIC_KIND: &str = "/v1/organisations/";

/// Writes that name things of others in their bodies.
const IN_BODIES: [(&str, &str); 2] = [("POST", "/v1/jobs"), ("POST", "/v1/jobs/explain")];

/// An answer, without what differs between any two: the id of the request, and the time.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

/// The routes of the golden description that name a thing by its id.
fn routes() -> Vec<&'static Route> {
    let text = std::fs::read_to_string(repository("tests/golden/openapi.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut routes = Vec::new();
    for (path, item) in golden["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let is_public = PUBLIC.contains(&path.as_str()) || path.starts_with(PUBLIC_KIND);
            let named = path.contains('{') && !is_public;
            if named || IN_BODIES.contains(&(method.as_str(), path.as_str())) {
                let found = ROUTES.iter().find(|route| route.path == path && route.method == method);
                routes.push(found.unwrap());
            }
        }
    }
    routes
}

/// The id of the world that the request for a route names.
fn named(world: &World, route: &Route) -> String {
    let kind = route.path.split('/').nth(2).unwrap();
    match (kind, route.path) {
        ("principals", _) => "leaver".into(),
        ("datasets", _) => world.dataset.id.to_string(),
        ("grants", path) if path.ends_with("approve") || path.ends_with("refuse") => world.proposed.id.to_string(),
        ("grants", _) | ("jobs", "/v1/jobs" | "/v1/jobs/explain") => world.grant.id.to_string(),
        ("modules", _) => world.module.to_string(),
        ("jobs", _) => world.job.id.to_string(),
        ("releases", _) => world.release.to_string(),
        ("reviews", _) => world.review.to_string(),
        (_, path) => panic!("{path} is new: say here what it names"),
    }
}

/// An id of the same form that names nothing.
fn unknown(id: &str) -> String {
    let (rest, last) = id.split_at(id.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

/// Who may not learn of the thing that a route names: neither a party to it nor one who watches over its kind.
fn is_stranger(person: Person, route: &Route) -> bool {
    let strangers: &[&str] = match route.path.split('/').nth(2).unwrap() {
        "principals" => &["supplier", "supplier-b", "developer-d", "reviewer", "reviewer-2"],
        "datasets" => &["officer", "supplier-b"],
        "jobs" if IN_BODIES.contains(&(route.method, route.path)) => &["officer", "supplier-b", "developer-d"],
        "grants" | "modules" | "jobs" | "releases" | "reviews" => &["officer", "supplier-b", "developer-d"],
        kind => panic!("`{kind}` is new: say here who may not see it"),
    };
    // The zone's officers stop what they may not look into.
    let stops = route.path.ends_with("/suspend") || route.path.ends_with("/resume");
    strangers.contains(&person.id) && !(stops && person.id == "officer")
}

async fn ask(world: &World, client: &reqwest::Client, method: &str, asked: Asked) -> Answer {
    let Asked { path, content_type, body } = asked;
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = client.request(method, world.zone.url(&path)).header("content-type", content_type).body(body);
    let answer = request.send().await.unwrap();
    let varies = ["x-request-id", "date"];
    let headers = answer.headers().iter().filter(|(name, _)| !varies.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut headers: BTreeMap<String, String> = headers.collect();
    let (status, id) = (answer.status().as_u16(), answer.headers()["x-request-id"].to_str().unwrap().to_owned());
    // The number of a request grows by a digit now and then.
    let length = headers.get("content-length").map(|length| length.parse::<usize>().unwrap());
    headers.extend(length.map(|length| ("content-length".to_owned(), length.saturating_sub(id.len()).to_string())));
    Answer { status, headers, body: answer.text().await.unwrap().replace(&id, "REQUEST") }
}

/// The request for a route, about `id` instead of what it names.
fn about(world: &World, route: &Route, id: &str) -> Asked {
    let Asked { path, content_type, body } = world.asked(route);
    let named = named(world, route);
    assert!(path.contains(&named) || String::from_utf8_lossy(&body).contains(&named), "{}", route.path);
    // A dataset's id is a word that may stand elsewhere, in the path of its collection for one.
    let path = path.replace(&format!("/{named}"), &format!("/{id}"));
    let body = match std::str::from_utf8(&body) {
        Ok(text) => Bytes::from(text.replace(&format!("\"{named}\""), &format!("\"{id}\""))),
        Err(_) => body,
    };
    Asked { path, content_type, body }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_s_thing_is_answered_like_one_that_is_not_there() {
    let world = World::start().await;
    let mut wrong = Vec::new();
    let mut compared = BTreeMap::<&str, u32>::new();
    for person in people() {
        let client = world.raw(person);
        for route in routes() {
            let named = named(&world, route);
            let missing = unknown(&named);
            if !is_stranger(person, route) {
                continue;
            }
            *compared.entry(route.path).or_default() += 1;
            let methods = if route.method == "GET" { vec!["GET", "HEAD"] } else { vec![route.method] };
            for method in methods {
                let theirs = ask(&world, &client, method, about(&world, route, &named)).await;
                let nobodys = ask(&world, &client, method, about(&world, route, &missing)).await;
                let theirs = Answer { body: theirs.body.replace(&named, &missing), ..theirs };
                if theirs != nobodys || theirs.status != 404 {
                    let told = format!("{} of {}: {method} {}", person.id, person.organisation, route.path);
                    wrong.push(format!("{told}\n  another's {theirs:?}\n  nobody's  {nobodys:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    let missed: Vec<_> = routes().into_iter().filter(|route| !compared.contains_key(route.path)).collect();
    assert!(missed.is_empty(), "nobody asked as a stranger: {missed:?}");
}

/// Each of the two is one event, so that the size of the log, which everyone reads, tells nothing; the real reason
/// stands in the event.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_grows_alike_and_knows_the_reason() {
    let world = World::start().await;
    let stranger = people().into_iter().find(|person| person.id == "developer-d").unwrap();
    let client = world.raw(stranger);
    let regulator = world.zone.client("regulator");
    for route in routes().into_iter().filter(|route| is_stranger(stranger, route)) {
        let named = named(&world, route);
        let mut seen = Vec::new();
        for id in [named.clone(), unknown(&named)] {
            let before = regulator.tree_head().await.unwrap().head.size;
            ask(&world, &client, route.method, about(&world, route, &id)).await;
            let after = regulator.tree_head().await.unwrap().head.size;
            let page = Paging { cursor: Some((before - 1).to_string()), limit: Some(500) };
            let events = regulator.audit_events(&page, &Default::default()).await.unwrap().items;
            let refused: Vec<_> = events.into_iter().filter(|event| event.code.is_some()).collect();
            assert_eq!(refused.len(), 1, "{} {id}", route.path);
            seen.push((after - before, refused[0].resource.clone(), refused[0].code.clone().unwrap()));
        }
        assert_eq!(seen[0].0, seen[1].0, "{}", route.path);
        assert_eq!((seen[0].2.as_str(), seen[1].2.as_str()), ("policy.not-permitted", "request.not-found"));
        assert!(seen[1].1.ends_with(&unknown(&named)), "{seen:?}");
    }
}

/// Under one's own grant, too: a module that another organisation has submitted is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_does_not_tell_whether_others_have_a_module() {
    let world = World::start().await;
    let theirs = other(&world.zone, "developer-d").submit_module(enclave::slow_module()).await.unwrap().id;
    let developer = world.zone.client("developer");
    let nobodys = ModuleId::new(unknown(theirs.as_str())).unwrap();
    let mut told = Vec::new();
    for module in [&theirs, &nobodys] {
        let request = SubmitJob { module: module.clone(), ..world.job.request.clone() };
        let refused = developer.submit_job(&request).await.unwrap_err();
        told.push((refused.status(), format!("{refused:?}").replace(module.as_str(), "MODULE")));
    }
    let without_id = |text: &str| text.split("request_id").next().unwrap().to_owned();
    assert_eq!(told[0].0, Some(404));
    assert_eq!(without_id(&told[0].1), without_id(&told[1].1));
}

/// A cursor is a place in an order, not a thing: another's id is as good as any.
#[tokio::test(flavor = "multi_thread")]
async fn cursors_do_not_tell_what_there_is() {
    let world = World::start().await;
    let stranger = people().into_iter().find(|person| person.id == "supplier-b").unwrap();
    let client = world.raw(stranger);
    for (list, id) in [
        ("jobs", world.job.id.to_string()),
        ("grants", world.grant.id.to_string()),
        ("releases", world.release.to_string()),
        ("reviews", world.review.to_string()),
        ("modules", world.module.to_string()),
        ("datasets", world.dataset.id.to_string()),
        ("principals", "leaver".into()),
    ] {
        let mut answers = Vec::new();
        for cursor in [id.clone(), unknown(&id)] {
            let path = format!("/v1/{list}?cursor={cursor}");
            let asked = Asked { path, content_type: "application/json", body: Bytes::new() };
            answers.push(ask(&world, &client, "GET", asked).await);
        }
        assert_eq!(answers[0].status, 200, "{list}");
        assert_eq!(answers[0], answers[1], "{list}");
    }
}
