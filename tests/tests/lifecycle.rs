//! The enclave's own doings are in its log: start, stop, keys, policies, settings, certificates and revocation lists.

use std::path::Path;
use std::time::Duration;

use glovebox_audit::Event;
use glovebox_client::{EventSearch, Paging};
use glovebox_engine::{Config, Engine, EventQuery, PageQuery};
use glovebox_gm::sm3;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::enclave::{self, UNGUARDED, caller, unguarded_profile};
use crate::rest::zone::{PASSPHRASE, Zone};

fn events(engine: &Engine, action: &str) -> Vec<Event> {
    let page = PageQuery { cursor: None, limit: 500 };
    let query = EventQuery { page, action: Some(action.to_owned()), ..Default::default() };
    let events = engine.events(&caller("regulator"), &query).unwrap().items;
    let is_of_enclave = |event: &Event| event.resource == "enclave/enclave" && event.actor.principal.is_none();
    assert!(events.iter().all(is_of_enclave), "{events:?}");
    events
}

fn last(engine: &Engine, action: &str) -> Event {
    events(engine, action).pop().unwrap_or_else(|| panic!("no event `{action}`"))
}

fn opened(state: &Path, change: impl FnOnce(&mut Config)) -> Engine {
    let mut config = enclave::config(state);
    change(&mut config);
    Engine::open(config, PASSPHRASE).unwrap()
}

async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_and_stops_are_events_and_a_kill_shows_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    enclave::make(folder.path()).await;
    let engine = enclave::open(folder.path());
    let first = events(&engine, "enclave.start");
    assert_eq!(first[0].detail["stop_before"], "none", "of the enclave that was made");
    engine.start();
    stop(engine).await;

    let engine = enclave::open(folder.path());
    assert_eq!(last(&engine, "enclave.start").detail["stop_before"], "in order");
    let stopped = last(&engine, "enclave.stop");
    assert_eq!(last(&engine, "enclave.start").sequence, stopped.sequence + 1, "nothing comes after a stop");
    // Dropped without a word, as a kill does it.
    drop(engine);

    let engine = enclave::open(folder.path());
    assert_eq!(last(&engine, "enclave.start").detail["stop_before"], "not in order");
    assert_eq!(last(&engine, "enclave.start").detail["version"], env!("CARGO_PKG_VERSION"));
    // One that never started a worker stops in order, too.
    stop(engine).await;
    let engine = enclave::open(folder.path());
    assert_eq!(last(&engine, "enclave.start").detail["stop_before"], "in order");
    // Each start unlocks the keys.
    let (starts, unlocked) = (events(&engine, "enclave.start"), events(&engine, "key.unlock"));
    assert_eq!(starts.len(), unlocked.len());
    let key = engine.key().unwrap().fingerprint_sm3;
    assert!(unlocked.iter().all(|event| event.detail["enclave_key_sm3"] == key));
    stop(engine).await;
}

