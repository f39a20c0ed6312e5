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
        let Some(fault) = tls_fault(error) else { return Self::Connection { detail: chain(error), remedy: None } };
        let rustls::Error::AlertReceived(
            alert @ (AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion),
        ) = fault
        else {
            return Self::of_tls(fault);
        };
        let (offered, remedy) = match suites {
            Suites::Gm => (
                "RFC 8998",
                "the server may not speak RFC 8998: its operator adds an SM2 certificate, or connect with a P-256 one \
                 over standard TLS (`--tls standard`)",
            ),
            Suites::Standard => (
                "standard TLS 1.3",
                "the server may speak RFC 8998 alone: connect with an SM2 certificate (`--tls gm`), or its operator \
                 adds a P-256 one",
            ),
        };
        let detail = format!("it refused what was offered, {offered} ({alert:?})");
        Self::Connection { detail, remedy: Some(remedy.to_owned()) }
    }

    /// An explanation says what happened and, after a semicolon, what to do.
    fn of_tls(fault: &rustls::Error) -> Self {
        let text = explain(fault);
        let (detail, remedy) = text.split_once("; ").unwrap_or((&text, "the server's log may say more"));
        Self::Connection { detail: detail.to_owned(), remedy: Some(remedy.to_owned()) }
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        match tls_fault(&error) {
            Some(fault) => Self::of_tls(fault),
            None => Self::Connection { detail: chain(&error), remedy: None },
        }
    }
}

/// The chain names the cause; the outermost texts only say that sending failed, in the libraries' words.
fn chain(error: &dyn StdError) -> String {
    let text = chain_in_full(error);
    let wrappers = ["error sending request for url (", "client error ("];
    let inner = text.split(": ").skip_while(|part| wrappers.iter().any(|wrapper| part.starts_with(wrapper)));
    let inner = inner.collect::<Vec<_>>().join(": ");
    if inner.is_empty() { text } else { inner }
}

fn chain_in_full(error: &dyn StdError) -> String {
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

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, InvalidMessage};

    use super::*;

    fn told(fault: rustls::Error, suites: Suites) -> String {
        let error = std::io::Error::other(fault);
        match ClientError::of_transport(&error, suites) {
            ClientError::Connection { detail, remedy } => format!("{detail} | {}", remedy.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_failed_in_tls_is_told_in_our_words_with_what_to_do() {
        let alert = || rustls::Error::AlertReceived(AlertDescription::HandshakeFailure);
        assert!(told(alert(), Suites::Gm).starts_with("it refused what was offered, RFC 8998"));
        assert!(told(alert(), Suites::Standard).contains("| the server may speak RFC 8998 alone"));
        let revoked = rustls::Error::InvalidCertificate(CertificateError::Revoked);
        assert_eq!(told(revoked, Suites::Gm), "the certificate is revoked | have a new one issued");
        let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert!(told(plain, Suites::Gm).contains("no TLS | check that it speaks TLS"));
        let other = rustls::Error::AlertReceived(AlertDescription::InternalError);
        assert!(told(other, Suites::Gm).ends_with("| the server's log may say more"));
    }

    #[test]
    fn words_of_libraries_are_left_out_but_for_the_cause() {
        let refused = std::io::Error::other("tcp connect error: refused");
        assert_eq!(chain(&refused), "tcp connect error: refused");
        let sent = "error sending request for url (https://127.0.0.1:1/v1/whoami): client error (Connect): refused";
        assert_eq!(chain(&std::io::Error::other(sent)), "refused");
        assert_eq!(chain(&std::io::Error::other("client error (Connect)")), "client error (Connect)");
    }
}
