//! Ids of persons that outlive a snapshot: the same for the same, another for the changed, never one for two.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use arrow::array::Int64Array;
use glovebox_catalog::{Dataset, Field, FieldType, Identifiability, InputType, Snapshot};

use crate::testing::{Zone, code, dataset, dataset_of, field, input, nullable, permit, root_key};
use crate::{Fault, IngestOptions, PersonIds, SourceFormat, Vault, VaultError};

const HEADER: &str = "id,sex,age,bmi,seen,smoker,note\n";

fn person_key() -> Field {
    Field { identifiability: Identifiability::Direct, ..field("id", FieldType::Text) }
}

/// One person: the id (a number from 0 to 120, which is the age, too) and a note.
fn row(person: u8, note: &str) -> String {
    format!("P{person:03},1,{person},20,,,{note}\n")
}

fn csv(rows: &[(u8, &str)]) -> String {
    HEADER.to_owned() + &rows.iter().map(|(person, note)| row(*person, note)).collect::<String>()
}

/// (person's id, version's id) by age.
async fn ids(vault: &Vault, dataset: &Dataset, snapshot: &Snapshot) -> BTreeMap<i64, (u32, u32)> {
    by_age(vault, dataset, snapshot, |ids, ordinal| (ids.persons[ordinal], ids.versions[ordinal])).await
}

async fn by_age<T>(
    vault: &Vault,
    dataset: &Dataset,
    snapshot: &Snapshot,
    read: impl Fn(&PersonIds, usize) -> T,
) -> BTreeMap<i64, T> {
    use futures::TryStreamExt;
    let permit = permit(dataset, snapshot, vec![input("age", InputType::Int64, false)], None);
    let view = vault.open_view(&permit).unwrap();
    let ids = view.person_ids().unwrap();
    assert_eq!((ids.persons.len() as u64, ids.versions.len() as u64), (snapshot.persons, snapshot.persons));
    let batches: Vec<_> = view.batches().try_collect().await.unwrap();
    let mut by_age = BTreeMap::new();
    for batch in &batches {
        let ages: &Int64Array = batch.columns().column(0).as_any().downcast_ref().unwrap();
        for (ordinal, age) in batch.ordinals().iter().zip(ages.values()) {
            by_age.insert(*age, read(&ids, *ordinal as usize));
        }
    }
    by_age
}

#[tokio::test]
async fn a_person_keeps_the_id_and_changed_rows_get_another() {
    let zone = Zone::new();
    let first = zone.publish(&dataset(), 1, csv(&[(1, "a"), (2, "b"), (3, "c"), (4, "d")]).as_bytes()).await;
    let one = ids(&zone.vault, &dataset(), &first.snapshot).await;
    assert_eq!(one.values().map(|(person, _)| *person).collect::<BTreeSet<_>>(), (0..4).collect(), "dense from 0");
    assert!(one.values().all(|(person, version)| person == version), "a first version has the person's id");

    // 1 stays, in another place; 2 is withdrawn; 3 changes; 4 gets a second row; 5 and 6 are new.
    let rows = csv(&[(6, "f"), (5, "e"), (4, "d"), (3, "changed"), (1, "a"), (4, "more")]);
    let second = zone.publish(&dataset(), 2, rows.as_bytes()).await;
    let two = ids(&zone.vault, &dataset(), &second.snapshot).await;
    assert_eq!(two[&1], one[&1]);
    for changed in [3, 4] {
        assert_eq!(two[&changed].0, one[&changed].0, "the same person");
        assert!(two[&changed].1 >= 4, "in another version");
    }
    for new in [5, 6] {
        assert!(two[&new].0 >= 4 && two[&new].0 == two[&new].1);
    }
    let fresh: BTreeSet<u32> = [3, 4, 5, 6].iter().map(|person| two[person].1).collect();
    assert_eq!(fresh, (4..8).collect(), "no number is used twice");

    // 2 comes back as it was; 3 is as in the first snapshot again; 4 as in the second, its rows in another order.
    let rows = csv(&[(4, "more"), (2, "b"), (3, "c"), (4, "d"), (7, "g")]);
    let third = zone.publish(&dataset(), 3, rows.as_bytes()).await;
    let three = ids(&zone.vault, &dataset(), &third.snapshot).await;
    assert_eq!((three[&2], three[&3], three[&4]), (one[&2], one[&3], two[&4]));
    assert_eq!(three[&7], (8, 8), "persons of the second snapshot keep their numbers, too");
}

