//! Released tables.

use bytes::Bytes;
use glovebox_api::{Page, ReleaseSummary};
use glovebox_audit::Receipt;
use glovebox_catalog::ReleaseId;
use glovebox_gate::ReleaseDocument;

use crate::{Client, ClientError, Paging};

/// Formats in which a release can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseFormat {
    /// The document that the receipt names.
    Json,
    /// One line a cell.
    Csv,
    /// Arrow IPC stream.
    Arrow,
    /// Parquet file.
    Parquet,
}

impl ReleaseFormat {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

impl Client {
    /// `GET /v1/releases`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn releases(&self, paging: &Paging) -> Result<Page<ReleaseSummary>, ClientError> {
        self.get(&["releases"], &paging.query()).await
    }

    /// `GET /v1/releases/{id}` as typed tables.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn release(&self, id: &ReleaseId) -> Result<ReleaseDocument, ClientError> {
        self.get(&["releases", id.as_str()], &[]).await
    }

    /// `GET /v1/releases/{id}` in a format, byte for byte. The receipt's output digest is over the JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn release_bytes(&self, id: &ReleaseId, format: ReleaseFormat) -> Result<Bytes, ClientError> {
        self.bytes_of(&["releases", id.as_str()], format.media_type()).await
    }

    /// `GET /v1/releases/{id}/receipt`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn release_receipt(&self, id: &ReleaseId) -> Result<Receipt, ClientError> {
        self.get(&["releases", id.as_str(), "receipt"], &[]).await
    }
}
