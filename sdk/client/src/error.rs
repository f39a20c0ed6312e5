//! Why a call did not give what it should.

use std::error::Error as StdError;

use glovebox_api::Problem;
use glovebox_audit::VerifyError;
use glovebox_tls::{Suites, explain};
use rustls::AlertDescription;
use thiserror::Error;

/// Why a call did not give what it should.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The server refused, and says why.
    #[error("{} ({}): {}", .0.title, .0.code, .0.detail)]
    Problem(Box<Problem>),
    /// A certificate, key or address can't be used.
    #[error("can't use {what}: {detail}")]
    Access {
        /// What can't be used.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// The server was not reached, or hung up. A server that does not accept the certificate hangs up, too.
    #[error("no answer from the server: {detail}")]
    Connection {
        /// What happened, outermost first.
        detail: String,
        /// What helps, where that is known.
        remedy: Option<String>,
    },
    /// The server answered something that this client does not understand; their versions may differ.
    #[error("can't read the server's answer (status {status}): {detail}")]
    Answer {
        /// HTTP status.
        status: u16,
        /// Why.
        detail: String,
    },
    /// The source of an upload can't be read.
    #[error("can't read what is to be uploaded: {0}")]
    Source(#[from] std::io::Error),
    /// A receipt, proof or export does not verify.
    #[error("does not verify: {0}")]
    Verify(#[from] VerifyError),
    /// The enclave's key is not what it says.
    #[error("the enclave's key can't be used: {detail}")]
    Key {
        /// Why.
        detail: String,
    },
}

impl ClientError {
    /// The refusal code, where the server gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// The HTTP status, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::Answer { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl ClientError {
    /// Of a connection that spoke `suites`.
    pub(crate) fn of_transport(error: &(dyn StdError + 'static), suites: Suites) -> Self {
        let refused = matches!(
            tls_fault(error),
            Some(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion))
        );
        let remedy = match suites {
            _ if !refused => tls_fault(error).map(explain),
            Suites::Gm => Some(
                "the server may not speak RFC 8998: its operator adds an SM2 certificate, or connect with a P-256 one \
                 over standard TLS"
                    .to_owned(),
            ),
            Suites::Standard => Some(
                "the server may speak RFC 8998 alone: connect with an SM2 certificate, or its operator adds a P-256 one"
                    .to_owned(),
            ),
        };
        Self::Connection { detail: chain(error), remedy }
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        Self::Connection { detail: chain(&error), remedy: tls_fault(&error).map(explain) }
    }
}

/// The chain names the cause (a TLS alert, mostly); the outermost text only says that sending failed.
fn chain(error: &dyn StdError) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts.join(": ")
}

/// What went wrong in TLS, if that is where it went wrong. An I/O error holds it without naming it as its source.
pub(crate) fn tls_fault<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref() {
            return Some(fault);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
