//! The handshake of a connection. The hello is read first and chooses the set that answers; whoever resumes a session
//! is checked again, since TLS itself takes the certificate of the connection before for granted.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use glovebox_tls::{Suites, explain, negotiated};
use rustls::server::Acceptor;
use rustls::{CertificateError, Error, HandshakeKind, PeerIncompatible};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::anteroom::Place;
use crate::config::Limits;
use crate::peer::Peer;
use crate::tls::{Trust, TrustSet};

/// A peer that got through, and its stream.
pub(crate) type Met = (TlsStream<TcpStream>, Arc<Peer>);

/// How a handshake went, as the metrics count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The suites of the set that answered; none before the hello was read.
    pub(crate) suites: Option<Suites>,
    /// `full` or `resumed`, once that is settled.
    pub(crate) session: &'static str,
    /// `accepted`, or what was in the way.
    pub(crate) outcome: &'static str,
}

/// A handshake in progress.
pub(crate) struct Handshake<'a> {
    trust: &'a watch::Receiver<Arc<Trust>>,
    address: IpAddr,
    log: &'a RefusalLog,
    place: &'a Place,
    so_far: Outcome,
}

impl<'a> Handshake<'a> {
    pub(crate) fn new(
        trust: &'a watch::Receiver<Arc<Trust>>,
        address: IpAddr,
        log: &'a RefusalLog,
        place: &'a Place,
    ) -> Self {
        Self { trust, address, log, place, so_far: Outcome { suites: None, session: "none", outcome: "failed" } }
    }

    /// Shakes hands within the times of `limits`. The outcome is for the metrics either way.
    pub(crate) async fn run(mut self, stream: TcpStream, limits: &Limits) -> (Option<Met>, Outcome) {
        match timeout_at(Instant::now() + limits.handshake_timeout, self.steps(stream, limits)).await {
            Ok(Ok(met)) => (Some(met), Outcome { outcome: "accepted", ..self.so_far }),
            Ok(Err(outcome)) => (None, Outcome { outcome, ..self.so_far }),
            Err(_) => (None, Outcome { outcome: "timed-out", ..self.so_far }),
        }
    }

    async fn steps(&mut self, stream: TcpStream, limits: &Limits) -> Result<Met, &'static str> {
        let came_at = Instant::now();
        match timeout_at(came_at + limits.first_byte_timeout, stream.peek(&mut [0])).await {
            Ok(Ok(bytes)) if bytes > 0 => {}
            Ok(_) => return Err("failed"),
            Err(_) => return Err("silent"),
        }
        let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let start = match timeout_at(came_at + limits.hello_timeout, &mut acceptor).await {
            Ok(Ok(start)) => start,
            Err(_) => return Err("timed-out"),
            Ok(Err(error)) => {
                alert_what_rustls_leaves_out(&error, acceptor.take_io()).await;
                return Err(self.refuse(&error, None));
            }
        };
        self.place.has_sent_hello();
        let hello = start.client_hello();
        let trust = self.trust.borrow().clone();
        let set = trust.answer(&hello).ok_or("failed")?;
        let lacking = Some(Suites::of_hello(&hello)).filter(|asked| *asked != set.suites);
        self.so_far.suites = Some(set.suites);
        let stream = match start.into_stream(set.config.clone()).await {
            Ok(stream) => stream,
            Err(error) => return Err(self.refuse(&error, lacking)),
        };
        self.greet(stream, set)
    }

    /// The end of the handshake: the certificate as of now, and whom it names.
    fn greet(&mut self, stream: TlsStream<TcpStream>, set: &TrustSet) -> Result<Met, &'static str> {
        let tls = stream.get_ref().1;
        let chain = tls.peer_certificates().unwrap_or_default();
        let is_resumed =
            !matches!(tls.handshake_kind(), Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest));
        self.so_far.session = if is_resumed { "resumed" } else { "full" };
        // Not what was in force when the hello came: a reload in between counts.
        let trust = self.trust.borrow().clone();
        let now = trust.of(set.suites).ok_or("failed")?;
        if is_resumed || now.generation != set.generation {
            now.check(chain).map_err(|error| self.refuse(&std::io::Error::other(error), None))?;
        }
        let peer = Peer::new(chain, self.address, now).ok_or("unreadable-subject")?;
        tracing::debug!(address = %self.address, tls = negotiated(tls), "connected");
        Ok((stream, peer))
    }

    /// Tells the operator, and says what to count.
    fn refuse(&self, error: &std::io::Error, lacking: Option<Suites>) -> &'static str {
        let Some(fault) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
            // The peer hung up.
            tracing::debug!(address = %self.address, %error, "TLS handshake broken off");
            return "failed";
        };
        let suites = self.so_far.suites.map_or("none", Suites::as_str);
        let reason = reason(fault, lacking);
        if self.log.has_room() {
            tracing::info!(address = %self.address, suites, session = self.so_far.session, "TLS handshake refused: {reason}");
        } else {
            tracing::debug!(address = %self.address, suites, "TLS handshake refused: {reason}");
        }
        outcome_of(fault, lacking)
    }
}

