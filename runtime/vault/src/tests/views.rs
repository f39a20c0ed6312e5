//! What a view shows: granted columns, rows that pass the filter, persons whole; and what it does not touch.

use glovebox_catalog::{Dataset, Field, FieldType, Identifiability, InputColumn, InputType, RowFilter};

use crate::testing::{Zone, codes, dataset, dataset_of, field, input, lines, nullable, permit, read};
use crate::{Staged, VaultError};

const ROWS: &str = "id,sex,age,bmi,seen,smoker,note\n\
                    a,1,20,25.5,2017-01-01,1,\n\
                    a,2,30,,2018-01-01,0,\n\
                    a,9,40,35.5,,,\n\
                    a,,50,40,2019-01-01,1,\n";

async fn ages(zone: &Zone, staged: &Staged, filter: &str) -> Vec<i64> {
    let filter: RowFilter = serde_json::from_str(filter).unwrap();
    let permit = permit(&dataset(), &staged.snapshot, vec![input("age", InputType::Int64, false)], Some(filter));
    let lines = lines(&read(&zone.vault, &permit).await.unwrap());
    lines.iter().map(|line| line.strip_prefix("0: ").unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn filters_hold_for_every_type_and_never_for_a_missing_value() {
    let zone = Zone::new();
    let staged = zone.publish(&dataset(), 1, ROWS.as_bytes()).await;
    for (filter, expected) in [
        (r#"{"field": "age", "op": "ge", "value": 30}"#, &[30, 40, 50][..]),
        (r#"{"field": "age", "op": "ne", "value": 30}"#, &[20, 40, 50]),
        (r#"{"field": "bmi", "op": "gt", "value": 26}"#, &[40, 50]),
        (r#"{"field": "bmi", "op": "eq", "value": 25.5}"#, &[20]),
        (r#"{"field": "bmi", "op": "ne", "value": 25.5}"#, &[40, 50]),
        (r#"{"not": {"field": "bmi", "op": "ne", "value": 25.5}}"#, &[20, 30]),
        (r#"{"field": "seen", "op": "lt", "value": "2018-06-01"}"#, &[20, 30]),
        (r#"{"not": {"field": "seen", "op": "lt", "value": "2018-06-01"}}"#, &[40, 50]),
        (r#"{"field": "smoker", "op": "eq", "value": true}"#, &[20, 50]),
        (r#"{"field": "sex", "in": ["1", "9"]}"#, &[20, 40]),
        (r#"{"not": {"field": "sex", "in": ["1", "9"]}}"#, &[30, 50]),
        (r#"{"field": "sex", "op": "ge", "value": "2"}"#, &[30, 40]),
        (r#"{"field": "sex", "in": []}"#, &[]),
        (r#"{"field": "bmi", "present": false}"#, &[30]),
        (r#"{"not": {"field": "seen", "present": true}}"#, &[40]),
        (r#"{"all": []}"#, &[20, 30, 40, 50]),
        (r#"{"any": []}"#, &[]),
        (
            r#"{"any": [{"field": "age", "op": "lt", "value": 25},
                 {"all": [{"field": "sex", "op": "eq", "value": "2"}, {"field": "smoker", "op": "eq", "value": false}]}]}"#,
            &[20, 30],
        ),
    ] {
        assert_eq!(ages(&zone, &staged, filter).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn inputs_that_are_never_missing_leave_rows_out() {
    let zone = Zone::new();
    let staged = zone.publish(&dataset(), 1, ROWS.as_bytes()).await;
    let see = |inputs: Vec<InputColumn>| async {
        lines(&read(&zone.vault, &permit(&dataset(), &staged.snapshot, inputs, None)).await.unwrap())
    };
    let age = || input("age", InputType::Int64, false);
    assert_eq!(
        see(vec![age(), input("bmi", InputType::Float64, false)]).await,
        ["0: 20,25.5", "0: 40,35.5", "0: 50,40.0"]
    );
    assert_eq!(
        see(vec![input("bmi", InputType::Float64, true), age()]).await,
        ["0: 25.5,20", "0: ,30", "0: 35.5,40", "0: 40.0,50"]
    );
    // The manifest's list has an order of its own; what it does not list is missing.
    assert_eq!(see(vec![age(), input("sex", codes(&["9", "1"]), false)]).await, ["0: 20,1", "0: 40,0"]);
    assert_eq!(
        see(vec![age(), input("sex", codes(&["9", "1"]), true)]).await,
        ["0: 20,1", "0: 30,", "0: 40,0", "0: 50,"]
    );
    assert_eq!(see(vec![age(), input("sex", codes(&["9", "2", "1"]), false)]).await, ["0: 20,2", "0: 30,1", "0: 40,0"]);
}

#[tokio::test]
async fn what_was_ingested_under_another_schema_is_not_guessed_at() {
    let zone = Zone::new();
    let staged = zone.publish(&dataset(), 1, ROWS.as_bytes()).await;
    let mut refiled = dataset();
    // The supplier files the codes in another order: the snapshot keeps its own.
    if let FieldType::Code { codes } = &mut refiled.schema.fields[1].field_type {
        codes.reverse();
    }
    let inputs = vec![input("sex", codes(&["1", "2", "9"]), false)];
    let batches = read(&zone.vault, &permit(&refiled, &staged.snapshot, inputs, None)).await.unwrap();
    assert_eq!(lines(&batches), ["0: 0", "0: 1", "0: 2"]);
    refiled.schema.fields[2].field_type = FieldType::Float64 { min: None, max: None };
    let inputs = vec![input("age", InputType::Float64, false)];
    let refused = zone.vault.open_view(&permit(&refiled, &staged.snapshot, inputs, None)).err();
    assert!(matches!(refused, Some(VaultError::ColumnMismatch { column }) if column == "age"));
}

fn wide(columns: usize) -> Dataset {
    let id =
        Field { identifiability: Identifiability::Direct, ..field("id", FieldType::Int64 { min: None, max: None }) };
    let more = (0..columns).map(|n| nullable(&format!("c{n}"), FieldType::Float64 { min: None, max: None }));
    dataset_of(std::iter::once(id).chain(more).collect())
}

/// Random digits, so that nothing compresses.
fn wide_rows(columns: usize, rows: usize) -> String {
    let mut csv = (0..columns).fold("id".to_owned(), |line, n| format!("{line},c{n}"));
    csv.push('\n');
    let mut state = 7_u64;
    for row in 0..rows {
        csv.push_str(&row.to_string());
        for _ in 0..columns {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            csv.push_str(&format!(",{}", state >> 14));
        }
        csv.push('\n');
    }
    csv
}

#[tokio::test]
async fn one_column_of_twenty_decrypts_a_small_share() {
    let zone = Zone::new();
    let dataset = wide(20);
    let staged = zone.publish(&dataset, 1, wide_rows(20, 40_000).as_bytes()).await;
    let total = std::fs::metadata(zone.path("snapshots/ward/1/table.gbx")).unwrap().len();
    assert!(total > 5 << 20, "{total}");
    let share = |inputs: Vec<&str>, filter: Option<&str>| {
        let inputs = inputs.into_iter().map(|name| input(name, InputType::Float64, true)).collect();
        let filter = filter.map(|json| serde_json::from_str(json).unwrap());
        let permit = permit(&dataset, &staged.snapshot, inputs, filter);
        let vault = &zone.vault;
        async move {
            use futures::TryStreamExt;
            let view = vault.open_view(&permit).unwrap();
            let batches: Vec<_> = view.batches().try_collect().await.unwrap();
            let rows: usize = batches.iter().map(|batch| batch.ordinals().len()).sum();
            assert_eq!(view.meters().rows_read, rows as u64);
            (rows, view.meters().bytes_decrypted as f64 / total as f64)
        }
    };
    let (rows, one) = share(vec!["c7"], None).await;
    assert_eq!(rows, 40_000);
    // A twentieth, the ordinals, the footer, and the ends of chunks that neighbours share.
    assert!(one < 0.12, "{one}");
    let (_, all) = share(
        (0..20)
            .map(|n| {
                [
                    "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12", "c13", "c14",
                    "c15", "c16", "c17", "c18", "c19",
                ][n]
            })
            .collect(),
        None,
    )
    .await;
    assert!(all > 0.9, "{all}");
    // No value is that large, and the statistics say so: no page of a column is read.
    let (rows, none) = share(vec!["c7"], Some(r#"{"field": "c3", "op": "lt", "value": -1}"#)).await;
    assert_eq!(rows, 0);
    assert!(none < 0.03, "{none}");
}

#[tokio::test]
async fn a_view_can_be_read_again_and_reads_the_same() {
    let zone = Zone::new();
    let staged = zone.publish(&dataset(), 1, ROWS.as_bytes()).await;
    let permit = permit(&dataset(), &staged.snapshot, vec![input("age", InputType::Int64, false)], None);
    let first = lines(&read(&zone.vault, &permit).await.unwrap());
    assert_eq!(lines(&read(&zone.vault, &permit).await.unwrap()), first);
    assert_eq!(zone.vault.open_view(&permit).unwrap().schema().field(0).name(), "age");
}
