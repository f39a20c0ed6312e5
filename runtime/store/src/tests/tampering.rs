//! Whoever changes the file behind the store's back is found out when it is opened.

use std::path::Path;
use std::sync::OnceLock;

use glovebox_catalog::GrantState;
use glovebox_gm::SigningKey;
use rusqlite::Connection;

use super::cohorts::cohort;
use super::fixtures::*;
use crate::{EventFilter, JobFilter, Slice, Store, StoreError};

/// Writes a file with every kind of record and two signed heads to `path`. Made once, then copied.
fn write(path: &Path) {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    std::fs::write(path, WHOLE.get_or_init(whole)).unwrap();
}

fn whole() -> Vec<u8> {
    let (_folder, path) = file();
    let store = Store::open(&path).unwrap();
    furnish(&store);
    let key = SigningKey::generate().unwrap();
    let log_id = store.log_id().unwrap();
    start(&store, 1, amounts(10), &limit(1_000));
    let end = settlement(1, amounts(10), &key, &log_id);
    store.claim_cohorts(&job_id(1), &[cohort(0), cohort(1)], draft("job.claim")).unwrap();
    store.settle(end, draft("release.made")).unwrap();
    store.receipt(&job_id(1), None, now(), |head| head.sign(&key)).unwrap();
    start(&store, 2, amounts(10), &limit(1_000));
    store.settle(failure(2, amounts(5)), draft("job.fail")).unwrap();
    super::privacy::spend(&store, 3);
    start(&store, 4, amounts(10), &limit(1_000));
    store.claim_cohorts(&job_id(4), &[cohort(2)], draft("job.claim")).unwrap();
    let review = super::reviews::open(&store, 4).unwrap();
    super::reviews::released(&store, 4, &super::reviews::approved(&store, &review)).unwrap();
    start(&store, 5, amounts(10), &limit(1_000));
    super::reviews::open(&store, 5).unwrap();
    let before = store.grant(&grant_id()).unwrap().unwrap();
    let mut after = before.clone();
    after.state = GrantState::Revoked;
    store.update_grant(&before, &after, draft("grant.revoke")).unwrap();
    store.signed_head(now(), |head| head.sign(&key)).unwrap();
    store.record(draft("key.read")).unwrap();
    drop(store);
    std::fs::read(&path).unwrap()
}

