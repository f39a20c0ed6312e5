//! A segment as the Parquet library reads it.

use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::{SegmentCursor, SegmentReader};
use crate::VaultError;

/// Hands out ranges of a segment's plaintext.
pub(crate) struct SegmentChunks(pub(crate) Arc<SegmentReader>);

impl Length for SegmentChunks {
    fn len(&self) -> u64 {
        self.0.length()
    }
}

impl ChunkReader for SegmentChunks {
    type T = SegmentCursor;

    fn get_read(&self, start: u64) -> Result<SegmentCursor, ParquetError> {
        if start > self.0.length() {
            return Err(external(VaultError::OutsideSegment));
        }
        Ok(SegmentCursor::new(Arc::clone(&self.0), start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).ok_or_else(|| external(VaultError::OutsideSegment))?;
        self.0.read_range(start..end).map_err(external)
    }
}

fn external(error: VaultError) -> ParquetError {
    ParquetError::External(Box::new(error))
}
