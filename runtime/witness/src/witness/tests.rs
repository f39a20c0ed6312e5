//! The witness over its folder: restarts, lost answers, full disks, forks, requests at once.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::testing::{Enclave, PASSPHRASE, at, open, set_up};
use crate::{ForkKind, show};

fn enclave(events: u64) -> Enclave {
    let mut enclave = Enclave::new();
    enclave.work(events, "own");
    enclave
}

#[test]
fn a_head_is_cosigned_and_known_after_a_restart() {
    let (folder, own) = (tempfile::tempdir().unwrap(), enclave(20));
    let path = set_up(folder.path(), &own, Some("log-1"));
    let witness = open(&path);
    let cosigned = witness.add_head(&own.request(0, 10), at(50)).unwrap();
    let key = show(&path).unwrap().key;
    assert_eq!(cosigned.verify(&own.head(10, 10).head, &key), Ok(()));
    assert_eq!(cosigned.at, at(50));
    drop(witness);
    let witness = open(&path);
    assert_eq!(witness.add_head(&own.request(0, 20), at(51)), Err(Refusal::OldSize { size: 10 }));
    assert!(witness.add_head(&own.request(10, 20), at(52)).is_ok());
    let view = witness.view(at(53));
    assert_eq!(view.head, Some(own.head(20, 20)));
    assert_eq!(view.cosignature.unwrap().verify(&own.head(20, 20).head, &key), Ok(()));
}

/// The enclave did not get the answer, or lost it: it asks again and gets one, for the same root alone.
#[test]
fn a_stop_between_disk_and_answer_loses_nothing() {
    let (folder, own) = (tempfile::tempdir().unwrap(), enclave(20));
    let path = set_up(folder.path(), &own, None);
    // As if it had stopped after the head was on disk and before it was cosigned.
    crate::folder::Folder::open(&path).unwrap().keep_head(&own.head(10, 10)).unwrap();
    let witness = open(&path);
    assert_eq!(witness.add_head(&own.request(0, 10), at(50)), Err(Refusal::OldSize { size: 10 }));
    let again = witness.add_head(&own.request(10, 10), at(51));
    assert!(again.is_ok_and(|cosigned| cosigned.at == at(51)));
}

/// What is not on disk is not cosigned: after a restart the witness could be asked for another root of that size.
#[test]
fn a_head_that_can_t_be_kept_is_not_cosigned() {
    let (folder, own) = (tempfile::tempdir().unwrap(), enclave(20));
    let path = set_up(folder.path(), &own, None);
    let witness = open(&path);
    witness.add_head(&own.request(0, 10), at(50)).unwrap();
    // A folder in the place of the file that is written first: not even root can write there.
    std::fs::create_dir(path.join("head.json.new")).unwrap();
    assert_eq!(witness.add_head(&own.request(10, 20), at(51)), Err(Refusal::NotKept));
    assert_eq!(witness.view(at(52)).head, Some(own.head(10, 10)));
    std::fs::remove_dir(path.join("head.json.new")).unwrap();
    assert!(witness.add_head(&own.request(10, 20), at(53)).is_ok());
}

#[test]
fn a_fork_leaves_evidence_and_the_known_branch_goes_on() {
    let (folder, mut own) = (tempfile::tempdir().unwrap(), enclave(10));
    let mut copy = own.copy();
    own.work(10, "own");
    copy.work(10, "copy");
    let path = set_up(folder.path(), &own, None);
    let witness = open(&path);
    witness.add_head(&own.request(0, 15), at(50)).unwrap();
    for _ in 0..3 {
        assert_eq!(witness.add_head(&copy.request(15, 20), at(51)), Err(Refusal::Fork { size: 15 }));
    }
    assert!(witness.add_head(&own.request(15, 20), at(52)).is_ok());
    assert_eq!(witness.view(at(53)).forks, 1);
    let forks = show(&path).unwrap().forks;
    let [fork] = forks.as_slice() else { panic!("{forks:?}") };
    assert_eq!((fork.kind, fork.seen_at), (ForkKind::TwoRoots, at(51)));
    // Both are signed by the enclave: whoever has its public key sees for himself.
    for head in [&fork.known, &fork.shown] {
        assert_eq!(head.verify(own.public()), Ok(()));
    }
    assert_eq!(fork.known.head.size, fork.shown.head.size);
    assert_ne!(fork.known.head.root, fork.shown.head.root);
}

