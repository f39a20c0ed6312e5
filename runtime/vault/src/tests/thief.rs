//! The thief with the disk: reads it, changes it, puts old or foreign things in place. And the careless operator.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use glovebox_catalog::{DatasetId, InputType, Snapshot};
use glovebox_policy::Permit;

use crate::testing::{Zone, dataset, dir, input, lines, now, permit, read, root_key};
use crate::{Fault, IngestOptions, RootKey, SourceFormat, Vault, VaultError};

/// Values that stand out: if one shows on the disk, this is how it is found.
fn secret_rows(rows: usize) -> String {
    let mut csv = "id,sex,age,bmi,seen,smoker,note\n".to_owned();
    for row in 0..rows {
        csv.push_str(&format!("Lin Wei {row},1,30,20,2017-05-01,1,syphilis {row:060}\n"));
        csv.push_str(&format!("Lin Wei {row},1,thirty,20,2017-05-01,1,gonorrhoea {row}\n"));
    }
    csv
}

fn age(snapshot: &Snapshot) -> Permit {
    permit(&dataset(), snapshot, vec![input("age", InputType::Int64, false)], None)
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Nothing of a row is in any file's bytes or name.
fn assert_nothing_shows(folder: &Path) -> usize {
    let files = files(folder);
    for path in &files {
        let bytes = fs::read(path).unwrap_or_default();
        for secret in ["Lin Wei", "syphilis", "gonorrhoea", "thirty", "smoker", "2017-05"] {
            let shows = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!shows && !path.to_string_lossy().contains(secret), "`{secret}` in {}", path.display());
        }
    }
    files.len()
}

#[tokio::test]
async fn the_disk_shows_nothing_during_and_after_ingestion() {
    let zone = Zone::new();
    let (folder, most) = (zone.folder.path().to_owned(), Arc::new(Mutex::new(0)));
    let seen = Arc::clone(&most);
    let look = move |progress: crate::Progress| {
        // Looking takes longer than ingesting: four times are enough.
        if !progress.rows.is_multiple_of(4 * 8192) {
            return;
        }
        let count = assert_nothing_shows(&folder);
        let mut most = seen.lock().unwrap();
        *most = count.max(*most);
    };
    let options = IngestOptions { memory_bytes: 16 << 20, progress: Arc::new(look), ..IngestOptions::default() };
    let csv = secret_rows(60_000);
    let staged = zone.vault.ingest(&dataset(), 1, csv.as_bytes(), SourceFormat::Csv, options, now()).await.unwrap();
    zone.vault.publish(&staged).unwrap();
    assert_eq!((staged.snapshot.rows, staged.snapshot.quarantined_rows), (60_000, 60_000));
    assert!(*most.lock().unwrap() > 32, "spills were looked at");
    assert_nothing_shows(zone.folder.path());
    let names: Vec<_> = files(zone.folder.path())
        .iter()
        .map(|path| path.strip_prefix(zone.folder.path()).unwrap().to_string_lossy().into_owned())
        .collect();
    let published = ["persons", "quarantine", "registry", "table"].map(|name| format!("snapshots/ward/1/{name}.gbx"));
    assert_eq!(names[..2], ["keyring.json", "lock"]);
    assert_eq!(names[2..], published);
    assert_eq!(zone.vault.scrub(&dataset().id, 1).unwrap(), staged.snapshot.size_bytes);
}

#[tokio::test]
async fn snapshots_in_each_others_place_are_refused() {
    let zone = Zone::new();
    let csv = secret_rows(10);
    let one = zone.publish(&dataset(), 1, csv.as_bytes()).await.snapshot;
    let two = zone.publish(&dataset(), 2, csv.as_bytes()).await.snapshot;
    let place = |number: &str| zone.path("snapshots/ward").join(number);
    fs::rename(place("1"), place("x")).unwrap();
    fs::rename(place("2"), place("1")).unwrap();
    fs::rename(place("x"), place("2")).unwrap();
    for snapshot in [&one, &two] {
        let refused = read(&zone.vault, &age(snapshot)).await.err();
        assert!(matches!(refused, Some(VaultError::Damaged { fault: Fault::Place, .. })));
    }
}

