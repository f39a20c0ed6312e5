//! What the enclave's database says of itself: whether it is as new as its counter, whether the host's clock suits it,
//! what is suspended. Without the passphrase none of it is verified; a start does that.

use std::path::Path;

use glovebox_catalog::Timestamp;
use glovebox_engine::{CLOCK_BEHIND_MAX_MS, Config, Engine, Survey};

use super::report::Report;
use crate::text::number;

const SECTION: &str = "enclave's state";

pub(super) fn examine(report: &mut Report, folder: &Path, now_ms: i64) {
    let config = Config::new(folder);
    if !Engine::exists(&config) {
        return;
    }
    match Engine::survey(&config) {
        Ok(Some(survey)) => tell(report, &survey, now_ms),
        Ok(None) => report.note(
            SECTION,
            "it is in use, or did not stop in order; what it holds can be looked into after `glovebox serve` has stopped",
        ),
        Err(error) => report.fault(SECTION, format!("its database can't be read: {error}"), "run this as its user"),
    }
}

fn tell(report: &mut Report, survey: &Survey, now_ms: i64) {
    let Survey { events, counted, latest, suspended } = survey;
    let restore = "restore the newest `enclave.db` and `enclave.counter`, both from the same moment";
    match counted {
        None => report.fault(SECTION, "its counter is missing or spoilt: it does not start", restore),
        Some(counted) if counted > events => {
            let (events, counted) = (number(*events), number(*counted));
            let what = format!("the database holds {events} events, and {counted} were committed: it was put back");
            report.fault(SECTION, what, restore);
        }
        // Behind is a stop between a commit and its mark.
        Some(_) => {
            report.good(SECTION, format!("{} events, as new as its counter; the latest of {latest}", number(*events)));
        }
    }
    if latest.unix_ms().saturating_sub(now_ms) > CLOCK_BEHIND_MAX_MS {
        let what = format!("the clock says {}, earlier than the latest event", Timestamp::from_unix_ms(now_ms));
        report.fault(SECTION, what, "set the clock right; if it was ahead then: glovebox serve --accept-earlier-clock");
    }
    if !suspended.is_empty() {
        let what = format!("suspended: {}", suspended.join(", "));
        report.warning(SECTION, what, "who stopped it, why, and who has to consent: glovebox zone status");
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    const NOW_MS: i64 = 1_795_000_000_000;

    fn found(change: impl FnOnce(&mut Survey)) -> Vec<(Verdict, String)> {
        let latest = Timestamp::from_unix_ms(NOW_MS - 60_000);
        let mut survey = Survey { events: 1_200, counted: Some(1_200), latest, suspended: Vec::new() };
        change(&mut survey);
        let mut report = Report::new();
        tell(&mut report, &survey, NOW_MS);
        report.findings.into_iter().map(|finding| (finding.verdict, finding.what)).collect()
    }

    #[test]
    fn what_keeps_an_enclave_from_starting_is_a_fault() {
        assert!(matches!(found(|_| {}).as_slice(), [(Verdict::Good, what)] if what.contains("1,200 events")));
        // A kill between a commit and its mark.
        assert!(matches!(found(|survey| survey.events += 1).as_slice(), [(Verdict::Good, _)]));
        assert!(matches!(found(|survey| survey.events -= 1).as_slice(), [(Verdict::Fault, what)]
            if what.contains("1,199 events") && what.contains("1,200 were committed")));
        assert!(matches!(found(|survey| survey.counted = None).as_slice(), [(Verdict::Fault, what)]
            if what.contains("missing")));
        let late = |ms| found(|survey| survey.latest = Timestamp::from_unix_ms(NOW_MS + ms));
        assert!(matches!(late(CLOCK_BEHIND_MAX_MS).as_slice(), [(Verdict::Good, _)]));
        assert!(matches!(late(CLOCK_BEHIND_MAX_MS + 1).as_slice(), [(Verdict::Good, _), (Verdict::Fault, _)]));
    }

    #[test]
    fn what_is_suspended_is_named() {
        let found = found(|survey| survey.suspended = vec!["dataset/ward".to_owned(), "zone/zone".to_owned()]);
        assert!(
            matches!(found.as_slice(), [_, (Verdict::Warning, what)] if what == "suspended: dataset/ward, zone/zone")
        );
    }
}
