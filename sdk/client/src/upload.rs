//! Uploads of rows: streamed, with progress.

use std::path::Path;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::{self, Stream};
use glovebox_api::{IngestionReport, SourceFormat};
use glovebox_catalog::DatasetId;
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use tokio::io::AsyncReadExt as _;

use crate::call::{check_status, idempotency_key, read_json};
use crate::{Client, ClientError};

const CHUNK_BYTES: usize = 256 << 10;

impl Client {
    /// `POST /v1/datasets/{id}/snapshots`: uploads rows from a stream, which is sent once. `progress` is told the bytes
    /// sent so far. Give the length when it is known: the server can then tell a whole upload from a part of one.
    ///
    /// # Errors
    /// [`ClientError`]; nothing was published then.
    pub async fn ingest(
        &self,
        id: &DatasetId,
        format: SourceFormat,
        rows: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        length_bytes: Option<u64>,
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<IngestionReport, ClientError> {
        let mut sent_bytes = 0;
        let counted = rows.inspect_ok(move |chunk| {
            sent_bytes += u64::try_from(chunk.len()).unwrap_or(0);
            progress(sent_bytes);
        });
        let media_type = match format {
            SourceFormat::Csv => "text/csv",
            SourceFormat::Parquet => "application/vnd.apache.parquet",
        };
        // No timeout: it takes as long as the rows take, and the server watches for pauses.
        let mut request = self
            .request(Method::POST, &["datasets", id.as_str(), "snapshots"], &[])
            .header("idempotency-key", idempotency_key()?)
            .header(CONTENT_TYPE, media_type)
            .body(reqwest::Body::wrap_stream(counted));
        if let Some(length_bytes) = length_bytes {
            request = request.header(CONTENT_LENGTH, length_bytes);
        }
        read_json(check_status(self.send(request).await?).await?).await
    }

    /// Uploads a file of rows; see [`Client::ingest`].
    ///
    /// # Errors
    /// [`ClientError`]; nothing was published then.
    pub async fn ingest_file(
        &self,
        id: &DatasetId,
        format: SourceFormat,
        path: impl AsRef<Path>,
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<IngestionReport, ClientError> {
        let file = tokio::fs::File::open(path).await?;
        let length_bytes = file.metadata().await?.len();
        let chunks = stream::try_unfold(file, async move |mut file| {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let read = file.read_buf(&mut chunk).await?;
            Ok((read > 0).then(|| (Bytes::from(chunk), file)))
        });
        self.ingest(id, format, chunks, Some(length_bytes), progress).await
    }
}
