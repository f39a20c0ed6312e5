//! `kill -9` in the middle: what was reported as done is there, what was not is whole or absent, the log verifies.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use glovebox_gm::SigningKey;

use super::fixtures::*;
use crate::{EventFilter, JobPatch, Slice};

/// Set for the child: the file that it writes until it is killed.
const FILE: &str = "GLOVEBOX_STORE_CRASH_FILE";

/// Not a test by itself: the child of [`nothing_committed_is_lost_by_a_kill`], which runs jobs from beginning to end
/// and says how far it is.
#[test]
fn child() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let store = open_file(Path::new(&path)).unwrap();
    let key = SigningKey::generate().unwrap();
    let log_id = store.log_id().unwrap();
    let limit = limit(u64::MAX);
    let first = store.tree_head(now()).unwrap().size;
    for number in first.. {
        store.insert_job(&job(number), draft("job.submit")).unwrap();
        store.reserve(&grant_id(), &limit, amounts(100), &job_id(number), draft("job.reserve")).unwrap();
        store.transition(&job_id(number), &["queued"], "running", JobPatch::default(), draft("job.start")).unwrap();
        store.settle(settlement(number, amounts(70), &key, &log_id), draft("release.made")).unwrap();
        let account = store.account(&grant_id()).unwrap().unwrap();
        let size = store.tree_head(now()).unwrap().size;
        // Not `println!`, which the test harness might keep back.
        writeln!(std::io::stdout(), "told {size} {}", account.committed.fuel_units).unwrap();
    }
}

fn spawn(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["tests::crash::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the child tell `count` ends of jobs, waits a little more, kills it, and returns the last size and committed
/// fuel that it told.
fn run_and_kill(path: &Path, count: usize, more: std::time::Duration) -> (u64, u64) {
    let mut child = spawn(path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let parse = |line: String| {
        let mut words = line.strip_prefix("told ")?.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    let mut last = (0, 0);
    for _ in 0..count {
        last = lines.by_ref().find_map(|line| parse(line.unwrap())).expect("the child ended by itself");
    }
    std::thread::sleep(more);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.map_while(Result::ok).filter_map(parse).last().unwrap_or(last)
}

#[test]
fn nothing_committed_is_lost_by_a_kill() {
    let (_folder, path) = file();
    furnish(&open_file(&path).unwrap());
    let mut earlier = 0;
    for round in 0..12_u64 {
        let (size, committed) = run_and_kill(&path, 2, std::time::Duration::from_micros(700 * round));
        // It opens, so the counter is not ahead; and whoever was told something can't be robbed of it.
        assert!(*super::counter::marks(&path).0.iter().max().unwrap() >= size, "told before it was counted");
        let store = open_file(&path).unwrap();
        assert!(store.tree_head(now()).unwrap().size >= size, "events were lost");
        let account = store.account(&grant_id()).unwrap().unwrap();
        assert!(account.committed.fuel_units >= committed.max(earlier), "budget was un-spent");
        // Every release that is there is paid for, and every job is whole.
        let made = EventFilter { action: Some("release.made"), ..Default::default() };
        let mut releases = 0;
        let mut slice = Slice::first(1_000);
        loop {
            let page = store.events(made, &slice).unwrap();
            releases += page.items.len() as u64;
            match page.next_cursor {
                Some(cursor) => slice = Slice::after(Some(cursor), 1_000),
                None => break,
            }
        }
        assert_eq!(account.committed.fuel_units, releases * 70);
        let unfinished = store.unfinished().unwrap();
        assert!(unfinished.len() <= 1, "one job at most was under way");
        let held: u64 = unfinished.iter().filter_map(|job| job.reservation).map(|held| held.fuel_units).sum();
        assert_eq!(account.reserved.fuel_units, held);
        // The restart goes on: what may have run is used up, what did not start is given back.
        for job in unfinished {
            let number = job.id.as_str().trim_start_matches("job-").parse().unwrap();
            match (job.state.as_str(), job.reservation) {
                ("running", Some(held)) => {
                    let mut end = failure(number, held);
                    end.used.fuel_units = 0;
                    store.settle(end, draft("job.fail")).unwrap();
                }
                (_, held) => {
                    if held.is_some() {
                        store.refund(&job.id, draft("job.refund")).unwrap();
                    }
                    store.transition(&job.id, &["queued"], "killed", JobPatch::default(), draft("job.cancel")).unwrap();
                }
            }
        }
        let account = store.account(&grant_id()).unwrap().unwrap();
        assert_eq!((account.reserved.fuel_units, account.reserved.jobs), (0, 0));
        earlier = account.committed.fuel_units;
    }
}
