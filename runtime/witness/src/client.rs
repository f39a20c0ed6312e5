//! How an enclave, or whoever is curious, asks a witness.

use std::sync::Arc;
use std::time::Duration;

use glovebox_audit::{AddHead, Cosignature, WitnessRefusal, WitnessView};
use reqwest::{RequestBuilder, Url};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::WitnessError;

/// Longest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 32 << 10;

/// Asks one witness.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    server: Url,
}

/// Why a witness gave no cosignature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// It does not answer, or not in time.
    #[error("it does not answer: {0}")]
    Unreachable(String),
    /// It refuses.
    #[error("it refuses ({}): {}", .0.code, .0.detail)]
    Refused(WitnessRefusal),
    /// What came back is no answer of a witness.
    #[error("its answer is none of a witness (status {status})")]
    Unreadable {
        /// HTTP status.
        status: u16,
    },
}

impl Client {
    /// A client for the witness at `url`, which waits for an answer for so long.
    ///
    /// # Errors
    /// [`WitnessError::Url`] unless it is `http://host:port`.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, WitnessError> {
        let unusable = || WitnessError::Url { url: url.to_owned() };
        let server = Url::parse(url).map_err(|_| unusable())?;
        let is_plain = server.scheme() == "http" && server.has_host() && ["", "/"].contains(&server.path());
        if !is_plain || server.query().is_some() || !server.username().is_empty() || server.password().is_some() {
            return Err(unusable());
        }
        // Never used, since there is no https here; the library wants to be told one.
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| unusable())?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(timeout)
            .user_agent(concat!("glovebox-enclave/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| unusable())?;
        Ok(Self { http, server })
    }

    /// Asks for a cosignature. Whether it is one is for the caller to check.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn add_head(&self, request: &AddHead) -> Result<Cosignature, CallError> {
        self.call(self.http.post(self.place("v1/heads")?).json(request)).await
    }

    /// Asks what the witness knows. Whether it is true is for the caller to check.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn view(&self) -> Result<WitnessView, CallError> {
        self.call(self.http.get(self.place("v1/head")?)).await
    }

    fn place(&self, path: &str) -> Result<Url, CallError> {
        self.server.join(path).map_err(|error| CallError::Unreachable(error.to_string()))
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CallError> {
        let unreachable = |error: reqwest::Error| CallError::Unreachable(cause(&error));
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let unreadable = CallError::Unreadable { status: status.as_u16() };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > ANSWER_MAX_BYTES {
                return Err(unreadable);
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| unreadable);
        }
        Err(serde_json::from_slice(&body).map_or(unreadable, CallError::Refused))
    }
}

/// The innermost cause: what the system said.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