/// Blocks of persons are cut by places: whoever comes or goes moves nobody else.
#[tokio::test]
async fn a_place_depends_on_nobody_else() {
    let zone = Zone::new();
    let place = |ids: &PersonIds, ordinal: usize| ids.places[ordinal];
    let all: Vec<_> = (0..100).map(|person| (person, "a")).collect();
    let first = zone.publish(&dataset(), 1, csv(&all).as_bytes()).await;
    let mut one = by_age(&zone.vault, &dataset(), &first.snapshot, place).await;
    assert_eq!(one.values().collect::<BTreeSet<_>>().len(), 100);
    let below_half = one.values().filter(|place| **place < 1 << 31).count();
    assert!((20..80).contains(&below_half), "spread over the whole range: {below_half} of 100");

    let without: Vec<_> = all.into_iter().filter(|(person, _)| *person != 7).collect();
    let second = zone.publish(&dataset(), 2, csv(&without).as_bytes()).await;
    one.remove(&7);
    assert_eq!(by_age(&zone.vault, &dataset(), &second.snapshot, place).await, one);
}

#[tokio::test]
async fn what_does_not_change_a_row_does_not_change_the_version() {
    let zone = Zone::new();
    let with = |codes: &[&str], extra: bool| {
        let sex = FieldType::Code { codes: codes.iter().map(|value| code(value)).collect() };
        let mut fields = vec![person_key(), nullable("sex", sex)];
        fields.push(field("age", FieldType::Int64 { min: None, max: None }));
        if extra {
            fields.insert(1, nullable("later", FieldType::Text));
        }
        dataset_of(fields)
    };
    let before = with(&["1", "2"], false);
    let first = zone.publish(&before, 1, b"id,sex,age\na,1,1\nb,2,2\n").await;
    let one = ids(&zone.vault, &before, &first.snapshot).await;
    // A code list in another order, a new column in the middle without values for `a`, columns swapped in the source.
    let after = with(&["9", "2", "1"], true);
    let second = zone.publish(&after, 2, b"age,later,sex,id\n2,new,2,b\n1,,1,a\n").await;
    let two = ids(&zone.vault, &after, &second.snapshot).await;
    assert_eq!(two[&1], one[&1]);
    assert_eq!(two[&2].0, one[&2].0);
    assert_ne!(two[&2].1, one[&2].1, "a value that was not there before is a change");
}

/// Values in other columns or rows must not add up to the same digest.
#[tokio::test]
async fn rows_that_look_alike_are_other_versions() {
    let zone = Zone::new();
    let number = || FieldType::Int64 { min: None, max: None };
    let fields = vec![
        person_key(),
        field("age", number()),
        nullable("x", number()),
        nullable("y", number()),
        nullable("s", FieldType::Text),
        nullable("t", FieldType::Text),
    ];
    let dataset = dataset_of(fields);
    let states = [
        "a,1,5,,,\n",
        "a,1,,5,,\n",
        "a,1,,,5,\n",
        "a,1,,,,5\n",
        "a,1,,,ab,c\n",
        "a,1,,,a,bc\n",
        "a,1,5,,,\na,1,5,,,\n",
        "a,1,5,5,,\n",
        "a,1,5,,,\na,1,,5,,\n",
        "a,1,5,5,,\na,1,,,,\n",
        "a,1,,,,\n",
        "a,1,,,,\na,1,,,,\n",
    ];
    let mut versions = BTreeSet::new();
    for (number, rows) in (1..).zip(states) {
        let staged = zone.publish(&dataset, number, format!("id,age,x,y,s,t\n{rows}").as_bytes()).await;
        let (person, version) = ids(&zone.vault, &dataset, &staged.snapshot).await[&1];
        assert_eq!(person, 0);
        versions.insert(version);
    }
    assert_eq!(versions, (0..12).collect());
}

