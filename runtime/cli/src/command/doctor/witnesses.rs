//! The witnesses of an enclave: that enough of them answer, know the log, and have seen no fork.

use std::time::Duration;

use glovebox_audit::{KnownWitness, WitnessPolicy};
use glovebox_witness::Client;

use super::report::Report;
use crate::text::number;

const SECTION: &str = "witnesses";
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn examine(report: &mut Report, policy: &WitnessPolicy) {
    let mut answering = 0;
    for witness in policy.witnesses() {
        match look_at(witness).await {
            Ok(Found { what, forks: 0 }) => {
                answering += 1;
                report.good(SECTION, what);
            }
            Ok(Found { what, forks }) => {
                answering += 1;
                let what = format!("{what}; it holds evidence of {forks} forks of the log");
                report.fault(SECTION, what, "ask whoever runs it: glovebox witness show");
            }
            Err(why) => {
                let what = format!("{} at {} is missing: {why}", witness.name, witness.url);
                report.warning(SECTION, what, "ask whoever runs it: glovebox witness serve");
            }
        }
    }
    let (required, known) = (policy.required(), policy.witnesses().len());
    if answering >= required {
        report.good(SECTION, format!("{answering} of {known} answer, {required} are needed"));
    } else {
        let what = format!("{answering} of {known} answer, {required} are needed: no job runs and nothing is told");
        report.fault(SECTION, what, "nothing is lost; it goes on when enough of them are back");
    }
}

/// What can be said where no witnesses are named.
pub(super) fn nobody(report: &mut Report) {
    let what = "none named: a state folder that is put back whole, or copied, is not noticed without";
    report.note(SECTION, format!("{what} (--witnesses FILE, docs/witnesses.md)"));
}

struct Found {
    what: String,
    forks: usize,
}

async fn look_at(witness: &KnownWitness) -> Result<Found, String> {
    let client = Client::new(&witness.url, TIMEOUT).map_err(|error| error.to_string())?;
    let view = client.view().await.map_err(|error| error.to_string())?;
    if view.witness != witness.name || view.key_sm3 != witness.key.fingerprint() {
        return Err(format!("another witness answers there: {} with key SM3 {}", view.witness, view.key_sm3));
    }
    let what = match (&view.head, &view.cosignature) {
        (None, _) => format!("{} answers and knows nothing yet", witness.name),
        (Some(head), Some(cosignature)) if cosignature.verify(&head.head, &witness.key).is_ok() => {
            format!("{} answers and knows {} events of {}", witness.name, number(head.head.size), head.head.log_id)
        }
        _ => return Err("what it answers is not signed by the key on file".to_owned()),
    };
    Ok(Found { what, forks: view.forks })
}
