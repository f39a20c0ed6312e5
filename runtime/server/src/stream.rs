//! Server-sent events: signs of life, a bound on their number, and an end when the caller's standing ends.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt as _};
use glovebox_engine::Caller;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::app::App;
use crate::metrics::Held;
use crate::peer::Peer;
use crate::problem::Failure;

/// How long a client should wait before it connects again.
const RETRY: Duration = Duration::from_secs(1);

/// Something to tell, and whether it is the last.
pub(crate) struct News<T> {
    pub(crate) value: T,
    pub(crate) is_last: bool,
}

/// Where news come from. `None` says that there will be no more.
pub(crate) trait Source: Send + 'static {
    /// What is told, as JSON.
    type Value: Serialize + Send;
    /// Name of the event.
    const EVENT: &'static str;

    /// Waits for the next news. Dropping the future loses none.
    fn next(&mut self, caller: &Caller) -> impl Future<Output = Option<Result<News<Self::Value>, Failure>>> + Send;
}

/// Streams what `source` tells until it ends, the server stops, or the caller loses access.
///
/// # Errors
/// [`Failure::Busy`] when too many streams are open.
pub(crate) fn follow<S: Source>(app: &App, peer: Arc<Peer>, caller: Caller, source: S) -> Result<Response, Failure> {
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| Failure::Busy)?;
    let interval = app.limits.keep_alive_interval;
    let mut checks = tokio::time::interval_at(Instant::now() + interval, interval);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let held = app.metrics.stream();
    let following =
        Following { app: app.clone(), peer, caller, source, checks, is_over: false, _permit: permit, _held: held };
    let retry = stream::iter([Ok(Event::default().retry(RETRY))]);
    Ok(Sse::new(retry.chain(events(following))).keep_alive(KeepAlive::new().interval(interval)).into_response())
}

struct Following<S> {
    app: App,
    peer: Arc<Peer>,
    caller: Caller,
    source: S,
    checks: Interval,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
    _held: Held,
}

fn events<S: Source>(following: Following<S>) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold(following, |mut following| async move {
        if following.is_over {
            return None;
        }
        let app = following.app.clone();
        let event = app.shutdown.unless_asked(following.event()).await??;
        Some((Ok(event), following))
    })
}

impl<S: Source> Following<S> {
    /// The next event, or none at the end.
    async fn event(&mut self) -> Option<Event> {
        loop {
            let news = tokio::select! {
                news = self.source.next(&self.caller) => news?,
                _ = self.checks.tick() => match self.app.identify(&self.peer).await {
                    Ok(caller) => {
                        self.caller = caller;
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
            };
            return Some(match news {
                Ok(News { value, is_last }) => {
                    self.is_over = is_last;
                    Event::default().event(S::EVENT).json_data(value).unwrap_or_default()
                }
                Err(failure) => self.last_words(&failure),
            });
        }
    }

    fn last_words(&mut self, failure: &Failure) -> Event {
        self.is_over = true;
        let request_id = self.app.request_id();
        if let Some(text) = failure.internal_text() {
            tracing::error!(%request_id, "event stream: {text}");
        }
        Event::default().event("problem").json_data(failure.problem(&request_id)).unwrap_or_default()
    }
}