#[tokio::test]
async fn ids_do_not_depend_on_the_memory_that_ingestion_has() {
    let dataset = dataset_of(vec![
        person_key(),
        field("age", FieldType::Int64 { min: None, max: None }),
        field("pad", FieldType::Text),
    ]);
    let rows = |from: u32| {
        let mut csv = "id,age,pad\n".to_owned();
        for row in 0..60_000_u32 {
            let person = (row * 7919) % 20_000 + from;
            csv.push_str(&format!("p{person},{person},{:0100}\n", row % 3));
        }
        csv
    };
    let mut seen = Vec::new();
    for memory_bytes in [16 << 20, 256 << 20] {
        let zone = Zone::new();
        let mut counts = Vec::new();
        for (number, from) in [(1, 0), (2, 5_000)] {
            let options = IngestOptions { memory_bytes, ..IngestOptions::default() };
            let (source, now) = (rows(from), crate::testing::now());
            let staged =
                zone.vault.ingest(&dataset, number, source.as_bytes(), SourceFormat::Csv, options, now).await.unwrap();
            zone.vault.publish(&staged).unwrap();
            counts.push(ids(&zone.vault, &dataset, &staged.snapshot).await);
        }
        let stays = |age: &i64| counts[0].get(age).is_some_and(|before| counts[1][age] == *before);
        let same = counts[1].keys().filter(|age| stays(age)).count();
        let persons: BTreeSet<u32> = counts.iter().flat_map(|ids| ids.values().map(|(person, _)| *person)).collect();
        assert_eq!((counts[0].len(), counts[1].len(), persons.len()), (20_000, 20_000, 25_000));
        seen.push(same);
    }
    assert_eq!(seen[0], seen[1], "spilled and in memory alike");
    assert!(seen[0] > 0);
}

#[tokio::test]
async fn a_registry_taken_away_swapped_or_torn_is_refused() {
    let zone = Zone::new();
    let first = zone.publish(&dataset(), 1, csv(&[(1, "a"), (2, "b")]).as_bytes()).await.snapshot;
    let second = zone.publish(&dataset(), 2, csv(&[(1, "a"), (3, "c")]).as_bytes()).await.snapshot;
    let path = |number: u32, file: &str| zone.path(&format!("snapshots/ward/{number}/{file}.gbx"));
    let next = async || zone.ingest(&dataset(), 3, csv(&[(1, "a")]).as_bytes()).await.err();
    let view = |snapshot: &Snapshot| {
        let permit = permit(&dataset(), snapshot, vec![input("age", InputType::Int64, false)], None);
        zone.vault.open_view(&permit).and_then(|view| view.person_ids())
    };
    for file in ["registry", "persons"] {
        let sound = fs::read(path(2, file)).unwrap();
        fs::remove_file(path(2, file)).unwrap();
        assert!(matches!(view(&second), Err(VaultError::SnapshotReplaced { .. })), "{file}");
        if file == "registry" {
            assert!(matches!(next().await, Some(VaultError::RegistryMissing { number: 2, .. })));
        }
        // That of the snapshot before.
        fs::copy(path(1, file), path(2, file)).unwrap();
        assert!(matches!(view(&second), Err(VaultError::Damaged { fault: Fault::Place, .. })), "{file}");
        assert!(matches!(next().await, Some(VaultError::Damaged { fault: Fault::Place, .. })), "{file}");
        // Torn.
        fs::write(path(2, file), &sound[..sound.len() - 1]).unwrap();
        assert!(matches!(view(&second), Err(VaultError::Damaged { fault: Fault::Trailer, .. })), "{file}");
        assert!(matches!(next().await, Some(VaultError::Damaged { fault: Fault::Trailer, .. })), "{file}");
        // A bit within.
        let mut changed = sound.clone();
        // The last byte of the last chunk.
        let at = sound.len() - 65;
        changed[at] ^= 1;
        fs::write(path(2, file), &changed).unwrap();
        if file == "persons" {
            assert!(matches!(view(&second), Err(VaultError::Damaged { fault: Fault::Chunk { .. }, .. })));
        } else {
            assert!(matches!(next().await, Some(VaultError::Damaged { fault: Fault::Chunk { .. }, .. })));
        }
        fs::write(path(2, file), &sound).unwrap();
    }
    // The newest snapshot taken away as a whole: numbers would be given twice.
    fs::rename(zone.path("snapshots/ward/2"), zone.path("away")).unwrap();
    assert!(matches!(next().await, Some(VaultError::RegistryMissing { number: 2, .. })));
    fs::rename(zone.path("away"), zone.path("snapshots/ward/2")).unwrap();
    assert!(fs::read_dir(zone.path("staging")).unwrap().next().is_none(), "nothing stays behind");
    assert!(view(&first).is_ok() && view(&second).is_ok());
    assert!(next().await.is_none());
}

