//! Who did what, found again: by person, organisation, dataset, purpose and time; a supplier's own slice; and reads that
//! are events.

use std::collections::BTreeSet;

use glovebox_audit::Event;
use glovebox_catalog::{Dataset, DatasetId, GrantTerms, PrincipalId, Purpose, Timestamp};
use glovebox_client::{Client, EventSearch, Paging};
use glovebox_engine::{EventQuery, PageQuery};

use crate::enclave;
use crate::rest::zone::now_unix_ms;
use crate::world::{World, ingest, other};

async fn found(client: &Client, search: EventSearch) -> Vec<Event> {
    let paging = Paging { cursor: None, limit: Some(500) };
    let page = client.audit_events(&paging, &search).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items
}

fn resources(events: &[Event]) -> BTreeSet<&str> {
    events.iter().map(|event| event.resource.as_str()).collect()
}

/// The world, with a dataset of another supplier and a grant on it for another purpose.
async fn two_suppliers() -> (World, DatasetId, String) {
    let world = World::start().await;
    let supplier = other(&world.zone, "supplier-b");
    let organisation = supplier.whoami().await.unwrap().organisation;
    let dataset = Dataset { id: DatasetId::new("ward-b").unwrap(), supplier: organisation, ..enclave::dataset() };
    supplier.register_dataset(&dataset).await.unwrap();
    ingest(&world.zone, &dataset, enclave::table(0)).await;
    let terms = GrantTerms { purpose: Purpose::Insurance, ..enclave::terms(&dataset.id) };
    let grant = world.zone.client("developer").propose_grant(&terms).await.unwrap();
    (world, dataset.id, format!("grant/{}", grant.id))
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_person_organisation_dataset_purpose_and_time() {
    let (world, other_dataset, other_grant) = two_suppliers().await;
    let regulator = world.zone.client("regulator");
    let (job, grant) = (format!("job/{}", world.job.id), format!("grant/{}", world.grant.id));
    let all = EventSearch::default;

    let by = PrincipalId::new("developer").unwrap();
    let events = found(&regulator, EventSearch { person: Some(by.clone()), ..all() }).await;
    assert!(resources(&events).is_superset(&[job.as_str(), &grant, "member/developer"].into()));
    assert!(events.iter().all(|e| e.actor.principal.as_ref() == Some(&by) || e.resource == "member/developer"));

    let organisation = Some(world.job.organisation.clone());
    let events = found(&regulator, EventSearch { organisation: organisation.clone(), ..all() }).await;
    assert!(events.len() > 5);
    let is_of = |e: &Event| e.actor.organisation == organisation || e.resource == "organisation/company-c";
    assert!(events.iter().all(is_of));

    let of_dataset = |dataset: &DatasetId| EventSearch { dataset: Some(dataset.clone()), ..all() };
    let events = found(&regulator, of_dataset(&world.dataset.id)).await;
    let (release, review) = (format!("release/{}", world.release), format!("review/{}", world.review));
    assert!(resources(&events).is_superset(&[job.as_str(), &grant, &review].into()), "{events:?}");
    assert!(!resources(&events).contains(other_grant.as_str()));
    world.zone.client("developer").release(&world.release).await.unwrap();
    assert!(resources(&found(&regulator, of_dataset(&world.dataset.id)).await).contains(release.as_str()));
    let events = found(&regulator, of_dataset(&other_dataset)).await;
    assert_eq!(resources(&events), [format!("dataset/{other_dataset}").as_str(), &other_grant].into());

    let events = found(&regulator, EventSearch { purpose: Some("insurance".into()), ..all() }).await;
    assert_eq!(resources(&events), [other_grant.as_str()].into());
    let events = found(&regulator, EventSearch { purpose: Some("research".into()), ..all() }).await;
    assert!(resources(&events).is_superset(&[job.as_str(), &grant].into()));

    let events = found(&regulator, all()).await;
    let (from, until) = (events[3].at, events[9].at);
    let between = found(&regulator, EventSearch { from: Some(from), until: Some(until), ..all() }).await;
    let expected: Vec<_> = events.iter().filter(|e| e.at >= from && e.at < until).map(|e| e.sequence).collect();
    assert_eq!(between.iter().map(|e| e.sequence).collect::<Vec<_>>(), expected);
    let future = Timestamp::from_unix_ms(now_unix_ms() + 60_000);
    assert!(found(&regulator, EventSearch { from: Some(future), ..all() }).await.is_empty());

    // Conditions hold together.
    let views = EventSearch { person: Some(by.clone()), action: Some("view.open".into()), ..all() };
    let events = found(&regulator, views).await;
    assert!(!events.is_empty());
    for event in &events {
        assert_eq!(event.actor.principal.as_ref(), Some(&by), "a view names for whom it opens");
        assert_eq!(event.detail["on_behalf_of"], "developer");
        assert_eq!(
            (event.detail["purpose"].as_str(), event.detail["basis"].as_str()),
            ("research", "public-or-anonymised")
        );
        assert!(event.detail.contains_key("grant") && event.detail.contains_key("dataset"));
    }
    let approvals = EventSearch { action: Some("grant.approve".into()), resource: Some(grant), ..all() };
    let events = found(&regulator, approvals).await;
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(event.detail["comment"], "fine");
        assert_eq!(
            (event.detail["purpose"].as_str(), event.detail["basis"].as_str()),
            ("research", "public-or-anonymised")
        );
    }
}