#[tokio::test]
async fn an_older_state_of_the_same_snapshot_is_refused() {
    let zone = Zone::new();
    let old = zone.ingest(&dataset(), 1, secret_rows(10).as_bytes()).await.unwrap();
    copy(&zone.path("staging/ward@1"), &zone.path("old"));
    zone.vault.discard(&old).unwrap();
    let new = zone.publish(&dataset(), 1, secret_rows(11).as_bytes()).await.snapshot;
    assert_eq!(lines(&read(&zone.vault, &age(&new)).await.unwrap()).len(), 11);
    copy(&zone.path("old"), &zone.path("snapshots/ward/1"));
    let refused = read(&zone.vault, &age(&new)).await.err();
    assert!(matches!(refused, Some(VaultError::SnapshotReplaced { number: 1, .. })));
}

#[tokio::test]
async fn a_segment_taken_away_or_put_under_another_name_is_refused() {
    let zone = Zone::new();
    let snapshot = zone.publish(&dataset(), 1, secret_rows(10).as_bytes()).await.snapshot;
    let (table, aside) = (zone.path("snapshots/ward/1/table.gbx"), zone.path("snapshots/ward/1/quarantine.gbx"));
    let (table_bytes, aside_bytes) = (fs::read(&table).unwrap(), fs::read(&aside).unwrap());
    fs::remove_file(&aside).unwrap();
    assert!(matches!(read(&zone.vault, &age(&snapshot)).await.err(), Some(VaultError::SnapshotReplaced { .. })));
    fs::write(&aside, &table_bytes).unwrap();
    fs::write(&table, &aside_bytes).unwrap();
    let refused = read(&zone.vault, &age(&snapshot)).await.err();
    assert!(matches!(refused, Some(VaultError::Damaged { fault: Fault::Place, .. })));
    fs::write(&aside, &aside_bytes).unwrap();
    fs::remove_file(&table).unwrap();
    assert!(matches!(read(&zone.vault, &age(&snapshot)).await.err(), Some(VaultError::SnapshotMissing { .. })));
}

#[tokio::test]
async fn segments_of_another_vault_are_refused_even_under_the_same_root_key() {
    let (zone, elsewhere) = (Zone::new(), Zone::new());
    let snapshot = zone.publish(&dataset(), 1, secret_rows(10).as_bytes()).await.snapshot;
    elsewhere.publish(&dataset(), 1, secret_rows(10).as_bytes()).await;
    copy(&elsewhere.path("snapshots/ward/1"), &zone.path("snapshots/ward/1"));
    let refused = read(&zone.vault, &age(&snapshot)).await.err();
    assert!(matches!(refused, Some(VaultError::Damaged { fault: Fault::Key, .. })));
}

