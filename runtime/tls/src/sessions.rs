//! The table of sessions that a server can resume.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::server::StoresServerSessions;
use zeroize::Zeroizing;

/// How many sessions a server remembers; the oldest make room.
pub const SESSIONS_MAX: usize = 4096;

/// Longest session that is kept, in bytes: some 100 bytes of secrets, and the client's certificates, one of which has
/// less than a kilobyte. A client may send 64 KiB of them, which would fill the memory at the server's expense.
const SESSION_LENGTH_MAX_BYTES: usize = 8 * 1024;

/// How long a session can be resumed. What rustls tells clients.
const SESSION_TERM: Duration = Duration::from_secs(24 * 60 * 60);

/// Sessions by their random names. Each is handed out once, within its term, and wiped when it goes.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    sessions: HashMap<Vec<u8>, Session>,
    /// Names in the order in which they came.
    order: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

struct Session {
    number: u64,
    since: Instant,
    secret: Zeroizing<Vec<u8>>,
}

impl Sessions {
    fn put_at(&self, name: Vec<u8>, secret: Zeroizing<Vec<u8>>, since: Instant) -> bool {
        if secret.len() > SESSION_LENGTH_MAX_BYTES {
            return false;
        }
        let mut table = self.lock();
        table.remove(&name);
        while table.sessions.len() >= SESSIONS_MAX {
            let Some((_, oldest)) = table.order.pop_first() else { break };
            table.sessions.remove(&oldest);
        }
        let number = table.next;
        table.next += 1;
        table.order.insert(number, name.clone());
        table.sessions.insert(name, Session { number, since, secret });
        true
    }

    fn take_at(&self, name: &[u8], now: Instant) -> Option<Vec<u8>> {
        let mut session = self.lock().remove(name)?;
        let is_in_term = now.saturating_duration_since(session.since) < SESSION_TERM;
        is_in_term.then(|| std::mem::take(&mut *session.secret))
    }

    /// A thread that died with the lock left the table whole: no step of it can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, name: &[u8]) -> Option<Session> {
        let session = self.sessions.remove(name)?;
        self.order.remove(&session.number);
        Some(session)
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, name: Vec<u8>, secret: Vec<u8>) -> bool {
        self.put_at(name, Zeroizing::new(secret), Instant::now())
    }

    /// TLS 1.3 takes and never gets: a session that stays could be resumed twice.
    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.take_at(name, Instant::now())
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    #[test]
    fn each_session_is_handed_out_once() {
        let sessions = Sessions::default();
        assert!(sessions.put(name(1), vec![1]));
        assert!(sessions.put(name(2), vec![2]));
        assert_eq!(sessions.get(&name(1)), None);
        assert_eq!(sessions.take(&name(1)), Some(vec![1]));
        assert_eq!(sessions.take(&name(1)), None);
        assert_eq!(sessions.take(&name(2)), Some(vec![2]));
        assert_eq!(sessions.take(b""), None);
    }

    #[test]
    fn the_oldest_make_room_and_taken_ones_leave_nothing_behind() {
        let sessions = Sessions::default();
        assert!(sessions.put(name(0), vec![0]));
        for number in 1..=2 * SESSIONS_MAX {
            assert!(sessions.put(name(number), vec![1]));
            if number < SESSIONS_MAX {
                assert!(sessions.take(&name(number)).is_some());
            }
        }
        let table = sessions.lock();
        assert_eq!((table.sessions.len(), table.order.len()), (SESSIONS_MAX, SESSIONS_MAX));
        drop(table);
        assert_eq!(sessions.take(&name(0)), None);
        assert_eq!(sessions.take(&name(SESSIONS_MAX)), None);
        assert_eq!(sessions.take(&name(SESSIONS_MAX + 1)), Some(vec![1]));
        assert_eq!(sessions.take(&name(2 * SESSIONS_MAX)), Some(vec![1]));
    }

    #[test]
    fn a_name_that_comes_again_counts_once() {
        let sessions = Sessions::default();
        sessions.put(name(1), vec![1]);
        sessions.put(name(1), vec![2]);
        assert_eq!(sessions.lock().order.len(), 1);
        assert_eq!(sessions.take(&name(1)), Some(vec![2]));
    }

    #[test]
    fn long_sessions_are_not_kept() {
        let sessions = Sessions::default();
        assert!(sessions.put(name(1), vec![0; SESSION_LENGTH_MAX_BYTES]));
        assert!(!sessions.put(name(2), vec![0; SESSION_LENGTH_MAX_BYTES + 1]));
        assert_eq!(sessions.lock().sessions.len(), 1);
    }

    #[test]
    fn sessions_end_with_their_term() {
        let sessions = Sessions::default();
        let start = Instant::now();
        for (number, age, kept) in
            [(1, SESSION_TERM - Duration::from_secs(1), true), (2, SESSION_TERM, false), (3, SESSION_TERM * 2, false)]
        {
            sessions.put_at(name(number), Zeroizing::new(vec![7]), start);
            assert_eq!(sessions.take_at(&name(number), start + age).is_some(), kept);
            assert_eq!(sessions.take_at(&name(number), start), None, "gone either way");
        }
    }
}
