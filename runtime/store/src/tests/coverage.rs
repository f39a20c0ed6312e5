//! Every table and column of the file, and what finds a change of it. A new one needs its line here, and its attack in
//! `tampering.rs` or `forgery.rs`.

use std::collections::BTreeSet;

use super::fixtures::*;

/// (table, columns, what covers them).
const COVERED: &[(&str, &[&str], &str)] = &[
    ("events", &["sequence", "leaf"], "leaves of the log, whose size and root are sealed"),
    ("log_state", &["only_row", "log_id", "size", "root", "heads", "latest_ms", "seal"], "its seal"),
    ("tree_heads", &["size", "body", "seal"], "a seal each, and their number in the sealed state of the log"),
    ("organisations", RECORD, COMMITMENT),
    ("principals", RECORD, COMMITMENT),
    ("datasets", RECORD, COMMITMENT),
    ("snapshots", RECORD, COMMITMENT),
    ("grants", RECORD, COMMITMENT),
    ("modules", RECORD, COMMITMENT),
    ("jobs", RECORD, COMMITMENT),
    ("accounts", RECORD, COMMITMENT),
    ("releases", RECORD, COMMITMENT),
    ("receipts", RECORD, COMMITMENT),
    ("reviews", RECORD, COMMITMENT),
    ("cohort_sets", RECORD, COMMITMENT),
    ("privacy_accounts", RECORD, COMMITMENT),
    ("suspensions", RECORD, COMMITMENT),
    ("module_bytes", &["id", "bytes"], "the id is their digest, compared when they are read, and stands in `modules`"),
    ("review_candidates", &["id", "sealed"], "a digest in `reviews`, compared when it is read"),
    ("cohorts", &["dataset", "number", "sketch", "persons_sm3"], "one digest over a job's in `cohort_sets`"),
    ("cohort_persons", &["dataset", "number", "persons"], "a digest in `cohorts`, compared when they are read"),
    (
        "idempotency",
        &["principal", "key", "request_sm3", "claimed_at", "status", "body", "seal"],
        "a seal each, compared when it is read; `claimed_at` decides only when an answer is forgotten",
    ),
];
const RECORD: &[&str] = &["id", "body", "salt"];
const COMMITMENT: &str = "the commitment in the last event about it";

#[test]
fn every_table_and_column_is_covered() {
    let found: BTreeSet<(String, String)> = furnished()
        .read(|connection| {
            // `table_info` leaves out columns that are generated: they say what the record says.
            let sql = "SELECT tables.name, columns.name FROM sqlite_schema AS tables
                 JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'";
            let mut statement = connection.prepare(sql)?;
            let columns = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(columns.collect::<Result<_, _>>()?)
        })
        .unwrap();
    let covered: BTreeSet<(String, String)> = COVERED
        .iter()
        .flat_map(|(table, columns, _)| columns.iter().map(|column| ((*table).to_owned(), (*column).to_owned())))
        .collect();
    assert_eq!(found.difference(&covered).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not covered");
    assert_eq!(covered.difference(&found).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not there any more");
    assert!(COVERED.iter().all(|(_, _, how)| !how.is_empty()));
}
