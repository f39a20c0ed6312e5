//! One call: request, repetition, answer.

use std::time::Duration;

use bytes::Bytes;
use glovebox_api::{EnclaveKey, PROBLEM_CONTENT_TYPE, Problem, WhoAmI};
use glovebox_tls::Suites;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::access::Tls;
use crate::error::tls_fault;
use crate::{Access, ClientError};

/// Time for a call that carries little either way.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Below the server's 30 s for an idle connection, so that it is not used in the moment when the server closes it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How calls are repeated when the connection fails or the server is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often a call is repeated at most.
    pub count: u32,
    /// Longest pause before a repetition, whatever the server asks for.
    pub pause_max: Duration,
}

impl Default for Retries {
    /// Three, with pauses of at most 10 seconds.
    fn default() -> Self {
        Self { count: 3, pause_max: Duration::from_secs(10) }
    }
}

impl Retries {
    /// None at all.
    pub const NONE: Self = Self { count: 0, pause_max: Duration::ZERO };
}

/// A connection to an enclave, as one caller. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    pub(crate) tls: Tls,
    pub(crate) server: Url,
    retries: Retries,
}

/// Names and values of a query.
pub(crate) type Query<'a> = &'a [(&'static str, String)];

/// The body of a write.
pub(crate) enum Body<'a> {
    Json(&'a [u8]),
    Module(Bytes),
}

impl Client {
    /// A client for `access`. Connects at the first call.
    ///
    /// # Errors
    /// [`ClientError::Access`] when a certificate, key or the address can't be used.
    pub fn connect(access: Access) -> Result<Self, ClientError> {
        let unusable = |detail: String| ClientError::Access { what: "the server's address", detail };
        let server = Url::parse(&access.server).map_err(|error| unusable(error.to_string()))?;
        if server.scheme() != "https" || server.cannot_be_a_base() {
            return Err(unusable("expected `https://name:port`".into()));
        }
        let tls = access.tls()?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&tls.config))
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .user_agent(concat!("glovebox-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ClientError::of_transport(&error, tls.suites))?;
        Ok(Self { http, tls, server, retries: Retries::default() })
    }

    /// What it speaks: RFC 8998 or the standard suites, and never the other.
    #[must_use]
    pub fn suites(&self) -> Suites {
        self.tls.suites
    }

    /// The same client with other repetitions.
    #[must_use]
    pub fn with_retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// `GET /v1/whoami`: who the enclave takes the caller for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn whoami(&self) -> Result<WhoAmI, ClientError> {
        self.get(&["whoami"], &[]).await
    }

    /// `GET /v1/key`: the enclave's public key. Compare its fingerprint with one that came another way.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn key(&self) -> Result<EnclaveKey, ClientError> {
        self.get(&["key"], &[]).await
    }

    /// `GET /v1/openapi.json`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn openapi(&self) -> Result<serde_json::Value, ClientError> {
        self.get(&["openapi.json"], &[]).await
    }

    /// Reads JSON under `path` below `/v1`.
    pub(crate) async fn get<T>(&self, path: &[&str], query: Query<'_>) -> Result<T, ClientError>
    where
        T: DeserializeOwned,
    {
        let request = || self.request(Method::GET, path, query).timeout(CALL_TIMEOUT);
        read_json(self.repeat(request).await?).await
    }

    /// Reads bytes of `media_type`.
    pub(crate) async fn bytes_of(&self, path: &[&str], media_type: &'static str) -> Result<Bytes, ClientError> {
        let request = || self.request(Method::GET, path, &[]).header(ACCEPT, media_type).timeout(CALL_TIMEOUT);
        Ok(self.repeat(request).await?.bytes().await?)
    }

    /// Reads a body of any length, as a stream.
    pub(crate) async fn stream_of(&self, path: &[&str]) -> Result<Response, ClientError> {
        self.repeat(|| self.request(Method::GET, path, &[])).await
    }

    /// Writes `value` as JSON.
    pub(crate) async fn post<T, V>(&self, path: &[&str], value: &V) -> Result<T, ClientError>
    where
        T: DeserializeOwned,
        V: Serialize + ?Sized,
    {
        self.post_with(path, &[], value).await
    }

    /// Writes `value` as JSON, with a query.
    pub(crate) async fn post_with<T, V>(&self, path: &[&str], query: Query<'_>, value: &V) -> Result<T, ClientError>
    where
        T: DeserializeOwned,
        V: Serialize + ?Sized,
    {
        let json = serde_json::to_vec(value)
            .map_err(|error| ClientError::Answer { status: 0, detail: format!("the request is not JSON: {error}") })?;
        self.write(path, query, Body::Json(&json)).await
    }

    /// Writes once, however often it has to be sent.
    pub(crate) async fn write<T>(&self, path: &[&str], query: Query<'_>, body: Body<'_>) -> Result<T, ClientError>
    where
        T: DeserializeOwned,
    {
        let key = idempotency_key()?;
        let request = || {
            let request = self.request(Method::POST, path, query).timeout(CALL_TIMEOUT);
            let request = request.header("idempotency-key", &key);
            match &body {
                Body::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.to_vec()),
                Body::Module(module) => request.header(CONTENT_TYPE, "application/wasm").body(module.clone()),
            }
        };
        read_json(self.repeat(request).await?).await
    }

    /// A request for `path` and `query`, each part of which is escaped.
    pub(crate) fn request(&self, method: Method, path: &[&str], query: Query<'_>) -> RequestBuilder {
        let mut url = self.server.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.http.request(method, url)
    }

    /// Sends once.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        request.send().await.map_err(|error| ClientError::of_transport(&error, self.tls.suites))
    }

    /// Sends until there is an answer worth keeping. Only for requests that may be sent twice.
    async fn repeat(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, ClientError> {
        let mut pause = Duration::from_millis(100);
        let mut left = self.retries.count;
        loop {
            match request().send().await {
                Ok(response) => match retry_after(&response).filter(|_| is_worth_repeating(response.status())) {
                    Some(asked) if left > 0 => pause = pause.max(asked),
                    // A conflict without Retry-After is final: it takes another state, not another moment.
                    _ => return check_status(response).await,
                },
                // A peer that refuses TLS does so for a reason that stays.
                Err(error) if left == 0 || error.is_builder() || tls_fault(&error).is_some() => {
                    return Err(ClientError::of_transport(&error, self.tls.suites));
                }
                Err(_) => {}
            }
            tokio::time::sleep(pause.min(self.retries.pause_max)).await;
            pause = pause.saturating_mul(2);
            left -= 1;
        }
    }
}

fn is_worth_repeating(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The response, or the problem that it carries.
pub(crate) async fn check_status(response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == PROBLEM_CONTENT_TYPE);
    let body = response.bytes().await?;
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if is_problem => Err(ClientError::Problem(Box::new(problem))),
        _ => Err(ClientError::Answer { status: status.as_u16(), detail: "expected a problem document".into() }),
    }
}

pub(crate) async fn read_json<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    let status = response.status().as_u16();
    let body = response.bytes().await?;
    serde_json::from_slice(&body).map_err(|error| ClientError::Answer { status, detail: error.to_string() })
}

/// 128 random bits, in hexadecimal.
pub(crate) fn idempotency_key() -> Result<String, ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| ClientError::Access { what: "the system's randomness", detail: error.to_string() })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
