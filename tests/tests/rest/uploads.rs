//! Rows on their way in: streamed, within bounds, whole or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use glovebox_api::SourceFormat;
use glovebox_client::{ClientError, Paging};
use glovebox_server::Limits;

use super::zone::Zone;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_streamed_in_with_progress() {
    let zone = Zone::start().await;
    let dataset = zone.with_data().await;
    let size_bytes = std::fs::metadata(zone.table()).unwrap().len();
    let sent_bytes = Arc::new(AtomicU64::new(0));
    let seen = sent_bytes.clone();
    let progress = move |bytes| seen.store(bytes, Ordering::Relaxed);
    let operator = zone.client("operator");
    let report = operator.ingest_file(&dataset.id, SourceFormat::Csv, zone.table(), progress).await.unwrap();
    assert_eq!(sent_bytes.load(Ordering::Relaxed), size_bytes);
    assert_eq!((report.bytes_read, report.snapshot.number), (size_bytes, 1));
    assert_eq!(report.rows_read, report.snapshot.rows + report.snapshot.quarantined_rows);
    assert_eq!(report.snapshot.persons, 8_366);
    assert_eq!(operator.ingestion_report(&dataset.id, 1).await.unwrap(), report);
    let snapshots = operator.snapshots(&dataset.id, &Paging::default()).await.unwrap();
    assert_eq!(snapshots.items, [report.snapshot]);
    let metrics = zone.metrics().await;
    assert!(metrics.contains(&format!("glovebox_upload_bytes_total {size_bytes}\n")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_publishes_nothing() {
    let zone = Zone::start().await;
    let dataset = zone.with_data().await;
    let operator = zone.client("operator");
    let table = Bytes::from(std::fs::read(zone.table()).unwrap());
    for length_bytes in [None, Some(u64::try_from(table.len()).unwrap())] {
        let half = table.slice(..table.len() / 2);
        let rows = stream::iter([Ok(half), Err(std::io::Error::other("the line went dead"))]);
        let sent = operator.ingest(&dataset.id, SourceFormat::Csv, rows, length_bytes, |_| {}).await;
        assert!(matches!(sent, Err(ClientError::Connection { .. })), "{sent:?}");
    }
    // The server sees the break a moment after the client.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(operator.snapshots(&dataset.id, &Paging::default()).await.unwrap().items, []);
    operator.ingest_file(&dataset.id, SourceFormat::Csv, zone.table(), |_| {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_bounded_in_size_and_pauses() {
    let limits =
        Limits { upload_max_bytes: 100_000, upload_pause_max: Duration::from_millis(200), ..Limits::default() };
    let zone = Zone::start_with(limits, |_| {}).await;
    let dataset = zone.with_data().await;
    let operator = zone.client("operator");
    let table = Bytes::from(std::fs::read(zone.table()).unwrap());
    for length_bytes in [None, Some(u64::try_from(table.len()).unwrap())] {
        let rows = stream::iter([Ok(table.clone())]);
        let sent = operator.ingest(&dataset.id, SourceFormat::Csv, rows, length_bytes, |_| {}).await.unwrap_err();
        assert_eq!((sent.status(), sent.code()), (Some(413), Some("request.too-large")), "{sent}");
    }
    let rows = stream::unfold(Some(table.slice(..1000)), async |rest| {
        let Some(rows) = rest else {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return None;
        };
        Some((Ok(rows), None))
    });
    let sent = operator.ingest(&dataset.id, SourceFormat::Csv, rows, None, |_| {}).await.unwrap_err();
    assert_eq!((sent.status(), sent.code()), (Some(408), Some("request.incomplete-body")), "{sent}");
    assert_eq!(operator.snapshots(&dataset.id, &Paging::default()).await.unwrap().items, []);
}

/// A sender in full flow still reads why it is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_says_why() {
    let zone = Zone::start().await;
    let dataset = zone.with_data().await;
    let developer = zone.client("developer");
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    let rows = stream::iter((0..64).map(move |_| Ok(chunk.clone())));
    let sent = developer.ingest(&dataset.id, SourceFormat::Csv, rows, Some(64 << 20), |_| {}).await.unwrap_err();
    assert_eq!(sent.status(), Some(403), "{sent}");
}