/// Where a hello is expected and another message comes, the acceptor of rustls hangs up without a word.
async fn alert_what_rustls_leaves_out(error: &std::io::Error, stream: Option<TcpStream>) {
    /// A record of one alert: fatal, unexpected_message (RFC 8446, sections 5.1 and 6).
    const UNEXPECTED_MESSAGE: [u8; 7] = [21, 3, 3, 0, 2, 2, 10];
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let is_unexpected =
        matches!(fault, Some(Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. }));
    if let Some(mut stream) = stream.filter(|_| is_unexpected) {
        // Who does not read it loses nothing.
        let _ = stream.write_all(&UNEXPECTED_MESSAGE).await;
    }
}

/// Whether other suites, and with them another group and signature, would have helped.
fn is_of_suites(fault: &PeerIncompatible) -> bool {
    matches!(
        fault,
        PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NamedGroupsExtensionRequired
            | PeerIncompatible::NoSignatureSchemesInCommon
    )
}

/// Why, for the operator; `lacking` is what the client asked for and the server does not have.
fn reason(fault: &Error, lacking: Option<Suites>) -> String {
    let text = match (lacking, fault) {
        (Some(Suites::Gm), Error::PeerIncompatible(fault)) if is_of_suites(fault) => {
            "the client asks for RFC 8998 and this server serves no SM2 certificate: make one \
             (`glovebox pki init --algorithm sm2`) and leave out `serve --tls standard`, or let the client use \
             `--tls standard`"
        }
        (Some(Suites::Standard), Error::PeerIncompatible(fault)) if is_of_suites(fault) => {
            "this server speaks RFC 8998 alone and the client does not offer it whole (an SM4 suite, curveSM2, \
             sm2sig_sm3): let the client use `--tls gm`, or serve a P-256 certificate, too, and leave out \
             `serve --tls gm`"
        }
        _ => return explain(fault),
    };
    text.to_owned()
}

fn outcome_of(fault: &Error, lacking: Option<Suites>) -> &'static str {
    match fault {
        Error::NoCertificatesPresented => "no-certificate",
        Error::InvalidCertificate(fault) => match fault {
            CertificateError::Revoked => "revoked",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
                "revocations-expired"
            }
            _ => "bad-certificate",
        },
        Error::PeerIncompatible(fault) if lacking.is_some() && is_of_suites(fault) => "suites-not-served",
        Error::PeerIncompatible(_) => "nothing-in-common",
        Error::PeerMisbehaved(_)
        | Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::DecryptError => "misbehaved",
        Error::AlertReceived(_) => "refused-by-peer",
        _ => "failed",
    }
}

/// Lets one line a second into the log: nobody who may not come in gets to fill the operator's disk.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog {
    last_unix_seconds: AtomicU64,
}

impl RefusalLog {
    fn has_room(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.last_unix_seconds.swap(now, Ordering::Relaxed) != now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_told_what_is_missing() {
        let fault = Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon);
        for (lacking, told, counted) in [
            (Some(Suites::Gm), "serves no SM2 certificate", "suites-not-served"),
            (Some(Suites::Standard), "speaks RFC 8998 alone", "suites-not-served"),
        ] {
            assert!(reason(&fault, lacking).contains(told), "{lacking:?}");
            assert_eq!(outcome_of(&fault, lacking), counted);
        }
        assert_eq!(outcome_of(&fault, None), "nothing-in-common");
        assert_eq!(reason(&fault, None), explain(&fault));
        let old = Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled);
        assert_eq!(reason(&old, Some(Suites::Standard)), explain(&old));
        assert_eq!(outcome_of(&old, Some(Suites::Standard)), "nothing-in-common");
        // What was missing is not the fault of a certificate that was refused.
        let revoked = Error::InvalidCertificate(CertificateError::Revoked);
        assert_eq!(reason(&revoked, Some(Suites::Gm)), explain(&revoked));
        assert_eq!(outcome_of(&revoked, None), "revoked");
    }

    #[test]
    fn refusals_do_not_fill_the_log() {
        let log = RefusalLog::default();
        let room = (0..1000).filter(|_| log.has_room()).count();
        // One, or two where a second ended in between.
        assert!((1..=2).contains(&room), "{room}");
    }
}
