//! Parquet uploads: types that fit, types that do not, and files that are none.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int8Array, Int64Array,
    LargeStringArray, RecordBatch, StringArray, StringViewArray,
};
use arrow::datatypes::Int32Type;
use glovebox_catalog::InputType;
use parquet::arrow::ArrowWriter;

use crate::testing::{Zone, codes, dataset, input, lines, now, permit, read};
use crate::{IngestOptions, SourceFormat, Staged, VaultError};

fn columns() -> Vec<(&'static str, ArrayRef)> {
    let dictionary: DictionaryArray<Int32Type> = [Some("a"), Some("b"), Some("a"), Some("c")].into_iter().collect();
    vec![
        ("seen", Arc::new(Date32Array::from(vec![Some(17_287), None, Some(0), Some(1)]))),
        ("id", Arc::new(dictionary)),
        ("sex", Arc::new(Int8Array::from(vec![Some(1), None, Some(9), Some(7)]))),
        ("age", Arc::new(Int64Array::from(vec![30, 40, 50, 60]))),
        ("bmi", Arc::new(Float32Array::from(vec![Some(20.5), Some(f32::NAN), None, Some(21.0)]))),
        ("smoker", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, None]))),
        ("note", Arc::new(StringViewArray::from(vec![Some("x"), None, Some("y, \"z\""), None]))),
    ]
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

async fn ingest(zone: &Zone, file: &[u8]) -> Result<Staged, VaultError> {
    zone.vault.ingest(&dataset(), 1, file, SourceFormat::Parquet, IngestOptions::default(), now()).await
}

#[tokio::test]
async fn rows_come_back_and_bad_ones_are_set_aside() {
    let zone = Zone::new();
    let file = parquet(columns());
    let staged = ingest(&zone, &file).await.unwrap();
    zone.vault.publish(&staged).unwrap();
    assert_eq!((staged.snapshot.rows, staged.snapshot.persons, staged.rows_read), (2, 1, 4));
    assert_eq!(staged.bytes_read, file.len() as u64);
    let reasons: Vec<_> = staged
        .quarantine
        .iter()
        .map(|reason| (reason.code, reason.field.as_deref().unwrap(), reason.first_row))
        .collect();
    assert_eq!(reasons, [("ingest.not-a-code", "sex", 4), ("ingest.not-a-number", "bmi", 2)]);
    let inputs = vec![
        input("sex", codes(&["1", "2", "9"]), false),
        input("age", InputType::Int64, false),
        input("bmi", InputType::Float64, true),
        input("seen", InputType::Date, true),
        input("smoker", InputType::Boolean, true),
    ];
    let batches = read(&zone.vault, &permit(&dataset(), &staged.snapshot, inputs, None)).await.unwrap();
    assert_eq!(lines(&batches), ["0: 0,30,20.5,2017-05-01,true", "0: 2,50,,1970-01-01,"]);
}

#[tokio::test]
async fn every_text_type_fits_and_whole_numbers_stay_exact() {
    let zone = Zone::new();
    let mut columns = columns();
    columns[1].1 = Arc::new(LargeStringArray::from(vec!["a", "b", "c", "d"]));
    columns[2].1 = Arc::new(StringArray::from(vec!["1", "2", "9", ""]));
    columns[4].1 = Arc::new(Int64Array::from(vec![20, 21, (1 << 53) + 1, 22]));
    let staged = ingest(&zone, &parquet(columns)).await.unwrap();
    assert_eq!(staged.snapshot.rows, 3);
    let reasons: Vec<_> = staged.quarantine.iter().map(|reason| (reason.code, reason.first_row)).collect();
    assert_eq!(reasons, [("ingest.out-of-range", 3)]);
}

#[tokio::test]
async fn types_that_do_not_fit_are_named() {
    let zone = Zone::new();
    let mut columns = columns();
    columns[3].1 = Arc::new(Float64Array::from(vec![30.0, 40.0, 50.0, 60.0]));
    columns[0].1 = Arc::new(StringArray::from(vec!["2017-05-01", "", "", ""]));
    let error = ingest(&zone, &parquet(columns)).await.unwrap_err();
    let VaultError::ColumnTypes { columns } = error else { panic!("{error}") };
    assert_eq!(columns, ["age", "seen"]);
    let mut columns = self::columns();
    columns[6].0 = "Lin Wei";
    let error = ingest(&zone, &parquet(columns)).await.unwrap_err();
    assert!(!error.to_string().contains("Lin"));
    let VaultError::Columns { missing, unexpected } = error else { panic!("{error}") };
    assert_eq!((missing, unexpected), (vec!["note".to_owned()], vec![7]));
    assert_eq!(std::fs::read_dir(zone.path("staging")).unwrap().count(), 0);
}

#[tokio::test]
async fn files_that_are_none_are_refused_and_leave_nothing() {
    let zone = Zone::new();
    let sound = parquet(columns());
    let mut attacks = vec![Vec::new(), b"id,sex\n".to_vec(), b"PAR1PAR1".to_vec(), vec![0xff; 100_000]];
    attacks.extend((1..20).map(|part| sound[..sound.len() * part / 20].to_vec()));
    for file in attacks {
        let error = ingest(&zone, &file).await.unwrap_err();
        assert!(matches!(error, VaultError::Source { format: "Parquet" }), "{error}");
        assert_eq!(std::fs::read_dir(zone.path("staging")).unwrap().count(), 0);
    }
}

/// A flipped bit anywhere gives an error or other values, never a panic and never a leftover.
#[tokio::test]
async fn a_broken_file_never_stops_the_worker() {
    let zone = Zone::new();
    let sound = parquet(columns());
    for at in (0..sound.len()).step_by(7) {
        let mut file = sound.clone();
        file[at] ^= 0x10;
        match ingest(&zone, &file).await {
            Ok(staged) => zone.vault.discard(&staged).unwrap(),
            Err(error) => assert!(!matches!(error, VaultError::Worker), "byte {at}"),
        }
        assert_eq!(std::fs::read_dir(zone.path("staging")).unwrap().count(), 0);
    }
}
