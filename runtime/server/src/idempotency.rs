//! Idempotency keys: a write that carries the header `Idempotency-Key` happens once, however often it is sent.
//!
//! A key is claimed before the work and holds its answer after; the first success is answered again to every
//! repetition. Failures are not kept: they changed nothing, so that a repetition may well succeed. The work runs as a
//! task of its own, so that a caller who hangs up does not leave it done but not remembered.

use std::future::Future;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use glovebox_engine::{Caller, Engine, EngineError, Remembered};
use serde::Serialize;

use crate::app::App;
use crate::problem::Failure;

/// The header with the key.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEY_LENGTH_MAX: usize = 128;

/// A key with the request that it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Once {
    key: String,
    request: Vec<u8>,
}

impl Once {
    /// Reads the header, where there is one. `parts` are all that makes the request what it is.
    pub(crate) fn read(headers: &HeaderMap, parts: &[&[u8]]) -> Result<Option<Self>, Failure> {
        let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let key = value
            .to_str()
            .ok()
            .filter(|key| (1..=KEY_LENGTH_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
        let Some(key) = key else {
            return Err(Failure::BadParameter {
                name: "Idempotency-Key",
                expected: format!("1 to {KEY_LENGTH_MAX} visible ASCII characters"),
            });
        };
        let mut request = Vec::new();
        for part in parts {
            // Lengths first, so that parts can't be cut differently to the same whole.
            request.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            request.extend_from_slice(part);
        }
        Ok(Some(Self { key: key.to_owned(), request }))
    }
}

impl App {
    /// Does a use case that may block once for its key, and answers `status` with what it gave, as JSON.
    pub(crate) async fn write<T, W>(
        &self,
        caller: &Caller,
        once: Option<Once>,
        status: StatusCode,
        work: W,
    ) -> Result<Response, Failure>
    where
        T: Serialize + Send + 'static,
        W: FnOnce(&Engine, &Caller) -> Result<T, EngineError> + Send + 'static,
    {
        let (app, by) = (self.clone(), caller.clone());
        self.write_async(caller, once, status, async move { app.ask(&by, work).await }).await
    }

    /// The same for a use case that waits for its caller.
    pub(crate) async fn write_async<T, W>(
        &self,
        caller: &Caller,
        once: Option<Once>,
        status: StatusCode,
        work: W,
    ) -> Result<Response, Failure>
    where
        T: Serialize,
        W: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let (app, caller) = (self.clone(), caller.clone());
        let done = self.shutdown.track(async move {
            let Some(Once { key, request }) = once else {
                return Ok(answer(status, to_json(&work.await?)?, false));
            };
            if let Some(answered) = app.claim(&caller, key.clone(), request).await? {
                return Ok(answered);
            }
            match work.await.and_then(|value| to_json(&value)) {
                Ok(body) => {
                    let kept = body.clone();
                    let keep =
                        move |engine: &Engine, caller: &Caller| engine.remember(caller, &key, status.as_u16(), kept);
                    app.ask(&caller, keep).await?;
                    Ok(answer(status, body, false))
                }
                Err(failure) => {
                    app.ask(&caller, move |engine, caller| engine.forget(caller, &key)).await?;
                    Err(failure)
                }
            }
        });
        done.await.map_err(|error| Failure::Internal(format!("a write did not end: {error}")))?
    }

    /// Claims the key; gives the answer when it was given before.
    async fn claim(&self, caller: &Caller, key: String, request: Vec<u8>) -> Result<Option<Response>, Failure> {
        match self.ask(caller, move |engine, caller| engine.recall(caller, &key, &request)).await? {
            Remembered::New => Ok(None),
            Remembered::Answered { status, body } => {
                let status = StatusCode::from_u16(status)
                    .map_err(|_| Failure::Internal(format!("an answer was kept with status {status}")))?;
                Ok(Some(answer(status, body, true)))
            }
            Remembered::InProgress => Err(Failure::KeyInUse),
            Remembered::OtherRequest => Err(Failure::KeyReused),
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| Failure::Internal(format!("an answer is not JSON: {error}")))
}

fn answer(status: StatusCode, body: Vec<u8>, replayed: bool) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
