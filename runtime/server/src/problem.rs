//! The one place where errors become HTTP: problem documents of RFC 9457 with the refusal code.
//!
//! A handler returns a [`Failure`]. Its text for the operator goes to the log under the request's id; what goes out
//! is made here, from codes, rules and remedies, and never holds a value of a row or the text of an internal error.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use glovebox_api::{PROBLEM_CONTENT_TYPE, Problem};
use glovebox_catalog::Refusal;
use glovebox_engine::EngineError;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The engine said no, or failed.
    Engine(EngineError),
    /// The peer's certificate no longer holds: expired, revoked, or its authority left.
    Certificate,
    /// No such path.
    UnknownRoute,
    /// The path exists, not with this method.
    MethodNotAllowed,
    /// The body is not the JSON that the route takes. The text says where, and may quote the caller's own input.
    MalformedJson(String),
    /// A parameter of the path, the query or a header is not what the route takes.
    BadParameter {
        /// Its name.
        name: &'static str,
        /// What was expected.
        expected: String,
    },
    /// The body is longer than the route takes.
    TooLarge {
        /// Most it may be, in bytes.
        limit_bytes: u64,
    },
    /// The body's content type is not one that the route takes.
    UnsupportedMediaType {
        /// What the route takes.
        expected: &'static str,
    },
    /// None of the accepted content types can be served.
    NotAcceptable {
        /// What can be.
        offered: &'static str,
    },
    /// The body came too slowly, or broke off.
    IncompleteBody,
    /// The first request with an idempotency key is still being done.
    KeyInUse,
    /// An idempotency key was used before for another request.
    KeyReused,
    /// Too many requests or streams at once.
    Busy,
    /// A fault of the server; the text is for the operator.
    Internal(String),
}

impl Failure {
    /// The text for the operator's log, where there is one beyond the code.
    pub(crate) fn internal_text(&self) -> Option<&str> {
        match self {
            Self::Internal(text) | Self::Engine(EngineError::Internal(text)) => Some(text),
            _ => None,
        }
    }

    /// The document that goes out.
    pub(crate) fn problem(&self, request_id: &str) -> Problem {
        let status = self.status();
        let (first, reasons) = self.reasons();
        Problem {
            problem_type: format!("urn:glovebox:refusal:{}", first.code),
            title: first.rule,
            status: status.as_u16(),
            detail: first.remedy,
            code: first.code,
            reasons,
            request_id: Some(request_id.to_owned()),
        }
    }

