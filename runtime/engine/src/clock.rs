//! The enclave's time. It follows the host's clock forward and never back: neither below the latest event of the log, nor
//! while the enclave runs. Otherwise whoever sets the host's clock back would reopen a term that is over.

use std::time::{Duration, Instant};

use glovebox_audit::{Actor, Draft};
use glovebox_catalog::{Role, Timestamp};
use glovebox_store::Store;

use crate::EngineError;
use crate::config::EarlierClock;
use crate::directory::check_line;

/// How far the host's clock may be behind the latest event at a start. Clocks that are kept in step jump less.
pub const CLOCK_BEHIND_MAX_MS: i64 = 5 * 60 * 1_000;

/// The host's two clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostTime {
    /// What it says the time is; may jump.
    wall: Timestamp,
    /// Goes on evenly, whoever sets the other one.
    even: Instant,
}

impl HostTime {
    pub(crate) fn now() -> Self {
        Self { wall: Timestamp::from_unix_ms(chrono::Utc::now().timestamp_millis()), even: Instant::now() }
    }
}

/// The time of a running enclave, for whoever judges terms beside it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// At `since`.
    start: Timestamp,
    since: Instant,
}

impl Clock {
    /// Starts at the host's time, or at the `latest` event if that is later.
    #[must_use]
    pub fn starting_at(latest: Timestamp) -> Self {
        Self::from(latest, HostTime::now())
    }

    fn from(latest: Timestamp, host: HostTime) -> Self {
        Self { start: host.wall.max(latest), since: host.even }
    }

    /// The time now, which never goes back.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(HostTime::now())
    }

    /// The host's time, or the start's and what has passed since if that is later.
    fn at(&self, host: HostTime) -> Timestamp {
        host.wall.max(after(self.start, host.even.saturating_duration_since(self.since)))
    }
}

fn after(start: Timestamp, passed: Duration) -> Timestamp {
    Timestamp::from_unix_ms(start.unix_ms().saturating_add(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)))
}

/// Refuses a host whose clock is earlier than the latest event, unless a security officer on file wants it so, which is
/// an event.
pub(crate) fn check_host_clock(
    store: &Store,
    earlier: Option<&EarlierClock>,
    host: HostTime,
) -> Result<(), EngineError> {
    let latest = store.latest_time()?;
    if latest.unix_ms().saturating_sub(host.wall.unix_ms()) <= CLOCK_BEHIND_MAX_MS {
        return Ok(());
    }
    let Some(EarlierClock { officer, reason }) = earlier else {
        return Err(EngineError::Internal(format!(
            "the host's clock says {}, the latest event is of {latest}; set the clock right. If it was ahead then and is \
             right now, a security officer has the server started with `--accept-earlier-clock OFFICER` and \
             `--earlier-clock-reason TEXT`, which goes into the log",
            host.wall
        )));
    };
    check_line("the reason for an earlier clock", reason)?;
    let is_officer = store
        .principal(officer)?
        .is_some_and(|principal| principal.active && principal.roles.contains(&Role::SecurityOfficer));
    if !is_officer {
        return Err(EngineError::Internal(format!(
            "`{officer}` is no active security officer of this enclave; name one who accepts the earlier clock"
        )));
    }
    // The actor is the enclave: that the officer said so is the word of whoever holds the passphrase.
    let audit = Draft::done(host.wall, Actor::default(), "clock.set-back", "enclave/enclave")
        .with("from", latest)
        .with("to", host.wall)
        .with("officer", officer)
        .with("reason", reason);
    store.set_clock_back(audit)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use glovebox_catalog::{Organisation, OrganisationId, OrganisationKind, Principal, PrincipalId};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn host(wall: &str, even: Instant) -> HostTime {
        HostTime { wall: time(wall), even }
    }

    #[test]
    fn a_term_that_is_over_stays_over_when_the_clock_is_put_back() {
        let start = Instant::now();
        let clock = Clock::from(time("2026-11-23T08:00:00Z"), host("2026-11-23T08:00:00Z", start));
        let ends = time("2026-11-24T00:00:00Z");
        assert!(clock.at(host("2026-11-24T08:00:00Z", start + DAY)) > ends);
        // Put back by a month while it runs: the time goes on from where it was.
        assert_eq!(clock.at(host("2026-10-24T08:00:00Z", start + DAY)), time("2026-11-24T08:00:00Z"));
        assert_eq!(clock.at(host("2026-10-25T08:00:00Z", start + 2 * DAY)), time("2026-11-25T08:00:00Z"));
        // A clock that was put forward is followed.
        assert_eq!(clock.at(host("2026-12-24T08:00:00Z", start + DAY)), time("2026-12-24T08:00:00Z"));
        // Started a little behind the latest event: not before it.
        let clock = Clock::from(time("2026-11-23T08:04:00Z"), host("2026-11-23T08:00:00Z", start));
        assert_eq!(clock.at(host("2026-11-23T08:00:00Z", start)), time("2026-11-23T08:04:00Z"));
    }

    fn store() -> Store {
        let store = Store::in_memory().unwrap();
        let audit = || Draft::done(time("2026-11-23T08:00:00Z"), Actor::default(), "organisation.create", "zone/x");
        let ops = Organisation {
            id: OrganisationId::new("ops").unwrap(),
            name: "ops".to_owned(),
            kind: OrganisationKind::Operator,
            jurisdiction: "CN".to_owned(),
        };
        store.put_organisation(&ops, audit()).unwrap();
        for (id, role, active) in [
            ("officer", Role::SecurityOfficer, true),
            ("left", Role::SecurityOfficer, false),
            ("dev", Role::Developer, true),
        ] {
            let id = PrincipalId::new(id).unwrap();
            let organisation = ops.id.clone();
            let principal = Principal { name: id.to_string(), id, organisation, roles: [role].into(), active };
            store.put_principal(&principal, audit()).unwrap();
        }
        store
    }

    fn order(officer: &str, reason: &str) -> EarlierClock {
        EarlierClock { officer: PrincipalId::new(officer).unwrap(), reason: reason.to_owned() }
    }

    #[test]
    fn a_start_before_the_latest_event_takes_an_officer_and_is_an_event() {
        let store = store();
        let even = Instant::now();
        let (small, back) = (host("2026-11-23T07:55:00Z", even), host("2026-11-23T07:54:59Z", even));
        check_host_clock(&store, None, small).unwrap();
        let error = check_host_clock(&store, None, back).unwrap_err().to_string();
        assert!(error.contains("--accept-earlier-clock"), "{error}");
        for refused in [order("left", "why"), order("dev", "why"), order("nobody", "why"), order("officer", "")] {
            assert!(check_host_clock(&store, Some(&refused), back).is_err(), "{refused:?}");
        }
        let size = store.tree_head(back.wall).unwrap().size;
        let accepted = order("officer", "the clock was five minutes ahead");
        check_host_clock(&store, Some(&accepted), back).unwrap();
        let event = store.event(size).unwrap();
        assert_eq!((event.action.as_str(), event.at), ("clock.set-back", back.wall));
        assert_eq!(event.detail["officer"], "officer");
        assert_eq!(event.detail["from"], time("2026-11-23T08:00:00Z").to_string());
        assert_eq!(event.detail["reason"], "the clock was five minutes ahead");
        // Once is enough, and an order that is not needed is no event.
        check_host_clock(&store, Some(&accepted), back).unwrap();
        check_host_clock(&store, None, back).unwrap();
        assert_eq!(store.tree_head(back.wall).unwrap().size, size + 1);
    }
}
