//! Where connections wait while their handshake is not finished, apart from those that are served.
//!
//! Nobody here has shown a certificate yet, so nobody may keep others out: who comes always gets in, and when the room is
//! full one who is there gives way. It is one of the network address that holds the most; among those, one that has said
//! nothing yet before one that has sent its hello; among those, the oldest. So strangers push out strangers, and whoever
//! shakes hands at once is through before its turn comes.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The room. Cheap to clone; all clones are the same room.
#[derive(Clone)]
pub(crate) struct Anteroom {
    state: Arc<Mutex<State>>,
    all_max: usize,
    of_one_network_max: usize,
}

#[derive(Default)]
struct State {
    /// By number; a lower one came earlier.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

struct Waiting {
    network: IpAddr,
    has_sent_hello: bool,
    leave: CancellationToken,
}

/// A place in the room, given up when dropped.
pub(crate) struct Place {
    room: Anteroom,
    number: u64,
    leave: CancellationToken,
}

impl Anteroom {
    /// Room for `all_max` unfinished handshakes, `of_one_network_max` of one network.
    pub(crate) fn new(all_max: usize, of_one_network_max: usize) -> Self {
        Self { state: Arc::default(), all_max: all_max.max(1), of_one_network_max: of_one_network_max.max(1) }
    }

    /// Takes a place; another may have to give way for it.
    pub(crate) fn enter(&self, network: IpAddr) -> Place {
        let mut state = self.lock();
        let of_network = state.waiting.values().filter(|waiting| waiting.network == network).count();
        if of_network >= self.of_one_network_max {
            state.send_away_one_of(network);
        } else if state.waiting.len() >= self.all_max
            && let Some(fullest) = state.fullest_network()
        {
            state.send_away_one_of(fullest);
        }
        let (number, leave) = (state.next, CancellationToken::new());
        state.next = state.next.wrapping_add(1);
        state.waiting.insert(number, Waiting { network, has_sent_hello: false, leave: leave.clone() });
        Place { room: self.clone(), number, leave }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fullest_network(&self) -> Option<IpAddr> {
        let mut counts = HashMap::<IpAddr, usize>::new();
        for waiting in self.waiting.values() {
            *counts.entry(waiting.network).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(network, _)| network)
    }

    fn send_away_one_of(&mut self, network: IpAddr) {
        let of_network = self.waiting.iter().filter(|(_, waiting)| waiting.network == network);
        let first = of_network.min_by_key(|(number, waiting)| (waiting.has_sent_hello, **number));
        let Some(number) = first.map(|(number, _)| *number) else { return };
        if let Some(waiting) = self.waiting.remove(&number) {
            waiting.leave.cancel();
        }
    }
}

impl Place {
    /// Notes that the hello has come.
    pub(crate) fn has_sent_hello(&self) {
        if let Some(waiting) = self.room.lock().waiting.get_mut(&self.number) {
            waiting.has_sent_hello = true;
        }
    }

    /// Runs `work` until it ends or this place has to be given up, which gives none.
    pub(crate) async fn unless_sent_away<F: Future>(&self, work: F) -> Option<F::Output> {
        self.leave.run_until_cancelled(work).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn sent_away(places: &[&Place]) -> Vec<bool> {
        places.iter().map(|place| place.leave.is_cancelled()).collect()
    }

    #[test]
    fn a_network_gives_way_to_itself_the_silent_first() {
        let room = Anteroom::new(100, 3);
        let (greeted, silent, newer) = (room.enter(network(1)), room.enter(network(1)), room.enter(network(1)));
        let other = room.enter(network(2));
        greeted.has_sent_hello();
        let newest = room.enter(network(1));
        assert_eq!(sent_away(&[&greeted, &silent, &newer, &newest, &other]), [false, true, false, false, false]);
        newer.has_sent_hello();
        newest.has_sent_hello();
        let last = room.enter(network(1));
        assert_eq!(sent_away(&[&greeted, &newer, &newest, &last, &other]), [true, false, false, false, false]);
    }

    #[test]
    fn a_full_room_takes_from_the_network_that_holds_most() {
        let room = Anteroom::new(4, 3);
        let alone = room.enter(network(1));
        let many: Vec<_> = (0..3).map(|_| room.enter(network(2))).collect();
        let new = room.enter(network(3));
        assert_eq!(sent_away(&[&alone, &many[0], &many[1], &many[2], &new]), [false, true, false, false, false]);
    }

    #[test]
    fn who_has_left_holds_no_place() {
        let room = Anteroom::new(2, 2);
        let kept = room.enter(network(1));
        for _ in 0..10 {
            drop(room.enter(network(1)));
        }
        assert!(!kept.leave.is_cancelled());
        assert_eq!(room.lock().waiting.len(), 1);
    }

    #[tokio::test]
    async fn being_sent_away_ends_the_work() {
        let room = Anteroom::new(1, 1);
        let place = room.enter(network(1));
        let waiting = async { place.unless_sent_away(std::future::pending::<()>()).await };
        let (ended, _new) = tokio::join!(waiting, async { room.enter(network(2)) });
        assert_eq!(ended, None);
    }
}
