//! What happened, in words for whoever runs the server or the client.

mod certificate;

use rustls::{
    AlertDescription, CipherSuite, CommonState, Error, HandshakeKind, InvalidMessage, NamedGroup, PeerIncompatible,
    PeerMisbehaved,
};

use crate::gm::{CURVE_SM2, suite_name};

/// What failed and what to do about it, for the log of whoever runs this side.
///
/// Nothing of it is a secret, but it says more than a peer needs: the peer gets an alert.
#[must_use]
pub fn explain(error: &Error) -> String {
    match error {
        Error::PeerIncompatible(fault) => incompatible(fault),
        Error::PeerMisbehaved(fault) => misbehaved(fault),
        Error::AlertReceived(alert) => alert_received(*alert),
        Error::InvalidCertificate(fault) => certificate::refused(fault),
        Error::InvalidCertRevocationList(fault) => certificate::list_refused(fault),
        Error::NoCertificatesPresented => "the peer presented no certificate; it needs one of this zone's authority \
                                           with its private key"
            .into(),
        Error::DecryptError => "a record does not authenticate: it was changed on the way, or the peer derived \
                                other keys"
            .into(),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the peer sent what is no TLS; check that it speaks TLS to this port, and not plain HTTP".into()
        }
        Error::InvalidMessage(fault) => format!(
            "the peer sent what is no TLS 1.3 ({fault:?}); check that it speaks TLS to this port, and not plain HTTP"
        ),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            format!("the peer sent a message out of turn ({error}); it is faulty or an attacker")
        }
        Error::PeerSentOversizedRecord => {
            "the peer sent a record longer than TLS allows; check that it speaks TLS to this port".into()
        }
        Error::NoApplicationProtocol => "the peer offers no application protocol that this side speaks; it needs \
                                         http/1.1 in ALPN, or no ALPN"
            .into(),
        Error::FailedToGetRandomBytes => "the operating system gave no randomness; no handshake is safe".into(),
        Error::FailedToGetCurrentTime => "the clock can't be read; certificates can't be checked".into(),
        error => error.to_string(),
    }
}