#[tokio::test]
async fn one_ingestion_of_a_dataset_at_a_time_and_a_discarded_one_leaves_no_ids() {
    let zone = Zone::new();
    let staged = zone.ingest(&dataset(), 1, csv(&[(1, "a"), (2, "b")]).as_bytes()).await.unwrap();
    let second = zone.ingest(&dataset(), 2, csv(&[(3, "c")]).as_bytes()).await.err();
    assert!(matches!(second, Some(VaultError::IngestionUnderWay { .. })));
    zone.vault.discard(&staged).unwrap();
    let staged = zone.publish(&dataset(), 1, csv(&[(3, "c")]).as_bytes()).await;
    assert_eq!(ids(&zone.vault, &dataset(), &staged.snapshot).await[&3], (0, 0));
}

#[tokio::test]
async fn a_crash_before_publication_keeps_the_chain_of_registries() {
    let zone = Zone::new();
    zone.publish(&dataset(), 1, csv(&[(1, "a")]).as_bytes()).await;
    let second = zone.ingest(&dataset(), 2, csv(&[(1, "a"), (2, "b")]).as_bytes()).await.unwrap();
    let folder = zone.folder;
    drop(zone.vault);
    let vault = Vault::open(crate::testing::dir(folder.path()), &root_key(1)).unwrap();
    let swept = vault.sweep(|_, number| number <= 2).unwrap();
    assert_eq!(swept.completed.len(), 1);
    assert_eq!(ids(&vault, &dataset(), &second.snapshot).await[&2], (1, 1));
    let zone = Zone { folder, vault };
    let third = zone.publish(&dataset(), 3, csv(&[(2, "b"), (3, "c")]).as_bytes()).await;
    assert_eq!(ids(&zone.vault, &dataset(), &third.snapshot).await, [(2, (1, 1)), (3, (2, 2))].into());
}

/// A snapshot published by a version without registries gave no ids: the next one starts the registry.
#[tokio::test]
async fn a_snapshot_without_registry_says_so_and_after_destruction_numbers_start_anew() {
    let zone = Zone::new();
    let first = zone.publish(&dataset(), 1, csv(&[(1, "a"), (2, "b")]).as_bytes()).await;
    zone.vault.destroy(&dataset().id).unwrap();
    let second = zone.publish(&dataset(), 2, csv(&[(2, "b")]).as_bytes()).await;
    assert_eq!(ids(&zone.vault, &dataset(), &second.snapshot).await[&2], (0, 0));
    for file in ["registry.gbx", "persons.gbx"] {
        fs::remove_file(zone.path("snapshots/ward/2").join(file)).unwrap();
    }
    // Its digest is of the table alone, as that version wrote it.
    let table = zone.vault.segments(&dataset().id, 2).unwrap().remove(0);
    let digest_sm3 = crate::vault::snapshot_digest([("table", table.digest())].into_iter());
    let old = Snapshot { digest_sm3, ..second.snapshot };
    let permit = permit(&dataset(), &old, vec![input("age", InputType::Int64, false)], None);
    let ids = zone.vault.open_view(&permit).unwrap().person_ids();
    assert!(matches!(ids, Err(VaultError::RegistryMissing { number: 2, .. })));
    assert_ne!(first.snapshot.digest_sm3, old.digest_sm3);
}