/// An enclave that signs without end does not fill the disk of a witness.
#[test]
fn evidence_is_bounded() {
    let (folder, mut own) = (tempfile::tempdir().unwrap(), enclave(200));
    let mut copy = own.copy();
    own.work(1, "own");
    copy.work(1, "copy");
    let path = set_up(folder.path(), &own, None);
    let witness = open(&path);
    witness.add_head(&own.request(0, 201), at(50)).unwrap();
    for seconds in 0..120 {
        let shown = AddHead { old: None, head: copy.head(201, 201 + seconds), hashes: Vec::new() };
        assert_eq!(witness.add_head(&shown, at(51)), Err(Refusal::Fork { size: 201 }));
    }
    assert_eq!(show(&path).unwrap().forks.len(), 100);
}

/// Of requests at once, each sees what the one before left: what is known never falls.
#[test]
fn requests_at_once_never_go_back() {
    let (folder, own) = (tempfile::tempdir().unwrap(), enclave(40));
    let path = set_up(folder.path(), &own, None);
    let witness = Arc::new(open(&path));
    witness.add_head(&own.request(0, 1), at(1)).unwrap();
    let requests: Vec<_> = (2..=40).map(|size| own.request(1, size)).collect();
    let threads: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let witness = witness.clone();
            std::thread::spawn(move || witness.add_head(&request, at(2)).map(|_| request.head.head.size))
        })
        .collect();
    let cosigned: Vec<u64> = threads.into_iter().filter_map(|thread| thread.join().unwrap().ok()).collect();
    let [size] = cosigned.as_slice() else { panic!("one goes on from size 1, the others come late: {cosigned:?}") };
    assert_eq!(show(&path).unwrap().head, Some(own.head(*size, i64::try_from(*size).unwrap())));
}

#[test]
fn a_folder_serves_one_process_and_one_passphrase() {
    let (folder, own) = (tempfile::tempdir().unwrap(), enclave(3));
    let path = set_up(folder.path(), &own, None);
    assert!(matches!(Witness::open(&path, b"wrong horse battery"), Err(WitnessError::Key(_))));
    let witness = open(&path);
    assert!(matches!(Witness::open(&path, PASSPHRASE), Err(WitnessError::InUse { .. })));
    drop(witness);
    drop(open(&path));
    for name in ["key.pem", "head.json", "witness.json", "lock"] {
        let mode = std::fs::metadata(path.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// A witness that has lost what it knew would cosign a fork: it does not start.
#[test]
fn a_witness_that_lost_its_memory_does_not_start() {
    let (folder, own) = (tempfile::tempdir().unwrap(), enclave(20));
    let path = set_up(folder.path(), &own, Some("log-1"));
    open(&path).add_head(&own.request(0, 10), at(1)).unwrap();
    let kept = std::fs::read_to_string(path.join("head.json")).unwrap();
    let stranger = serde_json::to_string(&enclave(10).head(10, 10)).unwrap();
    for lost in [None, Some(""), Some("{"), Some(&kept.replace("\"size\": 10", "\"size\": 9")), Some(&stranger)] {
        match lost {
            None => std::fs::remove_file(path.join("head.json")).unwrap(),
            Some(text) => std::fs::write(path.join("head.json"), text).unwrap(),
        }
        assert!(matches!(Witness::open(&path, PASSPHRASE), Err(WitnessError::Damaged { .. })), "{lost:?}");
    }
    std::fs::write(path.join("head.json"), kept).unwrap();
    drop(open(&path));
    std::fs::remove_file(path.join("witness.json")).unwrap();
    assert!(matches!(Witness::open(&path, PASSPHRASE), Err(WitnessError::Damaged { .. })));
}

#[test]
fn another_key_in_the_place_of_its_own_is_refused() {
    let (folder, own) = (tempfile::tempdir().unwrap(), enclave(3));
    let path = set_up(folder.path(), &own, None);
    let other = SigningKey::generate().unwrap();
    std::fs::write(path.join("key.pem"), other.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    assert!(matches!(Witness::open(&path, PASSPHRASE), Err(WitnessError::Damaged { .. })));
}

#[test]
fn a_folder_with_anything_in_it_is_left_alone() {
    let (folder, own) = (tempfile::tempdir().unwrap(), enclave(3));
    let path = set_up(folder.path(), &own, None);
    let setup = crate::show(&path).unwrap().setup;
    assert!(matches!(crate::create(&path, &setup, PASSPHRASE, 10_000), Err(WitnessError::NotEmpty { .. })));
}
