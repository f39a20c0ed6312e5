//! One published table as an object store that holds a single, read-only object: what DataFusion reads Parquet from.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::VaultError;
use crate::segment::SegmentReader;

/// Scheme and host under which the object is registered.
pub(super) const STORE_URL: &str = "gbx://snapshot";
/// The object's place.
pub(super) const LOCATION: &str = "table.parquet";
const NAME: &str = "vault";
/// Up to this many bytes are decrypted on the calling thread; handing them over would cost more.
const INLINE_BYTES: u64 = 64 * 1024;

/// The object store. Writing, copying and deleting are not in it.
pub(super) struct TableObject(Arc<SegmentReader>);

impl TableObject {
    pub(super) fn new(segment: Arc<SegmentReader>) -> Self {
        Self(segment)
    }

    fn meta(&self) -> ObjectMeta {
        ObjectMeta {
            location: Path::from(LOCATION),
            last_modified: Default::default(),
            size: self.0.length(),
            e_tag: None,
            version: None,
        }
    }

    fn check(&self, location: &Path) -> Result<ObjectMeta> {
        if location.as_ref() == LOCATION {
            Ok(self.meta())
        } else {
            Err(Error::NotFound { path: location.to_string(), source: "the view opens one table".into() })
        }
    }

    async fn read(&self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        let read = |segment: &SegmentReader, ranges: Vec<Range<u64>>| {
            ranges.into_iter().map(|range| segment.read_range(range)).collect::<Result<Vec<_>, VaultError>>()
        };
        let bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum::<u64>();
        let read = if bytes <= INLINE_BYTES {
            read(&self.0, ranges)
        } else {
            let segment = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || read(&segment, ranges)).await?
        };
        read.map_err(|error| Error::Generic { store: NAME, source: Box::new(error) })
    }
}

#[async_trait]
impl ObjectStore for TableObject {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let meta = self.check(location)?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range
                .as_range(meta.size)
                .map_err(|_| Error::Generic { store: NAME, source: Box::new(VaultError::OutsideSegment) })?,
            None => 0..meta.size,
        };
        let bytes = if options.head { Vec::new() } else { self.read(vec![range.clone()]).await? };
        let payload = GetResultPayload::Stream(futures::stream::iter(bytes.into_iter().map(Ok)).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    /// Exactly the ranges asked for: joining neighbours, as the default does, would decrypt columns nobody asked for.
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location)?;
        self.read(ranges.to_vec()).await
    }

    fn list(&self, _prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures::stream::iter([Ok(self.meta())]).boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        Ok(ListResult { common_prefixes: Vec::new(), objects: vec![self.meta()] })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only("put"))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only("put"))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations.and_then(|_| async { Err(read_only("delete")) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only("copy"))
    }
}

fn read_only(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.into(), implementer: NAME.into() }
}

impl fmt::Display for TableObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

impl fmt::Debug for TableObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}
