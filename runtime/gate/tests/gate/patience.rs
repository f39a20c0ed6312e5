//! Judging is work, and work ends when its caller says so: soon, and with nothing shown.

use std::cell::Cell;

use glovebox_catalog::{Epsilon, JobManifest, Privacy};
use glovebox_gate::{
    GateError, Guard, GuardIndex, Interrupted, Patience, PersonIds, Reduced, Unguarded, disclose, release_private,
};
use roaring::RoaringBitmap;
use serde_json::{Value, json};

use crate::harness::{default_profile, manifest, reduced};

/// Goes on for so many units of work; notes the most that was asked for at a time, and what was asked for after the end.
struct Measured {
    left: Cell<u64>,
    largest: Cell<u64>,
    all: Cell<u64>,
    after: Cell<u64>,
}

impl Measured {
    fn of(units: u64) -> Self {
        Self { left: Cell::new(units), largest: Cell::new(0), all: Cell::new(0), after: Cell::new(0) }
    }
}

impl Patience for Measured {
    fn spend(&self, units: u64) -> Result<(), Interrupted> {
        self.all.set(self.all.get() + units);
        self.largest.set(self.largest.get().max(units));
        match self.left.get().checked_sub(units) {
            Some(left) if left > 0 => {
                self.left.set(left);
                Ok(())
            }
            _ => {
                self.after.set(self.after.get() + u64::from(self.left.get() == 0));
                self.left.set(0);
                Err(Interrupted::Cancelled)
            }
        }
    }
}

/// A table of three keys and 512 cells; every person contributes to as many of them as the bound lets, 40 at most.
fn large(reducer: Value, persons: u32, contributions_max: u32) -> (JobManifest, Reduced) {
    let manifest = manifest(reducer, &[8, 8, 8], contributions_max);
    let each = contributions_max.min(40);
    let of_person = |person| (0..each).map(move |at| (person, (person * 7 + at * 13) % 512, vec![0.5]));
    let given: Vec<_> = (0..persons).flat_map(of_person).collect();
    let reduced = reduced(&manifest, &given);
    (manifest, reduced)
}

fn tables() -> Vec<(String, Reduced)> {
    let reducers = [
        (json!({"reducer": "count"}), 64),
        (json!({"reducer": "distinct-persons"}), 64),
        (json!({"reducer": "mean", "lower": 0.0, "upper": 1.0}), 64),
        (json!({"reducer": "variance", "lower": 0.0, "upper": 1.0}), 64),
        (json!({"reducer": "contingency-table"}), 1),
    ];
    reducers.map(|(reducer, bound)| (reducer.to_string(), large(reducer, 2_000, bound).1)).into()
}

/// The work of a table, asked for piece by piece: an end takes effect within a small part of the whole, wherever it comes.
#[test]
fn judging_ends_at_the_next_piece_of_work() {
    for (name, reduced) in tables() {
        let whole = Measured::of(u64::MAX);
        disclose(&reduced, &default_profile(), &mut Unguarded, &whole).unwrap();
        let all = whole.all.get();
        assert!(all > 50_000, "{name}: {all} units are the work of a small table");
        assert!(whole.largest.get() * 20 < all, "{name}: {} of {all} units at once", whole.largest.get());
        for part in 0..10 {
            let patience = Measured::of(all * part / 10);
            let ended = disclose(&reduced, &default_profile(), &mut Unguarded, &patience);
            assert_eq!(ended, Err(Interrupted::Cancelled), "{name}, {part} tenths");
            assert_eq!(patience.after.get(), u64::from(part == 0), "{name}: work after the end");
        }
    }
}

#[test]
fn noise_ends_at_the_next_piece_of_work() {
    let (manifest, reduced) = large(json!({"reducer": "distinct-persons"}), 2_000, 64);
    let privacy = Privacy::Laplace { epsilon: Epsilon::new(1.0).unwrap() };
    let whole = Measured::of(u64::MAX);
    release_private(&reduced, &manifest, privacy, "dp", &whole).unwrap();
    assert!(whole.largest.get() * 2 < whole.all.get(), "{} of {}", whole.largest.get(), whole.all.get());
    let patience = Measured::of(whole.all.get() / 2);
    let ended = release_private(&reduced, &manifest, privacy, "dp", &patience);
    assert_eq!(ended, Err(GateError::Interrupted(Interrupted::Cancelled)));
}

/// The guard: no set is judged after the end, and the session can't be used as if nothing had been left out.
#[test]
fn a_guard_that_was_interrupted_claims_nothing() {
    let index = GuardIndex::new([7; 16]);
    let load = |_| unreachable!("nothing was released before");
    let mut session = index.session(10, PersonIds::Identity, &load);
    let set = |from: u32| (from * 50..from * 50 + 400).collect::<RoaringBitmap>();
    let patience = Measured::of(10_000);
    let ended = (0..60).map(|from| session.admit(&set(from), &patience)).find(Result::is_err);
    assert_eq!(ended, Some(Err(Interrupted::Cancelled)));
    assert_eq!(session.admit(&(100_000..101_000).collect(), &Measured::of(u64::MAX)), Ok(false));
    assert!(session.finish().is_err());
}
