//! A database that is put back alone does not start; a stop at any moment does not look like that.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::fixtures::*;
use crate::counter::path_of;
use crate::{Store, StoreError, survey};

fn furnished_at(path: &Path) -> Store {
    let store = open_file(path).unwrap();
    furnish(&store);
    store
}

/// A state with some events, closed: all of it is in its two files.
fn made(path: &Path) {
    drop(furnished_at(path));
}

/// Spends the budget of another job.
fn spend(path: &Path, number: u64) {
    start(&open_file(path).unwrap(), number, amounts(100), &limit(1_000));
}

fn refused(path: &Path) -> String {
    match open_file(path) {
        Err(error @ StoreError::Behind { .. }) => error.to_string(),
        other => panic!("it starts, or is refused for something else: {other:?}"),
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Size that each slot names, and which slot is the later one.
pub(crate) fn marks(path: &Path) -> ([u64; 2], u64) {
    let text = String::from_utf8(read(&path_of(path))).unwrap();
    let size = |slot: &str| slot.split_whitespace().next().map_or(0, |word| word.parse().unwrap());
    let (first, second) = text.split_at(text.len() / 2);
    let sizes = [size(first), size(second)];
    (sizes, u64::from(sizes[1] > sizes[0]))
}

/// Writes half a slot over the later one, as a disk does that loses its power.
fn tear(path: &Path) {
    let file = std::fs::OpenOptions::new().write(true).open(path_of(path)).unwrap();
    file.write_all_at(b"999999 0123", marks(path).1 * 4_096).unwrap();
}

/// The attack: a job is run, then the database of before is put back, and its budget is whole again.
#[test]
fn an_older_database_does_not_start() {
    let (_folder, path) = file();
    made(&path);
    let (database, counter) = (read(&path), read(&path_of(&path)));
    spend(&path, 1);
    let (newer, newer_counter) = (read(&path), read(&path_of(&path)));
    std::fs::write(&path, &database).unwrap();
    let error = refused(&path);
    assert!(error.contains("put back to an older state") && error.contains("restore the newest"), "{error}");
    // A refusal changes nothing: the newest files start.
    std::fs::write(&path, newer).unwrap();
    assert_eq!(read(&path_of(&path)), newer_counter);
    let spent = |path: &Path| open_file(path).unwrap().account(&grant_id()).unwrap().map(|account| account.reserved);
    assert_eq!(spent(&path), Some(amounts(100)));
    // Both put back are consistent: that is for witnesses and whoever kept a newer head.
    std::fs::write(&path, database).unwrap();
    std::fs::write(path_of(&path), counter).unwrap();
    assert_eq!(spent(&path), None);
}

#[test]
fn a_database_without_its_counter_does_not_start() {
    let (folder, path) = file();
    made(&path);
    let counter = read(&path_of(&path));
    std::fs::remove_file(path_of(&path)).unwrap();
    let error = refused(&path);
    assert!(error.contains("is missing"), "{error}");
    // Nor with one that was made up, nor with that of another log under the same key.
    let other = folder.path().join("other.sqlite");
    made(&other);
    let mut changed = counter.clone();
    for slot in [0, 4_096] {
        changed[slot] = if changed[slot] == b'1' { b'2' } else { b'1' };
    }
    for forged in [Vec::new(), b"0 0 0\n".to_vec(), vec![0; 8_192], changed, read(&path_of(&other))] {
        std::fs::write(path_of(&path), forged).unwrap();
        let error = refused(&path);
        assert!(error.contains("was not written for it"), "{error}");
    }
    std::fs::write(path_of(&path), counter).unwrap();
    open_file(&path).unwrap();
}

/// Two courses of one log: that the counter knows its length is not enough.
#[test]
fn another_course_of_the_log_does_not_start() {
    let (_folder, path) = file();
    made(&path);
    let (database, counter) = (read(&path), read(&path_of(&path)));
    spend(&path, 1);
    let newer_counter = read(&path_of(&path));
    std::fs::write(&path, database).unwrap();
    std::fs::write(path_of(&path), counter).unwrap();
    spend(&path, 2);
    spend(&path, 3);
    std::fs::write(path_of(&path), newer_counter).unwrap();
    let error = refused(&path);
    assert!(error.contains("not those that were committed"), "{error}");
}

/// As a kill between the commit and its mark leaves it.
#[test]
fn a_counter_that_missed_a_mark_is_brought_up_to_date() {
    let (_folder, path) = file();
    made(&path);
    spend(&path, 1);
    let (database, counter) = (read(&path), read(&path_of(&path)));
    spend(&path, 2);
    std::fs::write(path_of(&path), counter).unwrap();
    drop(open_file(&path).unwrap());
    std::fs::write(&path, database).unwrap();
    refused(&path);
}

/// A mark that was torn leaves the one before, whatever the number of events of a commit.
#[test]
fn a_torn_mark_leaves_the_one_before() {
    let (_folder, path) = file();
    made(&path);
    let database = read(&path);
    let store = open_file(&path).unwrap();
    for _ in 0..3 {
        store.record_all(vec![draft("one"), draft("two")]).unwrap();
    }
    drop(store);
    let (sizes, later) = marks(&path);
    assert_eq!(sizes[later as usize] - sizes[1 - later as usize], 2, "marks go to the slots by turns: {sizes:?}");
    tear(&path);
    let newest = read(&path);
    std::fs::write(&path, &database).unwrap();
    refused(&path);
    // The whole state starts, and its counter is whole again.
    std::fs::write(&path, newest).unwrap();
    drop(open_file(&path).unwrap());
    assert_eq!(marks(&path).0[later as usize], sizes[later as usize]);
    // Torn again and again, a slot is never written over the last that holds.
    for number in 1..6 {
        let before = *marks(&path).0.iter().max().unwrap();
        spend(&path, number);
        assert!(marks(&path).0.iter().max().unwrap() > &before);
        tear(&path);
        assert!(open_file(&path).is_ok(), "{number}");
    }
}

/// The attack: the later mark is spoilt as if it were torn, and the database's last commit cut off.
#[test]
fn a_spoilt_mark_hides_no_commit() {
    let (_folder, path) = file();
    made(&path);
    spend(&path, 1);
    let database = read(&path);
    open_file(&path).unwrap().record(draft("last")).unwrap();
    let newest = (read(&path), read(&path_of(&path)));
    tear(&path);
    std::fs::write(&path, database).unwrap();
    let error = refused(&path);
    assert!(error.contains("was changed"), "{error}");
    // Any byte of the earlier mark, too: nothing that happens by itself changes it.
    std::fs::write(&path, newest.0).unwrap();
    std::fs::write(path_of(&path), &newest.1).unwrap();
    let earlier = (1 - marks(&path).1) as usize * 4_096;
    for at in [0, 3, 70, 4_095] {
        let mut changed = newest.1.clone();
        changed[earlier + at] ^= 1;
        std::fs::write(path_of(&path), changed).unwrap();
        assert!(refused(&path).contains("was changed"), "{at}");
    }
    let mut longer = newest.1.clone();
    longer.push(b' ');
    for counter in [&newest.1[..8_191], &longer] {
        std::fs::write(path_of(&path), counter).unwrap();
        assert!(refused(&path).contains("was not written for it"));
    }
    std::fs::write(path_of(&path), newest.1).unwrap();
    open_file(&path).unwrap();
}

/// Whoever makes a new state where a counter lies would hide that the database was taken away.
#[test]
fn a_new_state_does_not_take_over_a_counter() {
    let (_folder, path) = file();
    made(&path);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Store::create(&path, state_key()), Err(StoreError::File(_))));
}