#[tokio::test]
async fn a_changed_byte_ends_the_read_and_is_found_by_the_scrub() {
    let zone = Zone::new();
    let snapshot = zone.publish(&dataset(), 1, secret_rows(15_000).as_bytes()).await.snapshot;
    let path = zone.path("snapshots/ward/1/table.gbx");
    let sound = fs::read(&path).unwrap();
    assert!(sound.len() > 65_552, "several chunks");
    let mut refusals = 0;
    for at in (100..sound.len()).step_by(sound.len() / 12) {
        let mut changed = sound.clone();
        changed[at] ^= 4;
        fs::write(&path, &changed).unwrap();
        assert!(zone.vault.scrub(&dataset().id, 1).is_err(), "byte {at}");
        // A view that never touches the chunk may go on; one that does never shows a wrong value.
        match read(&zone.vault, &age(&snapshot)).await {
            Ok(batches) => assert!(lines(&batches).iter().all(|line| line.ends_with(": 30"))),
            Err(VaultError::Damaged { .. }) => refusals += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refusals > 0);
}

#[tokio::test]
async fn links_do_not_lead_out_of_the_vault() {
    let zone = Zone::new();
    let outside = tempfile::tempdir().unwrap();
    let snapshot = zone.publish(&dataset(), 1, secret_rows(10).as_bytes()).await.snapshot;
    copy(&zone.path("snapshots/ward/1"), outside.path());
    fs::remove_dir_all(zone.path("snapshots/ward/1")).unwrap();
    std::os::unix::fs::symlink(outside.path(), zone.path("snapshots/ward/1")).unwrap();
    assert!(read(&zone.vault, &age(&snapshot)).await.is_err());
}

#[tokio::test]
async fn a_destroyed_dataset_stays_unreadable_with_its_segments_put_back() {
    let zone = Zone::new();
    let snapshot = zone.publish(&dataset(), 1, secret_rows(10).as_bytes()).await.snapshot;
    copy(&zone.path("snapshots/ward/1"), &zone.path("stolen"));
    zone.vault.destroy(&dataset().id).unwrap();
    assert!(!zone.path("snapshots/ward").exists());
    copy(&zone.path("stolen"), &zone.path("snapshots/ward/1"));
    let refused = |error| matches!(error, Some(VaultError::NoDataKey { .. } | VaultError::Damaged { .. }));
    assert!(refused(read(&zone.vault, &age(&snapshot)).await.err()));
    // Not with a fresh key of the same dataset either.
    zone.publish(&dataset(), 2, secret_rows(3).as_bytes()).await;
    assert!(refused(read(&zone.vault, &age(&snapshot)).await.err()));
    let swept = zone.vault.sweep(|_, _| true).unwrap();
    assert_eq!(swept.removed, [(dataset().id, 1)]);
    assert!(zone.path("snapshots/ward/2").exists());
}

#[tokio::test]
async fn rotating_the_root_key_keeps_snapshots_and_shuts_the_old_key_out() {
    let zone = Zone::new();
    let snapshot = zone.publish(&dataset(), 1, secret_rows(10).as_bytes()).await.snapshot;
    zone.vault.rotate_root(&root_key(2)).unwrap();
    assert_eq!(lines(&read(&zone.vault, &age(&snapshot)).await.unwrap()).len(), 10);
    let Zone { folder, vault } = zone;
    drop(vault);
    assert!(matches!(Vault::open(dir(folder.path()), &root_key(1)), Err(VaultError::WrongRootKey)));
    let vault = Vault::open(dir(folder.path()), &root_key(2)).unwrap();
    assert_eq!(lines(&read(&vault, &age(&snapshot)).await.unwrap()).len(), 10);
}

#[tokio::test]
async fn careless_openings_are_refused_and_change_nothing() {
    let zone = Zone::new();
    let snapshot = zone.publish(&dataset(), 1, secret_rows(10).as_bytes()).await.snapshot;
    let open = |root_key: &RootKey| Vault::open(dir(zone.folder.path()), root_key).err();
    assert!(matches!(open(&root_key(1)), Some(VaultError::InUse)));
    assert!(matches!(Vault::create(dir(zone.folder.path()), &root_key(1)), Err(VaultError::NotEmpty)));
    let Zone { folder, vault } = zone;
    drop(vault);
    assert!(matches!(Vault::create(dir(folder.path()), &root_key(1)), Err(VaultError::NotEmpty)));
    assert!(matches!(Vault::open(dir(folder.path()), &root_key(9)), Err(VaultError::WrongRootKey)));
    // A lost keyring is never made anew over snapshots.
    let keyring = fs::read(folder.path().join("keyring.json")).unwrap();
    fs::remove_file(folder.path().join("keyring.json")).unwrap();
    assert!(matches!(Vault::open(dir(folder.path()), &root_key(1)), Err(VaultError::KeyringMissing)));
    assert!(matches!(Vault::create(dir(folder.path()), &root_key(1)), Err(VaultError::NotEmpty)));
    fs::write(folder.path().join("keyring.json"), keyring).unwrap();
    let vault = Vault::open(dir(folder.path()), &root_key(1)).unwrap();
    // A store that lost its state: nothing published is removed on its word.
    let swept = vault.sweep(|_, _| false).unwrap();
    assert_eq!((swept.removed.len(), swept.unknown), (0, vec![(dataset().id, 1)]));
    assert_eq!(lines(&read(&vault, &age(&snapshot)).await.unwrap()).len(), 10);
    assert!(matches!(vault.destroy(&DatasetId::new("other").unwrap()), Err(VaultError::NoDataKey { .. })));
}
