//! Whoever can write to the file and compute SM3 still can't make a state of their own: they lack the key of its seals.

use std::path::Path;

use glovebox_audit::{Event, Log};
use glovebox_catalog::Grant;
use rusqlite::{Connection, params};

use super::fixtures::*;
use super::tampering::unguarded;
use crate::records::{self, Table};
use crate::seal::{LogState, StateKey, log_state};
use crate::{Answer, Claim, StoreError};

/// Widens the grant, writes an event that commits to it, and makes the log whole again: all that takes no key. With a
/// key, the new state of the log is sealed, too.
fn widen_the_grant(path: &Path, key: Option<&StateKey>) {
    let connection = Connection::open(path).unwrap();
    unguarded(&connection, || {
        let mut grant: Grant = records::known(&connection, Table::Grants, grant_id().as_str()).unwrap();
        grant.terms.budget.cells_max = 1_000_000;
        let commitment = records::update(&connection, Table::Grants, grant_id().as_str(), &grant).unwrap();
        let mut log = Log::new("");
        let mut statement = connection.prepare("SELECT leaf FROM events ORDER BY sequence").unwrap();
        let leaves: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        for leaf in &leaves {
            log.append_leaf(log.size(), leaf.as_bytes()).unwrap();
        }
        let mut draft = draft("grant.approve");
        draft.detail.insert(Table::Grants.detail(grant_id().as_str()), commitment.to_string());
        let event: Event = draft.at_sequence(log.size());
        let leaf = String::from_utf8(event.leaf()).unwrap();
        log.append_leaf(event.sequence, leaf.as_bytes()).unwrap();
        let place = event.sequence.cast_signed();
        connection.execute("INSERT INTO events (sequence, leaf) VALUES (?1, ?2)", params![place, leaf]).unwrap();
        let (size, root) = (log.size().cast_signed(), log.root().to_string());
        connection.execute("UPDATE log_state SET size = ?1, root = ?2", params![size, root]).unwrap();
        if let Some(key) = key {
            let state = LogState { size: log.size(), root, ..log_state_unsealed(&connection) };
            state.write(&connection, key).unwrap();
        }
    });
}

fn log_state_unsealed(connection: &Connection) -> LogState {
    let read = |row: &rusqlite::Row<'_>| {
        let (size, heads) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(3)?.cast_unsigned());
        let latest = glovebox_catalog::Timestamp::from_unix_ms(row.get(4)?);
        Ok(LogState { log_id: row.get(0)?, size, root: row.get(2)?, heads, latest })
    };
    connection.query_row("SELECT log_id, size, root, heads, latest_ms FROM log_state", [], read).unwrap()
}

#[test]
fn a_log_made_without_the_key_does_not_open() {
    let (_folder, path) = file();
    furnish(&open_file(&path).unwrap());
    widen_the_grant(&path, None);
    match open_file(&path) {
        Err(StoreError::Corrupt { what }) => assert!(what.contains("not sealed by this enclave"), "{what}"),
        other => panic!("{other:?}"),
    }
}

/// All of the forgery but the seal is right: with the key it is taken for the truth, so the seal is what stops it.
#[test]
fn with_the_key_the_same_log_opens() {
    let (_folder, path) = file();
    furnish(&open_file(&path).unwrap());
    widen_the_grant(&path, Some(&state_key()));
    let store = open_file(&path).unwrap();
    assert_eq!(store.grant(&grant_id()).unwrap().unwrap().terms.budget.cells_max, 1_000_000);
}

#[test]
fn another_key_opens_nothing() {
    let (_folder, path) = file();
    furnish(&open_file(&path).unwrap());
    let other = StateKey::derive(&glovebox_gm::Key256::from_slice(&[8; 32]).unwrap());
    assert!(matches!(crate::Store::open(&path, other), Err(StoreError::Corrupt { .. })));
    assert!(log_state(&Connection::open(&path).unwrap(), &state_key()).is_ok());
}

/// An emptied file is no new enclave: only [`crate::Store::create`] begins a log.
#[test]
fn an_emptied_file_is_not_opened_as_a_new_one() {
    let (_folder, path) = file();
    std::fs::write(&path, "").unwrap();
    assert!(matches!(open_file(&path), Err(StoreError::Corrupt { .. })));
    let (_folder, path) = file();
    drop(open_file(&path).unwrap());
    assert!(matches!(crate::Store::create(&path, state_key()), Err(StoreError::Corrupt { .. })));
}

/// An answer is given for true, so whoever could write one would speak for the enclave.
#[test]
fn a_forged_answer_is_not_given() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    let request = glovebox_gm::sm3(b"request");
    for key in ["one", "two"] {
        assert_eq!(store.claim(&developer(), key, request, now()).unwrap(), Claim::New);
        let answer = Answer { status: 201, body: key.as_bytes().to_vec() };
        store.answer(&developer(), key, &answer).unwrap();
    }
    drop(store);
    for sql in [
        "UPDATE idempotency SET body = x'7b7d' WHERE key = 'one'",
        "UPDATE idempotency SET status = 200 WHERE key = 'one'",
        "UPDATE idempotency SET request_sm3 = replace(request_sm3, '1', '2') WHERE key = 'one'",
        "UPDATE idempotency SET body = (SELECT body FROM idempotency WHERE key = 'two'),
         seal = (SELECT seal FROM idempotency WHERE key = 'two') WHERE key = 'one'",
        "UPDATE idempotency SET principal = 'other' WHERE key = 'one'",
    ] {
        let copy = path.with_extension("copy");
        std::fs::copy(&path, &copy).unwrap();
        Connection::open(&copy).unwrap().execute_batch(sql).unwrap();
        let store = open_file(&copy).unwrap();
        let who =
            if sql.contains("'other'") { glovebox_catalog::PrincipalId::new("other").unwrap() } else { developer() };
        assert!(matches!(store.claim(&who, "one", request, now()), Err(StoreError::Corrupt { .. })), "{sql}");
    }
}