#[test]
fn nobody_else_reads_or_writes_the_counter() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = file();
    made(&path);
    assert_eq!(std::fs::metadata(path_of(&path)).unwrap().permissions().mode() & 0o777, 0o600);
}

/// What whoever looks after the machine sees without the passphrase.
#[test]
fn a_survey_tells_how_database_and_counter_stand() {
    let (_folder, path) = file();
    let store = furnished_at(&path);
    assert_eq!(survey(&path).unwrap(), None, "a process has it open");
    let size = store.tree_head(now()).unwrap().size;
    drop(store);
    let whole = || (read(&path), read(&path_of(&path)));
    let before = whole();
    let seen = survey(&path).unwrap().unwrap();
    assert_eq!((seen.events, seen.counted, seen.latest), (size, Some(size), now()));
    assert_eq!(seen.suspended, [""; 0]);
    assert_eq!(whole(), before, "a look changes nothing");
    spend(&path, 1);
    std::fs::write(&path, &before.0).unwrap();
    let seen = survey(&path).unwrap().unwrap();
    assert!(seen.counted > Some(seen.events), "{seen:?}");
    std::fs::remove_file(path_of(&path)).unwrap();
    assert_eq!(survey(&path).unwrap().unwrap().counted, None);
    // A file that is none is no state.
    std::fs::write(&path, b"").unwrap();
    assert!(survey(&path).is_err());
}
