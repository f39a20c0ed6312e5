//! Rows on their way in: a request's body as a reader, within bounds and never whole in memory.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::app::App;
use crate::peer::Peer;
use crate::problem::Failure;

/// How long the rest of a refused upload is read and thrown away: a sender who is still writing when the connection
/// closes would see it broken, and never read why.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// The body of an upload. Reading fails, for good, when it breaks off, pauses too long, grows too large, or when
/// the sender's certificate is revoked on the way.
pub(crate) struct Upload {
    body: Body,
    chunk: Bytes,
    read_bytes: u64,
    declared_bytes: Option<u64>,
    pause: Pin<Box<Sleep>>,
    pause_max: Duration,
    limit_bytes: u64,
    app: App,
    peer: Arc<Peer>,
    fault: Fault,
    has_ended: bool,
}

/// Why reading failed, for the handler: readers can only pass on an `io::Error`.
#[derive(Clone, Default)]
pub(crate) struct Fault(Arc<Mutex<Option<Failure>>>);

impl Fault {
    /// The failure of the reader if there was one, else `otherwise`.
    pub(crate) fn or(&self, otherwise: Failure) -> Failure {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(otherwise)
    }
}

impl Upload {
    /// A reader over `body`, and where it tells why it failed.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] when the declared length is beyond the limit.
    pub(crate) fn new(app: &App, peer: Arc<Peer>, body: Body) -> Result<(Self, Fault), Failure> {
        let limit_bytes = app.limits.upload_max_bytes;
        let declared_bytes = body.size_hint().exact();
        if declared_bytes.is_some_and(|bytes| bytes > limit_bytes) {
            return Err(Failure::TooLarge { limit_bytes });
        }
        let pause_max = app.limits.upload_pause_max;
        let fault = Fault::default();
        let upload = Self {
            body,
            chunk: Bytes::new(),
            read_bytes: 0,
            declared_bytes,
            pause: Box::pin(tokio::time::sleep(pause_max)),
            pause_max,
            limit_bytes,
            app: app.clone(),
            peer,
            fault: fault.clone(),
            has_ended: false,
        };
        Ok((upload, fault))
    }

    fn fail(&self, failure: Failure) -> io::Error {
        *self.fault.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        io::Error::other("the upload failed")
    }

    /// The next chunk; an empty one at the end.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(self.fail(Failure::IncompleteBody))),
                Poll::Ready(None) => {
                    self.has_ended = true;
                    return Poll::Ready(self.check_end().map(|()| Bytes::new()));
                }
                Poll::Pending if self.pause.as_mut().poll(context).is_ready() => {
                    return Poll::Ready(Err(self.fail(Failure::IncompleteBody)));
                }
                Poll::Pending => return Poll::Pending,
            };
            self.pause.as_mut().reset(Instant::now() + self.pause_max);
            // Trailers carry no rows.
            let Ok(chunk) = frame.into_data() else { continue };
            if chunk.is_empty() {
                continue;
            }
            let length_bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.read_bytes = self.read_bytes.saturating_add(length_bytes);
            self.app.metrics.uploaded(length_bytes);
            if self.read_bytes > self.limit_bytes {
                return Poll::Ready(Err(self.fail(Failure::TooLarge { limit_bytes: self.limit_bytes })));
            }
            return match self.app.check(&self.peer) {
                Ok(()) => Poll::Ready(Ok(chunk)),
                Err(failure) => Poll::Ready(Err(self.fail(failure))),
            };
        }
    }

    /// The end counts only when it is the sender's: a connection dropped by a forced shutdown looks like one, and
    /// half a table must not be published as a whole one.
    fn check_end(&self) -> io::Result<()> {
        let short = self.declared_bytes.is_some_and(|bytes| bytes != self.read_bytes);
        if short || self.app.shutdown.is_forced() { Err(self.fail(Failure::IncompleteBody)) } else { Ok(()) }
    }
}

impl AsyncRead for Upload {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.chunk.is_empty() {
            match self.poll_chunk(context) {
                Poll::Ready(Ok(chunk)) => self.chunk = chunk,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let take = self.chunk.len().min(into.remaining());
        into.put_slice(&self.chunk.split_to(take));
        Poll::Ready(Ok(()))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let mut body = std::mem::take(&mut self.body);
        let shutdown = self.app.shutdown.clone();
        tokio::spawn(async move {
            let drain = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = shutdown.unless_asked(tokio::time::timeout(DRAIN_MAX, drain)).await;
        });
    }
}