/// Each supplier finds what is about its data, and nothing else; what is not in the slice is not there, whatever is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_searches_its_own_slice() {
    let (world, other_dataset, other_grant) = two_suppliers().await;
    let (job, grant) = (format!("job/{}", world.job.id), format!("grant/{}", world.grant.id));
    let paging = Paging { cursor: None, limit: Some(500) };
    let (a, b) = (world.zone.client("supplier"), other(&world.zone, "supplier-b"));
    let mine = a.own_events(&paging, &EventSearch::default()).await.unwrap().items;
    assert!(resources(&mine).is_superset(&[job.as_str(), &grant, &format!("dataset/{}", world.dataset.id)].into()));
    let theirs = b.own_events(&paging, &EventSearch::default()).await.unwrap().items;
    assert_eq!(resources(&theirs), [format!("dataset/{other_dataset}").as_str(), &other_grant].into());
    // How long a run took is not told by what the enclave did in between.
    let by_itself = |event: &&Event| event.actor.principal.is_none();
    let actions: BTreeSet<_> = mine.iter().filter(by_itself).map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["job.settle", "review.open"].into());
    for event in mine.iter().chain(&theirs) {
        assert!(
            event.actor.address.is_none()
                || event.actor.organisation.as_ref().unwrap().as_str().starts_with("hospital")
        );
    }
    for (supplier, search) in [
        (&a, EventSearch { dataset: Some(other_dataset.clone()), ..EventSearch::default() }),
        (&a, EventSearch { resource: Some(other_grant.clone()), ..EventSearch::default() }),
        (&a, EventSearch { purpose: Some("insurance".into()), ..EventSearch::default() }),
        (&b, EventSearch { dataset: Some(world.dataset.id.clone()), ..EventSearch::default() }),
        (&b, EventSearch { resource: Some(job.clone()), ..EventSearch::default() }),
        (&b, EventSearch { resource: Some("member/developer".into()), ..EventSearch::default() }),
    ] {
        assert_eq!(supplier.own_events(&paging, &search).await.unwrap().items, [], "{search:?}");
    }
    for who in ["developer", "reviewer", "operator", "regulator", "officer"] {
        let refused = world.zone.client(who).own_events(&paging, &EventSearch::default()).await.unwrap_err();
        assert_eq!(refused.code(), Some("policy.not-permitted"), "{who}");
    }
    assert_eq!(
        a.audit_events(&paging, &EventSearch::default()).await.unwrap_err().code(),
        Some("policy.not-permitted")
    );
}

/// Reads are counted and written when the enclave stops in order, if not before.
#[test]
fn reads_are_events_and_survive_an_orderly_stop() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let contents = runtime.block_on(enclave::make(folder.path()));
    let engine = enclave::open(folder.path());
    let (operator, regulator) = (enclave::caller("operator"), enclave::caller("regulator"));
    let before = enclave::head(&engine).head.size;
    for _ in 0..7 {
        engine.grant(&operator, &contents.job.grant).unwrap();
    }
    engine.principals(&regulator).unwrap();
    engine.meters(&regulator).unwrap();
    engine.snapshots(&regulator, &contents.job.dataset).unwrap();
    engine.ingestion_report(&regulator, &contents.job.dataset, 1).unwrap();
    engine.events(&regulator, &Default::default()).unwrap();
    assert_eq!(enclave::head(&engine).head.size, before, "a read by itself is no event");
    runtime.block_on(engine.shutdown(std::time::Duration::from_secs(5)));
    drop(engine);
    let engine = enclave::open(folder.path());
    let page = PageQuery { cursor: None, limit: 500 };
    let events = engine.events(&regulator, &EventQuery { page, ..EventQuery::default() }).unwrap().items;
    let reads: Vec<_> = events
        .iter()
        .filter(|event| event.detail.contains_key("read"))
        .map(|event| {
            let who = event.actor.principal.as_ref().unwrap().to_string();
            (
                who,
                event.action.clone(),
                event.resource.clone(),
                event.detail["read"].clone(),
                event.detail["count"].clone(),
            )
        })
        .collect();
    let dataset = format!("dataset/{}", contents.job.dataset);
    let grant = format!("grant/{}", contents.job.grant);
    for expected in [
        ("operator", "grant.read", grant.as_str(), "record", "7"),
        ("regulator", "principal.read", "member/*", "list", "1"),
        ("regulator", "meter.read", "grant/*", "meters", "1"),
        ("regulator", "snapshot.read", &dataset, "snapshots", "1"),
        ("regulator", "snapshot.read", &dataset, "report", "1"),
        ("regulator", "audit.read", "enclave/enclave", "events", "1"),
    ] {
        let (who, action, resource, read, count) = expected;
        let expected = (who.into(), action.into(), resource.into(), read.into(), count.into());
        assert!(reads.contains(&expected), "no {expected:?} in {reads:?}");
    }
}