/// What was agreed on, `TLS_SM4_GCM_SM3, curveSM2, resumed`; nothing before the end of the handshake.
#[must_use]
pub fn negotiated(state: &CommonState) -> Option<String> {
    if state.is_handshaking() {
        return None;
    }
    let suite = suite_text(state.negotiated_cipher_suite()?.suite());
    let group = state.negotiated_key_exchange_group().map(|group| group_text(group.name()));
    let resumed = (state.handshake_kind()? == HandshakeKind::Resumed).then(|| "resumed".to_owned());
    Some([Some(suite), group, resumed].into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn suite_text(suite: CipherSuite) -> String {
    match suite_name(suite) {
        Some(name) => name.to_owned(),
        // rustls writes TLS13_AES_128_GCM_SHA256 for what RFC 8446 and every other program call TLS_AES_128_GCM_SHA256.
        None => format!("{suite:?}").replacen("TLS13_", "TLS_", 1),
    }
}

fn group_text(group: NamedGroup) -> String {
    if group == CURVE_SM2 { "curveSM2".to_owned() } else { format!("{group:?}") }
}

fn incompatible(fault: &PeerIncompatible) -> String {
    const NEEDS: &str = "for RFC 8998 it needs TLS_SM4_GCM_SM3 or TLS_SM4_CCM_SM3, curveSM2 and sm2sig_sm3 together, \
                         for standard TLS 1.3 none of them";
    match fault {
        PeerIncompatible::NoCipherSuitesInCommon => {
            format!("the peer offers no cipher suite that this side speaks; {NEEDS}")
        }
        PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NamedGroupsExtensionRequired => {
            format!("the peer offers no key exchange group that this side speaks; {NEEDS}")
        }
        PeerIncompatible::NoSignatureSchemesInCommon => {
            format!("the peer can't check a signature by the kind of key that this side has; {NEEDS}")
        }
        PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon => {
            "the server asks for a client certificate of the other kind; give an SM2 certificate where the server \
             speaks RFC 8998, a P-256 one where it speaks standard TLS"
                .into()
        }
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::ServerDoesNotSupportTls12Or13 => {
            "the peer does not speak TLS 1.3, the one version that is allowed here; update it or turn TLS 1.3 on there"
                .into()
        }
        fault => format!("the peer lacks what TLS 1.3 needs ({fault:?}); update it"),
    }
}

fn misbehaved(fault: &PeerMisbehaved) -> String {
    match fault {
        PeerMisbehaved::InvalidKeyShare => "the peer's key share is no point on the agreed curve (04 ‖ x ‖ y for \
                                            curveSM2); it is faulty or an attacker"
            .into(),
        PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme => {
            "the peer signed the handshake with a scheme that was not offered; it needs sm2sig_sm3 with RFC 8998".into()
        }
        PeerMisbehaved::IncorrectBinder => {
            "the peer resumes a session without knowing its secret; it is faulty or an attacker".into()
        }
        fault => format!("the peer broke the rules of TLS ({fault:?}); it is faulty or an attacker"),
    }
}

fn alert_received(alert: AlertDescription) -> String {
    let remedy = match alert {
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "it speaks none of the suites, groups or signatures offered: both sides need RFC 8998 or both standard TLS"
        }
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3, the one version that is allowed here",
        AlertDescription::CertificateRequired => "it wants a client certificate; give one of its zone's authority",
        AlertDescription::CertificateRevoked => "our certificate is on its revocation list; have a new one issued",
        AlertDescription::CertificateExpired => {
            "it holds our certificate or its revocation list for expired; check both, and the clocks of both sides"
        }
        AlertDescription::UnknownCA => {
            "it does not know the authority of our certificate; check that both sides are of one zone"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => {
            "it does not accept our certificate; its log says why. SM2 goes with RFC 8998, P-256 with standard TLS"
        }
        AlertDescription::DecryptError => {
            "a signature of ours does not verify there: our certificate may be of another zone whose authority has the \
             same name; with SM2, both sides must sign handshakes under the identifier of RFC 8998"
        }
        AlertDescription::BadRecordMac => "a record was changed on the way, or both sides derived other keys",
        AlertDescription::NoApplicationProtocol => "it speaks no application protocol offered in ALPN",
        _ => "its log says why",
    };
    format!("the peer refused ({alert:?}): {remedy}")
}

#[cfg(test)]
mod tests {
    use rustls::{CertRevocationListError, CertificateError, ContentType, InvalidMessage};

    use super::*;

    fn faults() -> Vec<Error> {
        let certificate = [
            CertificateError::BadEncoding,
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::Revoked,
            CertificateError::UnhandledCriticalExtension,
            CertificateError::UnknownIssuer,
            CertificateError::UnknownRevocationStatus,
            CertificateError::ExpiredRevocationList,
            CertificateError::BadSignature,
            CertificateError::NotValidForName,
            CertificateError::InvalidPurpose,
            CertificateError::ApplicationVerificationFailure,
        ];
        let lists = [CertRevocationListError::BadSignature, CertRevocationListError::ParseError];
        let misbehaved = [
            PeerMisbehaved::InvalidKeyShare,
            PeerMisbehaved::IncorrectBinder,
            PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme,
            PeerMisbehaved::MissingKeyShare,
        ];
        let incompatible = [
            PeerIncompatible::NoCipherSuitesInCommon,
            PeerIncompatible::NoKxGroupsInCommon,
            PeerIncompatible::NoSignatureSchemesInCommon,
            PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
            PeerIncompatible::Tls12NotOffered,
            PeerIncompatible::KeyShareExtensionRequired,
        ];
        let rest = [
            Error::NoCertificatesPresented,
            Error::DecryptError,
            Error::InvalidMessage(InvalidMessage::InvalidContentType),
            Error::InappropriateMessage { expect_types: vec![], got_type: ContentType::ApplicationData },
            Error::PeerSentOversizedRecord,
            Error::NoApplicationProtocol,
            Error::FailedToGetRandomBytes,
            Error::FailedToGetCurrentTime,
            Error::HandshakeNotComplete,
        ];
        let alerts = (0..=255_u8).map(|number| Error::AlertReceived(AlertDescription::from(number)));
        (certificate.into_iter().map(Error::InvalidCertificate))
            .chain(lists.into_iter().map(Error::InvalidCertRevocationList))
            .chain(misbehaved.into_iter().map(Error::PeerMisbehaved))
            .chain(incompatible.into_iter().map(Error::PeerIncompatible))
            .chain(rest)
            .chain(alerts)
            .collect()
    }

    #[test]
    fn every_fault_is_one_line_that_says_more_than_the_library() {
        for fault in faults() {
            let text = explain(&fault);
            assert!(text.len() > 20 && text.starts_with(char::is_lowercase), "{text}");
            assert!(!text.contains(char::is_control) && !text.contains("  "), "{text}");
        }
    }

    /// Names as people write them; what a stranger wrote does not reach a terminal as commands.
    #[test]
    fn names_of_a_certificate_are_plain() {
        let presented = ["DnsName(\"localhost\")", "IpAddress(0::1)", "x\u{1b}[31m"].map(str::to_owned).to_vec();
        let expected = rustls_pki_types::ServerName::try_from("vm").unwrap();
        let fault = CertificateError::NotValidForNameContext { expected, presented };
        let text = explain(&Error::InvalidCertificate(fault));
        assert!(text.ends_with("called was vm, it has localhost, ::1, x\u{fffd}[31m"), "{text}");
    }

    #[test]
    fn suites_have_the_names_that_the_registry_gives_them() {
        let text = |number: u16| suite_text(CipherSuite::from(number));
        assert_eq!(text(0x00c6), "TLS_SM4_GCM_SM3");
        assert_eq!(text(0x00c7), "TLS_SM4_CCM_SM3");
        assert_eq!(text(0x1301), "TLS_AES_128_GCM_SHA256");
        assert_eq!(text(0x1303), "TLS_CHACHA20_POLY1305_SHA256");
        assert_eq!([group_text(CURVE_SM2), group_text(NamedGroup::X25519)], ["curveSM2", "X25519"]);
    }
}
