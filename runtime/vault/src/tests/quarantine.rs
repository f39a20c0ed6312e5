//! Rows that break a rule: each is counted once, kept as it came, and none is lost.

use std::io::Read;
use std::sync::Arc;

use glovebox_catalog::{DatasetId, Field, FieldType, Identifiability, InputType};
use proptest::prelude::*;

use crate::segment::{Kind, SegmentCursor};
use crate::testing::{Zone, dataset, dataset_of, field, input, lines, permit, read};
use crate::{Staged, Vault};

const HEADER: &str = "id,sex,age,bmi,seen,smoker,note\n";

/// The frames of a quarantine segment, long rows put together: row number, code, bytes.
fn frames(vault: &Vault, number: u32) -> Vec<(u64, String, Vec<u8>)> {
    let segments = vault.segments(&DatasetId::new("ward").unwrap(), number).unwrap();
    let Some(segment) = segments.iter().find(|segment| segment.header().kind == Kind::Quarantine) else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    SegmentCursor::new(Arc::clone(segment), 0).read_to_end(&mut bytes).unwrap();
    let mut rest = bytes.as_slice();
    let mut take = |length: usize| {
        let (taken, left) = rest.split_at(length);
        rest = left;
        taken.to_vec()
    };
    let (mut frames, mut begun, mut at) = (Vec::new(), Vec::new(), 0);
    while at < bytes.len() {
        let row = u64::from_le_bytes(take(8).try_into().unwrap());
        let code_length = take(1)[0] as usize;
        let code = String::from_utf8(take(code_length)).unwrap();
        let length = u32::from_le_bytes(take(4).try_into().unwrap()) as usize;
        begun.extend(take(length));
        at += 8 + 1 + code_length + 4 + length;
        if !code.is_empty() {
            frames.push((row, code, std::mem::take(&mut begun)));
        }
    }
    assert!(begun.is_empty());
    frames
}

fn reasons(staged: &Staged) -> Vec<(&str, Option<&str>, u64, u64)> {
    let mut reasons: Vec<_> = staged
        .quarantine
        .iter()
        .map(|reason| (reason.code, reason.field.as_deref(), reason.rows, reason.first_row))
        .collect();
    reasons.sort_by_key(|reason| reason.3);
    reasons
}

#[tokio::test]
async fn every_fault_has_its_code_and_the_row_is_kept() {
    let zone = Zone::new();
    let bad: [(&[u8], &str, Option<&str>); 16] = [
        (b"p1,3,30,20,,,", "ingest.not-a-code", Some("sex")),
        (b"p1,1,thirty,20,,,", "ingest.not-a-number", Some("age")),
        (b"p1,1,121,20,,,", "ingest.out-of-range", Some("age")),
        (b"p1,1,,20,,,", "ingest.missing-value", Some("age")),
        (b"p1,1,30,NaN,,,", "ingest.not-a-number", Some("bmi")),
        (b"p1,1,30,81,,,", "ingest.out-of-range", Some("bmi")),
        (b"p1,1,30,20,2017-02-29,,", "ingest.not-a-date", Some("seen")),
        (b"p1,1,30,20,,maybe,", "ingest.not-a-boolean", Some("smoker")),
        (b",1,30,20,,,", "ingest.missing-value", Some("id")),
        (b"p1,1,30,20,,", "ingest.ragged-row", None),
        (b"p1,1,30,20,,,,", "ingest.ragged-row", None),
        (b"p1", "ingest.ragged-row", None),
        (b"p1,1,30,20,,,caf\xe9", "ingest.bad-utf8", None),
        // Two halves of one character in neighbouring fields.
        (b"p1,1,30,20,,,\xc3\"\"\xa9", "ingest.bad-utf8", None),
        (b"\xff\xfe,1,30,20,,,", "ingest.bad-utf8", None),
        (b"p1,9,999,5,never,maybe,", "ingest.out-of-range", Some("age")),
    ];
    let mut csv = HEADER.as_bytes().to_vec();
    for (line, _, _) in &bad {
        csv.extend_from_slice(b"p1,1,30,20,,,\n");
        csv.extend_from_slice(line);
        csv.extend_from_slice(b"\r\n");
    }
    let staged = zone.publish(&dataset(), 1, &csv).await;
    assert_eq!((staged.snapshot.rows, staged.snapshot.quarantined_rows, staged.rows_read), (16, 16, 32));
    let kept = frames(&zone.vault, 1);
    assert_eq!(kept.len(), bad.len());
    for (at, ((row, code, line), (bytes, expected, _))) in kept.iter().zip(&bad).enumerate() {
        assert_eq!((*row, code.as_str(), line.as_slice()), (at as u64 * 2 + 2, *expected, *bytes));
    }
    let counted = reasons(&staged);
    assert_eq!(counted.iter().map(|reason| reason.2).sum::<u64>(), 16);
    assert_eq!(counted[0], ("ingest.not-a-code", Some("sex"), 1, 2));
    assert!(counted.contains(&("ingest.out-of-range", Some("age"), 2, 6)));
    assert!(counted.contains(&("ingest.ragged-row", None, 3, 20)));
    assert!(counted.contains(&("ingest.bad-utf8", None, 3, 26)));
}

