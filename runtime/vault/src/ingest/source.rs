//! The way from the caller's asynchronous source to the blocking worker: a short queue of byte chunks.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use crate::VaultError;

const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks that wait at most; the source is slowed down when the worker lags.
const QUEUE_CHUNKS: usize = 4;

enum Message {
    Bytes(Bytes),
    Failed(io::ErrorKind),
    /// Told apart from a feed that was dropped, so that half an upload never passes for a whole one.
    End,
}

/// The end of the queue on which the source is read.
pub(super) struct Feed(mpsc::Sender<Message>);

/// The worker's end of the queue.
pub(super) struct Source {
    queue: mpsc::Receiver<Message>,
    bytes_read: u64,
    is_ended: bool,
}

pub(super) fn channel() -> (Feed, Source) {
    let (feed, queue) = mpsc::channel(QUEUE_CHUNKS);
    (Feed(feed), Source { queue, bytes_read: 0, is_ended: false })
}

/// Reads `source` to its end. Returns early when the worker is gone: it has the error.
pub(super) async fn pump(mut source: impl AsyncRead + Unpin, feed: Feed) {
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let message = match fill(&mut source, &mut chunk).await {
            Ok(()) if chunk.is_empty() => Message::End,
            Ok(()) => Message::Bytes(chunk.freeze()),
            Err(error) => Message::Failed(error.kind()),
        };
        let is_last = !matches!(message, Message::Bytes(_));
        if feed.0.send(message).await.is_err() || is_last {
            return;
        }
    }
}

async fn fill(source: &mut (impl AsyncRead + Unpin), chunk: &mut BytesMut) -> io::Result<()> {
    while chunk.len() < CHUNK_BYTES {
        let room = CHUNK_BYTES - chunk.len();
        if source.take(room as u64).read_buf(chunk).await? == 0 {
            break;
        }
    }
    Ok(())
}

impl Source {
    /// The next bytes, none at the end. Every chunk but the last has the same length.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, VaultError> {
        if self.is_ended {
            return Ok(None);
        }
        match self.queue.blocking_recv() {
            Some(Message::Bytes(bytes)) => {
                self.bytes_read += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Some(Message::End) => {
                self.is_ended = true;
                Ok(None)
            }
            Some(Message::Failed(kind)) => Err(VaultError::SourceRead(kind)),
            None => Err(VaultError::Cancelled),
        }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}
