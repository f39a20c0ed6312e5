//! What goes in comes out: rows, types, order, persons, counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use glovebox_catalog::{FieldType, InputColumn, InputType};

use crate::testing::{Zone, codes, dataset, dataset_of, field, input, lines, now, nullable, permit, read};
use crate::{IngestOptions, Progress, SourceFormat, VaultError};

fn everything() -> Vec<InputColumn> {
    vec![
        input("sex", codes(&["1", "2", "9"]), true),
        input("age", InputType::Int64, false),
        input("bmi", InputType::Float64, true),
        input("seen", InputType::Date, true),
        input("smoker", InputType::Boolean, true),
    ]
}

#[tokio::test]
async fn values_come_back_in_their_types() {
    let zone = Zone::new();
    let csv = "id,sex,age,bmi,seen,smoker,note\n\
               p1,2,47,31.25,2017-05-01,1,\"a, \"\"b\"\"\nc\"\n\
               p1,9,48,,1970-01-01,false,\n\
               p1,,0,10,,,x\n";
    let staged = zone.publish(&dataset(), 1, csv.as_bytes()).await;
    assert_eq!((staged.snapshot.rows, staged.snapshot.persons, staged.rows_read), (3, 1, 3));
    assert_eq!(staged.bytes_read, csv.len() as u64);
    let missing = [("bmi", 1), ("note", 1), ("seen", 1), ("sex", 1), ("smoker", 1)];
    assert_eq!(staged.missing_values, missing.map(|(name, count)| (name.to_owned(), count)).into());
    assert_eq!(staged.quarantine, []);
    let batches = read(&zone.vault, &permit(&dataset(), &staged.snapshot, everything(), None)).await.unwrap();
    let expected = ["0: 1,47,31.25,2017-05-01,true", "0: 2,48,,1970-01-01,false", "0: ,0,10.0,,"];
    assert_eq!(lines(&batches), expected);
    let types: Vec<String> =
        batches[0].columns().schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(types, ["Int32", "Int64", "Float64", "Date32", "Boolean"]);
}

#[tokio::test]
async fn columns_may_come_in_another_order_with_a_byte_order_mark_and_any_line_break() {
    let zone = Zone::new();
    let csv = "\u{feff}note,smoker,seen,bmi,age,sex,id\r\n,0,,20,30,1,p\r\n\r\n,1,,21,31,2,p\n,,,22,32,9,p";
    let staged = zone.publish(&dataset(), 1, csv.as_bytes()).await;
    let batches = read(&zone.vault, &permit(&dataset(), &staged.snapshot, everything(), None)).await.unwrap();
    assert_eq!(lines(&batches), ["0: 0,30,20.0,,false", "0: 1,31,21.0,,true", "0: 2,32,22.0,,"]);
}

#[tokio::test]
async fn columns_that_do_not_match_are_told_without_repeating_the_source() {
    let zone = Zone::new();
    let refused = |csv: &'static str| async {
        let error = zone.ingest(&dataset(), 1, csv.as_bytes()).await.unwrap_err();
        let VaultError::Columns { missing, unexpected } = &error else { panic!("{error}") };
        assert!(!error.to_string().contains("Lin"), "{error}");
        (missing.join(" "), unexpected.clone())
    };
    assert_eq!(refused("").await, ("id sex age bmi seen smoker note".into(), vec![]));
    // A file without a header line: its first row is a person.
    let headless = refused("Lin Wei,2,47,31,2017-05-01,1,ill\n").await;
    assert_eq!(headless, ("id sex age bmi seen smoker note".into(), (1..=7).collect()));
    assert_eq!(refused("id,sex,age,bmi,seen,smoker\n").await, ("note".into(), vec![]));
    assert_eq!(refused("id,sex,age,bmi,seen,smoker,note,age\n").await, (String::new(), vec![8]));
    assert_eq!(refused("id,Sex,age,bmi,seen,smoker,note\n").await, ("sex".into(), vec![2]));
    assert_eq!(refused("id;sex;age;bmi;seen;smoker;note\n").await.1, [1]);
    // Nothing stays behind, so the number is free.
    assert_eq!(std::fs::read_dir(zone.path("staging")).unwrap().count(), 0);
    zone.publish(&dataset(), 1, b"id,sex,age,bmi,seen,smoker,note\n").await;
}

/// What the vault is to make of generated rows: rows by person in the order of the source.
struct Generated {
    csv: String,
    rows_by_person: BTreeMap<u64, Vec<i64>>,
}

/// Person keys repeat with a skew: person 0 has about a fifth of all rows.
fn generate(rows: i64, persons: u64) -> Generated {
    let mut generated = Generated { csv: "id,n,pad\n".into(), rows_by_person: BTreeMap::new() };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for n in 0..rows {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let person = if state >> 33 & 0xff < 50 { 0 } else { (state >> 20) % persons };
        generated.csv.push_str(&format!("p{person},{n},{}\n", "x".repeat(150)));
        generated.rows_by_person.entry(person).or_default().push(n);
    }
    generated
}