/// Runs `sql` on the file as someone would who has the SQLite shell, and opens the store.
fn tampered(sql: &str) -> Result<Store, StoreError> {
    let (_folder, path) = file();
    write(&path);
    let connection = Connection::open(&path).unwrap();
    let triggers: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for trigger in triggers {
        connection.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    let unguarded = "PRAGMA foreign_keys = OFF; DROP INDEX reviews_by_job; DROP INDEX reviews_by_release";
    connection.execute_batch(&format!("{unguarded}; {sql}")).unwrap();
    assert!(sql.is_empty() || connection.total_changes() > 0, "no row met: {sql}");
    drop(connection);
    Store::open(&path)
}

#[test]
fn an_untouched_file_opens() {
    tampered("").unwrap();
}

#[test]
fn every_change_of_an_event_is_found() {
    for sql in [
        "UPDATE events SET leaf = replace(leaf, 'lin.wei', 'lin.wej') WHERE sequence = 3",
        "UPDATE events SET leaf = leaf || ' ' WHERE sequence = 0",
        "UPDATE events SET leaf = replace(leaf, 'key.read', 'key.reae')",
        "DELETE FROM events WHERE sequence = 4",
        "DELETE FROM events WHERE sequence = (SELECT max(sequence) FROM events)",
        "DELETE FROM events",
        "INSERT INTO events (sequence, leaf) SELECT 1000, leaf FROM events WHERE sequence = 0",
        "INSERT INTO events (sequence, leaf) SELECT max(sequence) + 1, leaf FROM events",
        "INSERT INTO events (sequence, leaf) SELECT -1, leaf FROM events WHERE sequence = 0",
        "UPDATE events SET sequence = -5 WHERE sequence = 1; UPDATE events SET sequence = 1 WHERE sequence = 2;
         UPDATE events SET sequence = 2 WHERE sequence = -5",
        "UPDATE log_state SET size = size - 1",
        "UPDATE log_state SET root = iif(substr(root, 1, 1) = '0', '1', '0') || substr(root, 2)",
        "UPDATE log_state SET log_id = 'log-other'",
        "DELETE FROM log_state",
    ] {
        assert!(matches!(tampered(sql), Err(StoreError::Corrupt { .. } | StoreError::Database(_))), "{sql}");
    }
}

/// Whoever cuts the log and mends `log_state` still meets the heads that were signed.
#[test]
fn a_mended_log_is_not_the_one_that_was_signed() {
    let (_folder, path) = file();
    write(&path);
    let connection = Connection::open(&path).unwrap();
    let mut log = glovebox_audit::Log::new("");
    let mut statement = connection.prepare("SELECT leaf FROM events WHERE sequence < 9 ORDER BY sequence").unwrap();
    let leaves = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for (sequence, leaf) in leaves.enumerate() {
        log.append_leaf(sequence as u64, leaf.unwrap().as_bytes()).unwrap();
    }
    drop(statement);
    let mend = format!(
        "PRAGMA foreign_keys = OFF; DROP TRIGGER events_stay; DELETE FROM events WHERE sequence >= 9;
         UPDATE log_state SET size = 9, root = '{}'",
        log.root()
    );
    connection.execute_batch(&mend).unwrap();
    drop(connection);
    match Store::open(&path) {
        Err(StoreError::Corrupt { what }) => assert!(what.contains("was signed"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_change_of_a_record_is_found() {
    let tables = [
        "organisations",
        "principals",
        "datasets",
        "snapshots",
        "grants",
        "modules",
        "jobs",
        "accounts",
        "releases",
        "receipts",
        "reviews",
        "cohort_sets",
        "privacy_accounts",
    ];
    for table in tables {
        for sql in [
            format!("UPDATE {table} SET body = body || ' '"),
            format!("DELETE FROM {table} WHERE rowid = (SELECT max(rowid) FROM {table})"),
            format!("INSERT INTO {table} (id, body) SELECT 'zz' || id, body FROM {table} LIMIT 1"),
        ] {
            assert!(matches!(tampered(&sql), Err(StoreError::Corrupt { .. })), "{sql}");
        }
    }
}

/// A cohort that is forgotten or changed would let a release through that differs from it by one person.
#[test]
fn every_change_of_a_cohort_is_found() {
    for sql in [
        "UPDATE cohorts SET sketch = x'00' WHERE number = 1",
        "UPDATE cohorts SET persons_sm3 = replace(persons_sm3, '1', '2') WHERE number = 0",
        "UPDATE cohorts SET number = 9 WHERE number = 2",
        "DELETE FROM cohorts WHERE number = 2",
        "DELETE FROM cohort_persons WHERE number = 0",
        "DELETE FROM cohorts; DELETE FROM cohort_persons",
        "DELETE FROM cohorts; DELETE FROM cohort_persons; DELETE FROM cohort_sets",
        "INSERT INTO cohorts SELECT dataset, 3, sketch, persons_sm3 FROM cohorts WHERE number = 0",
        "INSERT INTO cohorts SELECT 'other', number, sketch, persons_sm3 FROM cohorts",
        "DELETE FROM review_candidates WHERE rowid = 1",
        "UPDATE reviews SET body = replace(body, '\"submitted\"', '\"approved\"')",
    ] {
        assert!(matches!(tampered(sql), Err(StoreError::Corrupt { .. })), "{sql}");
    }
    let store = tampered("UPDATE cohort_persons SET persons = x'01' WHERE number = 1").unwrap();
    let dataset = dataset("table").id;
    assert!(matches!(store.cohort_persons(&dataset, 1), Err(StoreError::Corrupt { .. })), "found when it is read");
    assert!(store.cohort_persons(&dataset, 0).is_ok());
    let store = tampered("UPDATE review_candidates SET sealed = x'01'").unwrap();
    for review in store.reviews(Default::default(), &Slice::default()).unwrap().items {
        assert!(matches!(store.review_candidate(&review), Err(StoreError::Corrupt { .. })));
    }
}

/// The state that someone would most like to have back: a budget before it was spent, a grant before it was revoked.
#[test]
fn an_older_state_is_not_taken_for_the_present_one() {
    for sql in [
        "UPDATE accounts SET body = json_set(body, '$.committed.fuel_units', 10, '$.committed.jobs', 1)",
        "UPDATE grants SET body = replace(body, '\"revoked\"', '\"active\"')",
        "UPDATE principals SET body = replace(body, '\"developer\"', '\"reviewer\"')",
    ] {
        assert!(matches!(tampered(sql), Err(StoreError::Corrupt { .. })), "{sql}");
    }
}

#[test]
fn tree_heads_are_held_against_the_log() {
    for sql in [
        "UPDATE tree_heads SET body = json_set(body, '$.head.size', 1)",
        "UPDATE tree_heads SET body = json_set(body, '$.head.log_id', 'log-other')",
        "UPDATE tree_heads SET body = '{}'",
    ] {
        assert!(matches!(tampered(sql), Err(StoreError::Corrupt { .. })), "{sql}");
    }
}

#[test]
fn module_bytes_are_held_against_their_id_when_read() {
    let store = tampered("UPDATE module_bytes SET bytes = x'0061736d02000000'").unwrap();
    assert!(matches!(store.module_bytes(&module().id), Err(StoreError::Corrupt { .. })));
}

/// The schema refuses what the code never does, should a fault ever make it try.
#[test]
fn the_schema_refuses_by_itself() {
    let (_folder, path) = file();
    write(&path);
    let connection = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE events SET leaf = '{}' WHERE sequence = 0",
        "DELETE FROM events WHERE sequence = 0",
        "UPDATE accounts SET body = json_set(body, '$.committed.fuel_units', 14)",
        "UPDATE jobs SET body = json_set(body, '$.state', 'queued')",
        "UPDATE jobs SET body = json_set(body, '$.state', 'running') WHERE state = 'in-review'",
        "UPDATE reviews SET body = json_set(body, '$.state', 'released') WHERE state = 'submitted'",
        "UPDATE reviews SET body = json_set(body, '$.state', 'approved') WHERE state = 'released'",
        "UPDATE reviews SET body = json_set(body, '$.state', 'waived')",
        "UPDATE reviews SET body = json_set(body, '$.fetches', -1)",
        "INSERT INTO reviews (id, body) SELECT 'rev-9', json_set(body, '$.job', 'job-9', '$.release', NULL) FROM reviews
         WHERE state = 'released'",
        "DELETE FROM reviews",
        "DELETE FROM review_candidates",
        "UPDATE review_candidates SET sealed = x'00'",
        "UPDATE cohorts SET sketch = x'00'",
        "DELETE FROM cohort_persons",
        "DELETE FROM cohort_sets",
        "DELETE FROM jobs",
        "DELETE FROM accounts",
        "DELETE FROM tree_heads",
        "UPDATE releases SET body = '{}'",
        "UPDATE receipts SET body = '{}'",
    ] {
        assert!(connection.execute_batch(sql).is_err(), "{sql}");
    }
}

/// All that can be read of a store.
fn content(store: &Store) -> String {
    let slice = Slice::first(1_000);
    let events = |filter| store.events(filter, &slice).map(|page| page.items);
    let by_action = EventFilter { action: Some("organisation.create"), ..Default::default() };
    let by_resource = EventFilter { resource: Some("thing/1"), ..Default::default() };
    let supplier = hospital();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        store.organisations(&slice),
        store.principals(Some(&company()), &slice),
        store.datasets(Some(&supplier), &slice),
        store.snapshots(&dataset("table").id, &slice),
        store.grants(None, Some(&supplier), &slice),
        store.modules(Some(&company()), &slice),
        store.module_bytes(&module().id),
        store.jobs(JobFilter { supplier: Some(&supplier), ..Default::default() }, &slice),
        store.account(&grant_id()),
        store.releases(Some(&company()), &slice),
        events(EventFilter::default()),
        events(by_action),
        events(by_resource),
    )
}

/// A flipped bit anywhere in the file is found, or lies where nothing is read from.
#[test]
fn no_flipped_bit_changes_what_is_read() {
    let (folder, path) = file();
    write(&path);
    let whole = std::fs::read(&path).unwrap();
    let untouched = content(&Store::open(&path).unwrap());
    let flipped = folder.path().join("flipped.sqlite");
    let (mut found, mut harmless) = (0, 0);
    for place in (0..whole.len()).step_by(211) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        for left in ["flipped.sqlite", "flipped.sqlite-wal", "flipped.sqlite-shm"] {
            let _ = std::fs::remove_file(folder.path().join(left));
        }
        std::fs::write(&flipped, bytes).unwrap();
        match Store::open(&flipped) {
            Err(_) => found += 1,
            Ok(store) => {
                let read = content(&store);
                assert!(read == untouched || read.contains("Err("), "byte {place} changed what is read");
                harmless += 1;
            }
        }
    }
    assert!(found > 10, "{found} found, {harmless} harmless of {} bytes", whole.len());
}

#[test]
fn a_file_that_is_cut_or_none_of_ours_is_refused() {
    let (_folder, path) = file();
    write(&path);
    let whole = std::fs::read(&path).unwrap();
    for length in [whole.len() / 2, 5_000, 100] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Corrupt { .. })), "{length}");
    }
    std::fs::write(&path, "not a database, though long enough to have a header of one: ".repeat(20)).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_newer_schema_and_a_second_process_are_refused() {
    let (_folder, path) = file();
    let store = Store::open(&path).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::InUse)));
    drop(store);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::NewerSchema)));
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = file();
    let store = Store::open(&path).unwrap();
    furnish(&store);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
}