    /// The document as a response with its headers.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let body = serde_json::to_vec(&self.problem(request_id)).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE));
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Engine(error) => match error {
                EngineError::Refused(_) => StatusCode::FORBIDDEN,
                EngineError::NotFound { .. } => StatusCode::NOT_FOUND,
                EngineError::Conflict(_) => StatusCode::CONFLICT,
                EngineError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
                EngineError::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
                EngineError::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
                EngineError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Certificate => StatusCode::FORBIDDEN,
            Self::UnknownRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::MalformedJson(_) | Self::BadParameter { .. } => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable { .. } => StatusCode::NOT_ACCEPTABLE,
            Self::IncompleteBody => StatusCode::REQUEST_TIMEOUT,
            Self::KeyInUse => StatusCode::CONFLICT,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Engine(EngineError::Busy { retry_after_seconds, .. }) => Some(*retry_after_seconds),
            Self::Busy | Self::KeyInUse => Some(1),
            _ => None,
        }
    }

    /// The reason that heads the document, and all of them where the engine gave them.
    fn reasons(&self) -> (Refusal, Vec<Refusal>) {
        let listed = match self {
            Self::Engine(EngineError::Refused(reasons) | EngineError::Invalid(reasons)) => reasons.clone(),
            Self::Engine(EngineError::Conflict(reason) | EngineError::Busy { reason, .. }) => vec![reason.clone()],
            _ => Vec::new(),
        };
        let first = listed.first().cloned().unwrap_or_else(|| self.own_reason());
        (first, listed)
    }

    /// The reason for what the server itself refuses: code, rule and remedy.
    fn own_reason(&self) -> Refusal {
        let reason = |code: &str, rule: &str, remedy: &str| Refusal::new(code, rule, "", remedy);
        match self {
            Self::Engine(EngineError::NotFound { what, id }) => {
                reason("request.not-found", &format!("no {what} `{id}` that you may see"), "list them to find the id")
            }
            Self::Engine(EngineError::StorageFull) => {
                reason("server.storage-full", "the storage is full; nothing was changed", "ask the operator for space")
            }
            Self::Engine(EngineError::Refused(_) | EngineError::Invalid(_)) => {
                reason("policy.not-permitted", "this is not permitted", "ask the security officer of the enclave")
            }
            Self::Certificate => reason(
                "connect.certificate-no-longer-valid",
                "the certificate of this connection has expired or was revoked",
                "connect with a valid certificate; the security officer of the enclave issues one",
            ),
            Self::UnknownRoute => {
                reason("request.unknown-route", "there is nothing under this path", "see /v1/openapi.json")
            }
            Self::MethodNotAllowed => reason(
                "request.method-not-allowed",
                "this path does not take this method",
                "use one that the header Allow lists",
            ),
            Self::MalformedJson(detail) => reason("request.malformed-json", "the body is not as described", detail),
            Self::BadParameter { name, expected } => {
                reason("request.bad-parameter", &format!("`{name}` is not as described"), expected)
            }
            Self::TooLarge { limit_bytes } => reason(
                "request.too-large",
                "the body is too large",
                &format!("send at most {limit_bytes} bytes, or ask the operator for a higher limit"),
            ),
            Self::UnsupportedMediaType { expected } => {
                reason("request.unsupported-media-type", "the body is of another type", &format!("send {expected}"))
            }
            Self::NotAcceptable { offered } => {
                reason("request.not-acceptable", "none of the types asked for exists", &format!("ask for {offered}"))
            }
            Self::IncompleteBody => {
                reason("request.incomplete-body", "the body did not arrive in time, or broke off", "send it again")
            }
            Self::KeyInUse => reason(
                "request.idempotency-key-in-use",
                "the first request with this idempotency key is still being done",
                "send it again in a moment",
            ),
            Self::KeyReused => reason(
                "request.idempotency-key-reused",
                "an idempotency key stands for one request, and this one differs from the first",
                "use a fresh key for a new request",
            ),
            Self::Busy => reason("server.busy", "too much is asked at once", "wait as the header Retry-After says"),
            Self::Engine(_) | Self::Internal(_) => reason(
                "server.internal",
                "the enclave failed; nothing of the request was kept unless it is listed",
                "tell the operator the request id",
            ),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Carries a failure from its handler to where the request id is known.
#[derive(Clone)]
pub(crate) struct Failed(pub(crate) Arc<Failure>);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Failed(Arc::new(self)));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_text_stays_inside() {
        for failure in [
            Failure::Internal("row 7 of secret.db".into()),
            Failure::Engine(EngineError::Internal("row 7 of secret.db".into())),
        ] {
            assert_eq!(failure.internal_text(), Some("row 7 of secret.db"));
            let problem = failure.problem("r1");
            assert_eq!((problem.status, problem.code.as_str()), (500, "server.internal"));
            assert!(!serde_json::to_string(&problem).unwrap().contains("secret"));
            assert_eq!(problem.request_id.as_deref(), Some("r1"));
        }
    }

    #[test]
    fn reasons_of_the_engine_come_whole() {
        let reason = |code: &str| Refusal::new(code, "the rule", "the place", "the remedy");
        let problem = Failure::Engine(EngineError::Refused(vec![reason("policy.a"), reason("policy.b")])).problem("r1");
        assert_eq!((problem.status, problem.code.as_str()), (403, "policy.a"));
        assert_eq!(problem.problem_type, "urn:glovebox:refusal:policy.a");
        assert_eq!((problem.title.as_str(), problem.detail.as_str()), ("the rule", "the remedy"));
        assert_eq!(problem.reasons, vec![reason("policy.a"), reason("policy.b")]);
    }

    #[test]
    fn busy_says_when_to_come_back() {
        let reason = Refusal::new("engine.queue-full", "the rule", "the place", "the remedy");
        let response = Failure::Engine(EngineError::Busy { retry_after_seconds: 7, reason }).render("r1");
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