#[tokio::test]
async fn fields_and_rows_too_long_are_set_aside_whole() {
    let zone = Zone::new();
    let field = format!("p1,1,30,20,,,{}", "x".repeat(65_537));
    let row = format!("p1,1,30,20,,,{}", "y".repeat(3 << 20));
    let csv = format!("{HEADER}p1,1,30,20,,,a\n{field}\np1,1,30,20,,,b\n{row}\np1,1,30,20,,,c\n");
    let staged = zone.publish(&dataset(), 1, csv.as_bytes()).await;
    assert_eq!((staged.snapshot.rows, staged.snapshot.quarantined_rows), (3, 2));
    let code = "ingest.field-too-long";
    assert_eq!(reasons(&staged), [(code, Some("note"), 1, 2), (code, None, 1, 4)]);
    let kept = frames(&zone.vault, 1);
    assert_eq!(kept[0], (2, code.into(), field.into_bytes()));
    assert_eq!((kept[1].0, kept[1].1.as_str()), (4, code));
    // The line break at its front may belong to it: where a row that long begins is not known any more.
    assert!(kept[1].2.ends_with(row.as_bytes()) && kept[1].2.len() <= row.len() + 2);
}

#[tokio::test]
async fn an_open_quote_swallows_rows_but_loses_none() {
    let zone = Zone::new();
    let csv = format!("{HEADER}p1,1,30,20,,,a\np2,1,30,20,,,\"open\np3,1,30,20,,,\np4,1,30,20,,,\n");
    let staged = zone.publish(&dataset(), 1, csv.as_bytes()).await;
    // The rest of the file is one long note: a value, as RFC 4180 reads it.
    assert_eq!((staged.snapshot.rows, staged.rows_read), (2, 2));
    let csv = format!("{HEADER}p1,1,30,20,,,a\np2,\"1,30,20,,,\np3,1,30,20,,,\np4,1,30,20,,,\n");
    let staged = zone.publish(&dataset(), 2, csv.as_bytes()).await;
    assert_eq!(reasons(&staged), [("ingest.ragged-row", None, 1, 2)]);
    assert_eq!(frames(&zone.vault, 2)[0].2, b"p2,\"1,30,20,,,\np3,1,30,20,,,\np4,1,30,20,,,");
}

#[tokio::test]
async fn a_table_of_bad_rows_alone_is_empty_and_says_so() {
    let zone = Zone::new();
    let staged = zone.publish(&dataset(), 1, format!("{HEADER}p1,7,30,20,,,\n").as_bytes()).await;
    assert_eq!((staged.snapshot.rows, staged.snapshot.persons, staged.snapshot.quarantined_rows), (0, 0, 1));
    let permit = permit(&dataset(), &staged.snapshot, vec![input("age", InputType::Int64, false)], None);
    assert_eq!(lines(&read(&zone.vault, &permit).await.unwrap()), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever bytes come: nothing panics, every row is either published or set aside, and the view has the published.
    #[test]
    fn no_bytes_lose_a_row(body in proptest::collection::vec(any::<u8>(), 0..400), good in 0_u64..4) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let id = Field { identifiability: Identifiability::Direct, ..field("id", FieldType::Text) };
        let dataset = dataset_of(vec![id, field("n", FieldType::Int64 { min: None, max: None })]);
        let zone = Zone::new();
        let mut csv = b"id,n\n".to_vec();
        (0..good).for_each(|n| csv.extend_from_slice(format!("p{n},{n}\n").as_bytes()));
        csv.extend_from_slice(&body);
        runtime.block_on(async {
            let staged = zone.publish(&dataset, 1, &csv).await;
            prop_assert!(staged.snapshot.rows >= good);
            prop_assert_eq!(staged.snapshot.rows + staged.snapshot.quarantined_rows, staged.rows_read);
            prop_assert_eq!(frames(&zone.vault, 1).len() as u64, staged.snapshot.quarantined_rows);
            let counted: u64 = staged.quarantine.iter().map(|reason| reason.rows).sum();
            prop_assert_eq!(counted, staged.snapshot.quarantined_rows);
            let permit = permit(&dataset, &staged.snapshot, vec![input("n", InputType::Int64, false)], None);
            let seen = lines(&read(&zone.vault, &permit).await.unwrap());
            prop_assert_eq!(seen.len() as u64, staged.snapshot.rows);
            Ok(())
        })?;
    }
}
