//! What the log says of a record tells nothing of it to those who know the rest.

use glovebox_gm::sm3;
use glovebox_meter::Amounts;

use super::fixtures::*;
use crate::records::Table;
use crate::{JobRow, Store};

/// Lets a job end with a number that its developer does not know, and returns the record and the end's event.
fn end(store: &Store, secret: u64) -> (JobRow, glovebox_audit::Event) {
    start(store, 1, amounts(10), &limit(1_000));
    store.settle(failure(1, Amounts { bytes_out: secret, ..amounts(5) }), draft("job.fail")).unwrap()
}

/// The developer knows all of the record but one number, and compares every guess with the log.
fn guess(row: &JobRow, told: &str, digest: impl Fn(&str) -> String) -> Option<u64> {
    (0..4_096).find(|guess| {
        let used = Some(Amounts { bytes_out: *guess, ..row.used.unwrap() });
        let body = serde_json::to_string(&JobRow { used, ..row.clone() }).unwrap();
        digest(&body) == told
    })
}

#[test]
fn a_number_of_a_record_is_not_found_by_trying() {
    let store = furnished();
    let (row, event) = end(&store, 1_234);
    let detail = Table::Jobs.detail(row.id.as_str());
    let told = &event.detail[&detail];
    // Had the log an unsalted digest of the record, the number would be read out of it.
    let plain = |body: &str| sm3(body.as_bytes()).to_string();
    assert_eq!(guess(&row, &plain(&serde_json::to_string(&row).unwrap()), plain), Some(1_234));
    // It has a commitment: without the salt, no guess fits, by itself or with the name before it.
    assert_eq!(guess(&row, told, plain), None);
    assert_eq!(guess(&row, told, |body| plain(&format!("{detail}\0{body}"))), None);
    assert_eq!(
        guess(&row, told, |body| crate::records::commitment(&detail, &[0; 32], body).unwrap().to_string()),
        None
    );
}

#[test]
fn the_same_record_twice_has_two_commitments() {
    let store = furnished();
    let before = store.grant(&grant_id()).unwrap().unwrap();
    let detail = Table::Grants.detail(grant_id().as_str());
    let told =
        |store: &Store| store.update_grant(&before, &before, draft("grant.touch")).unwrap().detail[&detail].clone();
    assert_ne!(told(&store), told(&store));
}