async fn check_generated(rows: i64, persons: u64, memory_bytes: usize) -> usize {
    let zone = Zone::new();
    let dataset = dataset_of(vec![
        glovebox_catalog::Field {
            identifiability: glovebox_catalog::Identifiability::Direct,
            ..field("id", FieldType::Text)
        },
        field("n", FieldType::Int64 { min: None, max: None }),
        nullable("pad", FieldType::Text),
    ]);
    let generated = generate(rows, persons);
    let spills = Arc::new(AtomicU64::new(0));
    let (counted, folder) = (Arc::clone(&spills), zone.path("staging/ward@1"));
    let count = move |_| {
        let files = std::fs::read_dir(&folder).unwrap();
        let is_spill = |file: &std::fs::DirEntry| file.file_name().to_string_lossy().starts_with("spill");
        let files = files.filter(|file| file.as_ref().is_ok_and(is_spill)).count();
        counted.fetch_max(files as u64, Ordering::Relaxed);
    };
    let options = IngestOptions { memory_bytes, progress: Arc::new(count), ..IngestOptions::default() };
    let source = generated.csv.as_bytes();
    let staged = zone.vault.ingest(&dataset, 1, source, SourceFormat::Csv, options, now()).await.unwrap();
    zone.vault.publish(&staged).unwrap();
    let persons = generated.rows_by_person.len();
    assert_eq!((staged.snapshot.rows, staged.snapshot.persons), (rows as u64, persons as u64));
    let published = std::fs::read_dir(zone.path("snapshots/ward/1")).unwrap();
    let mut published: Vec<_> = published.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    published.sort();
    assert_eq!(published, ["persons.gbx", "registry.gbx", "table.gbx"], "no spill is published");

    let inputs = vec![input("n", InputType::Int64, false)];
    let batches = read(&zone.vault, &permit(&dataset, &staged.snapshot, inputs, None)).await.unwrap();
    let mut seen: Vec<Vec<i64>> = Vec::new();
    let mut last_of_batch = None;
    for batch in &batches {
        let n = batch.columns().column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
        assert_ne!(batch.ordinals().first().copied(), last_of_batch, "a person straddles two batches");
        last_of_batch = batch.ordinals().last().copied();
        for (ordinal, n) in batch.ordinals().iter().zip(n.values()) {
            if *ordinal as usize == seen.len() {
                seen.push(Vec::new());
            }
            assert_eq!(*ordinal as usize, seen.len() - 1, "ordinals are dense and ascending");
            seen.last_mut().unwrap().push(*n);
        }
    }
    // The same persons with the same rows in the order of the source, whatever ordinal each one got.
    let mut expected: Vec<_> = generated.rows_by_person.into_values().collect();
    assert_ne!(seen, expected, "the order of ordinals is not that of the keys");
    seen.sort();
    expected.sort();
    assert!(seen == expected);
    spills.load(Ordering::Relaxed) as usize
}

#[tokio::test]
async fn persons_are_clustered_in_memory_when_they_fit() {
    assert_eq!(check_generated(20_000, 3_000, 256 << 20).await, 0);
}

/// 16 MiB of memory hold 4 MiB of waiting rows; the table has about 11 MiB, a fifth of it one person's.
#[tokio::test]
async fn persons_are_clustered_through_spills_when_they_do_not_fit() {
    assert!(check_generated(60_000, 9_000, 16 << 20).await >= 32);
}

#[tokio::test]
async fn a_person_key_that_tells_nobody_apart_is_refused() {
    let zone = Zone::new();
    let flag = glovebox_catalog::Field {
        identifiability: glovebox_catalog::Identifiability::Direct,
        ..field("flag", FieldType::Boolean)
    };
    let csv = format!("flag\n{}", "1\n".repeat((1 << 20) + 1));
    let error = zone.ingest(&dataset_of(vec![flag]), 1, csv.as_bytes()).await.unwrap_err();
    assert!(matches!(error, VaultError::TooManyRowsPerPerson { rows_max: 1_048_576 }), "{error}");
    assert_eq!(std::fs::read_dir(zone.path("staging")).unwrap().count(), 0);
}

#[tokio::test]
async fn progress_counts_up_and_cancelling_leaves_nothing() {
    let zone = Zone::new();
    let csv = format!("id,sex,age,bmi,seen,smoker,note\n{}", "p,1,30,20,,,\np,1,300,20,,,\n".repeat(20_000));
    let heard = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let (tell, ask) = (Arc::clone(&heard), Arc::clone(&heard));
    let options = IngestOptions {
        progress: Arc::new(move |progress| tell.lock().unwrap().push(progress)),
        cancelled: Arc::new(move || ask.lock().unwrap().len() == 3),
        ..IngestOptions::default()
    };
    let source = csv.as_bytes();
    let ended = zone.vault.ingest(&dataset(), 1, source, SourceFormat::Csv, options, now()).await;
    assert!(matches!(ended, Err(VaultError::Cancelled)));
    let heard = heard.lock().unwrap();
    assert_eq!(heard.iter().map(|progress| progress.rows).collect::<Vec<_>>(), [8192, 16384, 24576]);
    assert_eq!(heard.iter().map(|progress| progress.quarantined).collect::<Vec<_>>(), [4096, 8192, 12288]);
    assert!(heard.iter().all(|progress| progress.bytes > 0 && progress.bytes <= csv.len() as u64));
    assert_eq!(std::fs::read_dir(zone.path("staging")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_number_is_used_once() {
    let zone = Zone::new();
    let csv = b"id,sex,age,bmi,seen,smoker,note\np,1,30,20,,,\n";
    let staged = zone.ingest(&dataset(), 1, csv).await.unwrap();
    let taken = |error| matches!(error, Err(VaultError::SnapshotExists { number: 1, .. }));
    assert!(taken(zone.ingest(&dataset(), 1, csv).await.map(|_| ())), "staged");
    zone.vault.publish(&staged).unwrap();
    assert!(taken(zone.ingest(&dataset(), 1, csv).await.map(|_| ())), "published");
    assert!(matches!(zone.vault.publish(&staged), Err(VaultError::SnapshotMissing { .. })));
    let second = zone.ingest(&dataset(), 2, csv).await.unwrap();
    zone.vault.discard(&second).unwrap();
    assert!(matches!(zone.vault.publish(&second), Err(VaultError::SnapshotMissing { .. })));
    zone.publish(&dataset(), 2, csv).await;
}
