//! What comes back: problem documents, headers, pages, idempotency keys, limits.

use glovebox_api::{PROBLEM_CONTENT_TYPE, Page, Problem};
use glovebox_catalog::Organisation;
use glovebox_client::EventSearch;
use reqwest::{Method, StatusCode};

use super::zone::Zone;

struct Case {
    method: &'static str,
    path: &'static str,
    content_type: &'static str,
    body: String,
    status: u16,
    code: &'static str,
}

fn case(method: &'static str, path: &'static str, body: &str, status: u16, code: &'static str) -> Case {
    Case { method, path, content_type: "application/json", body: body.to_owned(), status, code }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_come_back_as_problems() {
    let zone = Zone::start().await;
    let officer = zone.raw(Some(&zone.certificate("officer")));
    let huge = format!("{{\"id\": \"{}\"}}", "x".repeat(1 << 20));
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let mut cases = vec![
        case("GET", "/v1/nothing", "", 404, "request.unknown-route"),
        case("GET", "/", "", 404, "request.unknown-route"),
        case("GET", "/v1/../etc/passwd", "", 404, "request.unknown-route"),
        case("PUT", "/v1/organisations", "{}", 405, "request.method-not-allowed"),
        case("DELETE", "/v1/jobs", "", 405, "request.method-not-allowed"),
        case("OPTIONS", "/v1/jobs", "", 405, "request.method-not-allowed"),
        case("POST", "/v1/whoami", "{}", 405, "request.method-not-allowed"),
        case("POST", "/v1/organisations", "{\"id\": ", 400, "request.malformed-json"),
        case("POST", "/v1/organisations", "[]", 400, "request.malformed-json"),
        case("POST", "/v1/organisations", &deep, 400, "request.malformed-json"),
        case("POST", "/v1/organisations", "", 400, "request.malformed-json"),
        case("POST", "/v1/principals", "{\"id\":\"a\",\"admin\":true}", 400, "request.malformed-json"),
        case("POST", "/v1/organisations", &huge, 413, "request.too-large"),
        case("GET", "/v1/datasets?limit=0", "", 400, "request.bad-parameter"),
        case("GET", "/v1/datasets?limit=501", "", 400, "request.bad-parameter"),
        case("GET", "/v1/datasets?limit=many", "", 400, "request.bad-parameter"),
        case("GET", "/v1/datasets?limits=5", "", 400, "request.bad-parameter"),
        case("GET", "/v1/datasets/..%2Fsecret", "", 400, "request.bad-parameter"),
        case("GET", "/v1/datasets/%FF", "", 400, "request.bad-parameter"),
        case("GET", "/v1/datasets/unknown", "", 404, "request.not-found"),
        case("GET", "/v1/audit/proofs/inclusion/-1", "", 400, "request.bad-parameter"),
        case("GET", "/v1/audit/proofs/consistency?from=1", "", 400, "request.bad-parameter"),
    ];
    for path in ["/v1/organisations", "/v1/modules", "/v1/datasets/x/snapshots"] {
        let mut other = case("POST", path, "<x/>", 415, "request.unsupported-media-type");
        other.content_type = "text/xml";
        cases.push(other);
    }
    for Case { method, path, content_type, body, status, code } in cases {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = officer.request(method.clone(), zone.url(path)).header("content-type", content_type).body(body);
        let answer = request.send().await.unwrap();
        let headers = answer.headers().clone();
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(headers["content-type"], PROBLEM_CONTENT_TYPE, "{method} {path}");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers.contains_key("allow"), status == 405, "{method} {path}");
        let problem: Problem = answer.json().await.unwrap();
        assert_eq!((problem.status, problem.code.as_str()), (status, code), "{method} {path}");
        assert_eq!(problem.request_id.as_deref(), headers["x-request-id"].to_str().ok());
        assert!(!problem.title.is_empty() && !problem.detail.is_empty(), "{problem:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_without_a_body() {
    let zone = Zone::start().await;
    let officer = zone.raw(Some(&zone.certificate("officer")));
    for (path, status) in [("/v1/whoami", StatusCode::OK), ("/v1/nothing", StatusCode::NOT_FOUND)] {
        let answer = officer.head(zone.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let zone = Zone::start().await;
    let officer = zone.client("officer");
    let mut seen = Vec::new();
    let mut paging = glovebox_client::Paging { cursor: None, limit: Some(2) };
    loop {
        let page: Page<Organisation> = officer.organisations(&paging).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|organisation| organisation.id.to_string()));
        paging.cursor = page.next_cursor;
        if paging.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["board", "company-c", "health-office", "hospital-a", "zone-ops"]);

    let mut sequences = Vec::new();
    let mut paging = glovebox_client::Paging { cursor: None, limit: Some(3) };
    let regulator = zone.client("regulator");
    loop {
        let page = regulator.audit_events(&paging, &of_action("principal.create")).await.unwrap();
        sequences.extend(page.items.iter().map(|event| event.sequence));
        paging.cursor = page.next_cursor;
        if paging.cursor.is_none() {
            break;
        }
    }
    assert_eq!(sequences.len(), 6);
    assert!(sequences.is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_with_a_key_happens_once() {
    let zone = Zone::start().await;
    let officer = zone.raw(Some(&zone.certificate("officer")));
    let post = async |key: &str, id: &str| {
        let body = format!("{{\"id\":\"{id}\",\"name\":\"N\",\"kind\":\"developer\",\"jurisdiction\":\"CN\"}}");
        let request = officer.post(zone.url("/v1/organisations")).header("content-type", "application/json");
        let answer = request.header("idempotency-key", key).body(body).send().await.unwrap();
        let replayed = answer.headers().contains_key("idempotency-replayed");
        (answer.status().as_u16(), replayed, answer.text().await.unwrap())
    };
    let first = post("k1", "lab-1").await;
    assert_eq!((first.0, first.1), (201, false));
    let again = post("k1", "lab-1").await;
    assert_eq!((again.0, again.1, &again.2), (201, true, &first.2));
    // The key stands for that request alone.
    let other = post("k1", "lab-2").await;
    assert_eq!(other.0, 422);
    assert!(other.2.contains("request.idempotency-key-reused"), "{}", other.2);
    // Without the key the second filing is a conflict, and the failure is not kept under its key.
    let conflict = post("k2", "lab-1").await;
    assert_eq!((conflict.0, conflict.1), (409, false));
    assert!(!post("k2", "lab-1").await.1);
    let bad = post(&"k".repeat(129), "lab-3").await;
    assert_eq!(bad.0, 400);
    // Keys of others are others' keys.
    let operator = zone.raw(Some(&zone.certificate("operator")));
    let body = "{\"id\":\"lab-1\",\"name\":\"N\",\"kind\":\"developer\",\"jurisdiction\":\"CN\"}";
    let request = operator.post(zone.url("/v1/organisations")).header("content-type", "application/json");
    let answer = request.header("idempotency-key", "k1").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_at_once_with_one_key_are_one() {
    let zone = Zone::start().await;
    let officer = zone.raw(Some(&zone.certificate("officer")));
    let body = "{\"id\":\"lab-1\",\"name\":\"N\",\"kind\":\"developer\",\"jurisdiction\":\"CN\"}";
    let post = async || {
        let request = officer.post(zone.url("/v1/organisations")).header("content-type", "application/json");
        request.header("idempotency-key", "k1").body(body).send().await.unwrap().status().as_u16()
    };
    let statuses: [u16; 4] = tokio::join!(post(), post(), post(), post()).into();
    assert!(statuses.contains(&201), "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    assert_eq!(post().await, 201);
    let events = zone.client("regulator").audit_events(&Default::default(), &about("organisation/lab-1")).await;
    assert_eq!(events.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_at_once_are_told_to_come_back() {
    let limits = glovebox_server::Limits { requests_max: 0, ..Default::default() };
    let zone = Zone::start_empty(limits, |_| {}).await;
    let answer = zone.raw(Some(&zone.certificate("officer"))).get(zone.url("/v1/whoami")).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "1");
    let problem: Problem = answer.json().await.unwrap();
    assert_eq!(problem.code, "server.busy");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_address_tells_figures_and_names_nobody() {
    let mut zone = Zone::start().await;
    zone.client("developer").whoami().await.unwrap();
    zone.client("developer").live_meters().await.unwrap_err();
    let metrics = zone.metrics().await;
    assert!(
        metrics.contains("glovebox_http_requests_total{method=\"GET\",route=\"/v1/whoami\",status=\"200\"} 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("glovebox_refusals_total{code=\""), "{metrics}");
    assert!(metrics.contains("glovebox_audit_events_total"), "{metrics}");
    for (id, organisation, _, _) in super::zone::PEOPLE {
        let label = |name: &str| metrics.contains(&format!("\"{name}\""));
        assert!(!label(id) && !label(organisation), "{id} {organisation}: {metrics}");
    }
    let health = reqwest::get(format!("http://{}/healthz", zone.admin)).await.unwrap();
    assert_eq!(health.status(), 200);
    let ready = reqwest::get(format!("http://{}/readyz", zone.admin)).await.unwrap();
    assert_eq!(ready.status(), 200);
    zone.stop().await;
}

fn of_action(action: &str) -> EventSearch {
    EventSearch { action: Some(action.to_owned()), ..EventSearch::default() }
}

fn about(resource: &str) -> EventSearch {
    EventSearch { resource: Some(resource.to_owned()), ..EventSearch::default() }
}