/// The attack: the rules are loosened between two starts, and tightened again before anybody looks.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_changed_between_two_starts_shows() {
    let folder = tempfile::tempdir().unwrap();
    enclave::make(folder.path()).await;
    let name = format!("profile:{UNGUARDED}");
    let engine = enclave::open(folder.path());
    let before = last(&engine, "policies.load");
    assert_eq!(before.detail[&name], sm3(unguarded_profile().as_bytes()).to_string());
    let grants = std::fs::read(crate::rest::zone::repository("policies/grants.cedar")).unwrap();
    assert_eq!(before.detail["policy:grants"], sm3(&grants).to_string());
    for file in ["datasets", "grants", "jobs", "reviews", "suspensions", "roles", "transfer", "schema"] {
        assert!(before.detail.contains_key(&format!("policy:{file}")), "{file}");
    }
    for profile in ["default", "acro", "dp"] {
        assert!(before.detail.contains_key(&format!("profile:{profile}")), "{profile}");
    }
    assert_eq!(before.detail.get("changed"), None, "as at the start before");
    stop(engine).await;

    let looser = unguarded_profile().replace("threshold = 10", "threshold = 3");
    assert_ne!(looser, unguarded_profile());
    let engine = opened(folder.path(), |config| config.profiles = vec![looser.clone()]);
    let event = last(&engine, "policies.load");
    assert_eq!(event.detail["changed"], name);
    assert_eq!(event.detail[&name], sm3(looser.as_bytes()).to_string());
    stop(engine).await;
    // Taken away, it shows, too.
    let engine = opened(folder.path(), |config| config.profiles = Vec::new());
    assert_eq!(last(&engine, "policies.load").detail["changed"], name);
    stop(engine).await;
    let engine = enclave::open(folder.path());
    assert_eq!(last(&engine, "policies.load").detail["changed"], name);
    assert_eq!(last(&engine, "policies.load").detail[&name], before.detail[&name]);
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_in_the_log_and_what_is_secret_is_not() {
    let folder = tempfile::tempdir().unwrap();
    enclave::make(folder.path()).await;
    let engine = opened(folder.path(), |config| {
        config.workers = 3;
        config.reviews.days = 7;
        config.limits.wall = Duration::from_secs(60);
    });
    let event = last(&engine, "enclave.configure");
    assert_eq!(event.detail["changed"], "setting:job_wall_ms,setting:review_days,setting:workers");
    assert_eq!(event.detail["setting:workers"], "3");
    assert_eq!(event.detail["setting:job_wall_ms"], "60000");
    assert_eq!(event.detail["setting:witnesses"], "nobody");
    let log = engine.export(&caller("regulator")).unwrap().map(Result::unwrap).collect::<String>();
    assert!(log.contains("\"setting:workers\":\"3\""));
    let words = std::str::from_utf8(PASSPHRASE).unwrap();
    for secret in [words, &sm3(PASSPHRASE).to_string(), &folder.path().display().to_string()] {
        assert!(!log.contains(secret), "{secret}");
    }
    stop(engine).await;
}

/// Whom the server believes, and whom it no longer does.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_revocation_lists_in_use_are_events() {
    let mut zone = Zone::start().await;
    let regulator = zone.client("regulator");
    let found = async |action: &str| {
        let search = EventSearch { action: Some(action.to_owned()), ..Default::default() };
        let paging = Paging { cursor: None, limit: Some(500) };
        regulator.audit_events(&paging, &search).await.unwrap().items
    };
    let configured = found("server.configure").await;
    assert_eq!(configured.len(), 1);
    assert_eq!(configured[0].detail["setting:shutdown_grace_ms"], "2000");
    let loaded = found("tls.load").await;
    assert_eq!(loaded.iter().map(|event| event.detail["suites"].as_str()).collect::<Vec<_>>(), ["gm", "standard"]);
    assert_eq!(loaded[1].detail["authorities_sm3"], der_sm3::<CertificateDer<'_>>(zone.authority.cert_pem()));
    let file = |name: &str| std::fs::read_to_string(zone.folder.path().join(name)).unwrap();
    assert_eq!(loaded[1].detail["certificates_sm3"], der_sm3::<CertificateDer<'_>>(&file("server.pem")));
    assert_eq!(loaded[1].detail["revocations_sm3"], der_sm3::<CertificateRevocationListDer<'_>>(&file("revoked.pem")));

    let developer = zone.certificate("developer");
    zone.revoke(&[&developer], 2);
    let start = std::time::Instant::now();
    let reloaded = loop {
        let events = found("tls.load").await;
        if events.len() > 2 {
            break events;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "a list that was taken in is no event");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(reloaded[2].detail["suites"], "standard");
    assert_eq!(
        reloaded[2].detail["revocations_sm3"],
        der_sm3::<CertificateRevocationListDer<'_>>(&file("revoked.pem"))
    );
    assert_ne!(reloaded[2].detail["revocations_sm3"], loaded[1].detail["revocations_sm3"]);
    assert_eq!(reloaded[2].detail["certificates_sm3"], loaded[1].detail["certificates_sm3"]);

    // A list that is spoilt is not taken in, which shows, and shows once.
    let path = zone.folder.path().join("revoked.pem");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "no list at all").unwrap();
    let kept = loop {
        let events = found("tls.keep").await;
        if !events.is_empty() {
            break events;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "a list that was not taken in is no event");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(kept[0].detail["suites"], "standard");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((found("tls.keep").await.len(), found("tls.load").await.len()), (1, 3));
    std::fs::write(&path, whole).unwrap();
    zone.stop().await;
}

/// SM3 of what a PEM text holds.
fn der_sm3<T: PemObject + AsRef<[u8]>>(pem: &str) -> String {
    sm3(T::from_pem_slice(pem.as_bytes()).unwrap().as_ref()).to_string()
}
