//! Whoever changes the file behind the store's back is found out when it is opened.

use std::path::Path;
use std::sync::OnceLock;

use glovebox_catalog::GrantState;
use glovebox_gm::SigningKey;
use rusqlite::Connection;

use super::cohorts::cohort;
use super::fixtures::*;
use crate::counter::path_of;
use crate::{EventFilter, JobFilter, Slice, Store, StoreError};

/// Writes a file with every kind of record and two signed heads to `path`. Made once, then copied.
fn write(path: &Path) {
    static WHOLE: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let [database, counter] = WHOLE.get_or_init(whole);
    std::fs::write(path, database).unwrap();
    std::fs::write(path_of(path), counter).unwrap();
}

fn whole() -> [Vec<u8>; 2] {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
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
    [path.clone(), path_of(&path)].map(|file| std::fs::read(file).unwrap())
}

/// Runs `sql` on the file as someone would who has the SQLite shell, and opens the store.
fn tampered(sql: &str) -> Result<Store, StoreError> {
    let (_folder, path) = file();
    write(&path);
    let connection = Connection::open(&path).unwrap();
    unguarded(&connection, || {
        connection.execute_batch(sql).unwrap();
        assert!(sql.is_empty() || connection.total_changes() > 0, "no row met: {sql}");
    });
    drop(connection);
    open_file(&path)
}

/// Runs `change` while triggers, indexes and foreign keys are away; then they are back, as someone would leave them who
/// knows that the schema is compared. An index that the change broke stays away.
pub(super) fn unguarded(connection: &Connection, change: impl FnOnce()) {
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('trigger', 'index') AND sql IS NOT NULL";
    let mut statement = connection.prepare(sql).unwrap();
    let parts: Vec<[String; 3]> = statement
        .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    drop(statement);
    connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    for [kind, name, _] in &parts {
        connection.execute_batch(&format!("DROP {kind} {name}")).unwrap();
    }
    change();
    for [_, _, made] in &parts {
        let _ = connection.execute_batch(made);
    }
}

/// Whoever drops a trigger, or makes a column say something else than the record, is found out, too.
#[test]
fn every_change_of_the_schema_is_found() {
    for sql in [
        "DROP TRIGGER accounts_never_unspend",
        "DROP INDEX jobs_by_state",
        "CREATE TRIGGER quiet BEFORE INSERT ON jobs BEGIN SELECT 1; END",
        "CREATE TABLE notes (text TEXT)",
        "CREATE VIEW all_jobs AS SELECT * FROM jobs",
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, '$.supplier', '$.organisation') WHERE name = 'datasets'",
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'reviews_stay BEFORE DELETE', 'reviews_stay BEFORE INSERT')
         WHERE name = 'reviews_stay'",
    ] {
        let (_folder, path) = file();
        write(&path);
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        assert!(matches!(open_file(&path), Err(StoreError::Corrupt { .. })), "{sql}");
    }
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
        "UPDATE log_state SET heads = heads - 1",
        "UPDATE log_state SET latest_ms = latest_ms - 86400000",
        "UPDATE log_state SET seal = iif(substr(seal, 1, 1) = '0', '1', '0') || substr(seal, 2)",
        "DELETE FROM log_state",
    ] {
        assert!(matches!(tampered(sql), Err(StoreError::Corrupt { .. } | StoreError::Database(_))), "{sql}");
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
            format!("UPDATE {table} SET salt = zeroblob(32)"),
            format!("UPDATE {table} SET salt = x'00'"),
            format!("DELETE FROM {table} WHERE rowid = (SELECT max(rowid) FROM {table})"),
            format!("INSERT INTO {table} (id, body, salt) SELECT 'zz' || id, body, salt FROM {table} LIMIT 1"),
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
        "UPDATE tree_heads SET body = json_set(body, '$.head.timestamp', '2026-01-01T00:00:00.000Z')",
        "UPDATE tree_heads SET seal = ''",
        "DELETE FROM tree_heads",
        "DELETE FROM tree_heads WHERE size = (SELECT min(size) FROM tree_heads)",
        "INSERT INTO tree_heads SELECT 1, body, seal FROM tree_heads LIMIT 1",
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
        "INSERT INTO reviews (id, body, salt) SELECT 'rev-9', json_set(body, '$.job', 'job-9', '$.release', NULL), salt FROM reviews
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
    let untouched = content(&open_file(&path).unwrap());
    let flipped = folder.path().join("flipped.sqlite");
    std::fs::copy(path_of(&path), path_of(&flipped)).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for place in (0..whole.len()).step_by(211) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        for left in ["flipped.sqlite", "flipped.sqlite-wal", "flipped.sqlite-shm"] {
            let _ = std::fs::remove_file(folder.path().join(left));
        }
        std::fs::write(&flipped, bytes).unwrap();
        match open_file(&flipped) {
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
        assert!(matches!(open_file(&path), Err(StoreError::Corrupt { .. })), "{length}");
    }
    std::fs::write(&path, "not a database, though long enough to have a header of one: ".repeat(20)).unwrap();
    assert!(matches!(open_file(&path), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_newer_schema_and_a_second_process_are_refused() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    assert!(matches!(open_file(&path), Err(StoreError::InUse)));
    drop(store);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(matches!(open_file(&path), Err(StoreError::NewerSchema)));
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
}
