//! Why a call did not give what it should.

use glovebox_api::Problem;
use glovebox_audit::VerifyError;
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

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        // The chain names the cause (a TLS alert, mostly); the outermost text only says that sending failed.
        let mut texts = vec![error.to_string()];
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if texts.last() != Some(&text) {
                texts.push(text);
            }
            source = cause.source();
        }
        Self::Connection { detail: texts.join(": ") }
    }
}
