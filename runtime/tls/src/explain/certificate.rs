//! What was wrong with a certificate or a revocation list.

use rustls::{CertRevocationListError, CertificateError, OtherError};
use rustls_pki_types::UnixTime;
use x509_cert::der::{Decode, asn1::ObjectIdentifier};

/// Why a certificate was refused.
pub(super) fn refused(fault: &CertificateError) -> String {
    match fault {
        CertificateError::Expired => "the certificate has expired; have a new one issued".into(),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the certificate expired at {} (now {}); have a new one issued, or set the clock",
            text(*not_after),
            text(*time)
        ),
        CertificateError::NotValidYet => "the certificate is not valid yet; set the clock".into(),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("the certificate is not valid before {} (now {}); set the clock", text(*not_before), text(*time))
        }
        CertificateError::Revoked => "the certificate is revoked; have a new one issued".into(),
        CertificateError::UnknownIssuer => {
            "the certificate is of no authority that is trusted here; check that both sides are of one zone".into()
        }
        CertificateError::BadSignature => {
            "a signature does not verify: the certificate is forged or of another zone, whose authority has the same \
             name, the handshake was changed, or an SM2 signature was made under another identifier (certificates: \
             1234567812345678, handshakes: that of RFC 8998); check that both sides are of one zone"
                .into()
        }
        CertificateError::ExpiredRevocationList => list_expired("has passed"),
        CertificateError::ExpiredRevocationListContext { time, next_update } => {
            list_expired(&format!("passed at {} (now {})", text(*next_update), text(*time)))
        }
        CertificateError::UnknownRevocationStatus => "no revocation list covers the certificate; give the list of \
                                                      its authority"
            .into(),
        CertificateError::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. } => other_kind(&format!(
            "the certificate is signed with {}, which these suites don't take",
            algorithm(signature_algorithm_id)
        )),
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { public_key_algorithm_id, .. } => {
            other_kind(&format!(
                "the certificate has {}, which these suites don't take",
                algorithm(public_key_algorithm_id)
            ))
        }
        CertificateError::NotValidForName => not_for_name(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            // What a stranger wrote must not reach a terminal as commands.
            let presented: Vec<_> = presented.iter().map(|name| plain_name(name)).collect();
            let presented = presented.join(", ").replace(char::is_control, "\u{fffd}");
            format!("{}: called was {}, it has {presented}", not_for_name(), expected.to_str())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is for another purpose: a client needs one for clients, a server one for servers".into()
        }
        CertificateError::BadEncoding => "the certificate is malformed; have a new one issued".into(),
        CertificateError::UnhandledCriticalExtension => critical_extension(),
        CertificateError::Other(OtherError(fault)) => of_library(fault.downcast_ref()),
        fault => format!("the certificate does not hold: {fault}"),
    }
}

/// The faults that rustls passes on as the library that checks certificates, `rustls_webpki`, named them.
fn of_library(fault: Option<&webpki::Error>) -> String {
    match fault {
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "the certificate is an authority's, which vouches for others and is not for connecting; have one issued by it"
                .into()
        }
        Some(webpki::Error::EndEntityUsedAsCa) => {
            "the certificate is vouched for by one that is not an authority's; it is forged".into()
        }
        Some(webpki::Error::UnsupportedCriticalExtension) => critical_extension(),
        Some(fault) => format!("the certificate is malformed ({fault:?}); have a new one issued"),
        None => "the certificate does not hold".into(),
    }
}

/// Why nobody can be checked against a list.
pub(super) fn list_refused(fault: &CertRevocationListError) -> String {
    let what = match fault {
        CertRevocationListError::BadSignature => "is not signed by the authority of the certificate".to_owned(),
        CertRevocationListError::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. } => {
            format!("is signed with {}, which these suites don't take", algorithm(signature_algorithm_id))
        }
        CertRevocationListError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id, ..
        } => format!("is signed with {}, not with the key of its authority", algorithm(signature_algorithm_id)),
        fault => format!("can't be used ({fault:?})"),
    };
    format!("the revocation list {what}; nobody gets in until it is replaced by the authority's own")
}

fn list_expired(when: &str) -> String {
    format!("the next update of the revocation list {when}; nobody gets in until a newer one is in place")
}

fn other_kind(what: &str) -> String {
    format!("{what}; SM2 certificates go with RFC 8998, P-256 ones with standard TLS")
}

fn critical_extension() -> String {
    "the certificate has a critical extension that is not understood here; have one issued without it".into()
}

fn not_for_name() -> String {
    "the server's certificate is not for the name that was called; call it by a name in the certificate".into()
}

/// `localhost` of `DnsName("localhost")`, `::1` of `IpAddress(0::1)`: the library writes its types.
fn plain_name(name: &str) -> String {
    let inner = ["DnsName(", "IpAddress("].iter().find_map(|kind| name.strip_prefix(kind));
    let inner = inner.and_then(|inner| inner.strip_suffix(')')).map_or(name, |inner| inner.trim_matches('"'));
    inner.parse::<std::net::IpAddr>().map_or_else(|_| inner.to_owned(), |address| address.to_string())
}

fn text(time: UnixTime) -> String {
    let since_epoch = std::time::Duration::from_secs(time.as_secs());
    x509_cert::der::DateTime::from_unix_duration(since_epoch)
        .map_or_else(|_| format!("{} s since 1970", time.as_secs()), |time| time.to_string())
}

/// The name of an algorithm identifier, which is DER without the outer SEQUENCE. Peers write it, so a long one is cut.
fn algorithm(identifier: &[u8]) -> String {
    let oids = oids(identifier);
    let known = match oids.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["1.2.156.10197.1.501", ..] => Some("SM2 with SM3"),
        ["1.2.840.10045.2.1", "1.2.156.10197.1.301"] => Some("an SM2 key"),
        ["1.2.840.10045.2.1", "1.2.840.10045.3.1.7"] => Some("a P-256 key"),
        ["1.2.840.10045.2.1", ..] => Some("a key on another curve"),
        ["1.2.840.10045.4.3.2", ..] => Some("ECDSA with SHA-256"),
        ["1.2.840.113549.1.1.1", ..] => Some("an RSA key"),
        ["1.2.840.113549.1.1.11", ..] => Some("RSA with SHA-256"),
        ["1.3.101.112", ..] => Some("Ed25519"),
        _ => None,
    };
    match (known, oids.first()) {
        (Some(known), _) => known.to_owned(),
        (None, Some(oid)) => format!("the algorithm {oid}"),
        (None, None) => "an algorithm without a name".to_owned(),
    }
}

fn oids(identifier: &[u8]) -> Vec<String> {
    let first_end = match identifier {
        [0x06, length, ..] => usize::from(*length).saturating_add(2),
        _ => return Vec::new(),
    };
    let (first, second) = identifier.split_at_checked(first_end).unwrap_or((identifier, &[]));
    [first, second].iter().filter_map(|der| <ObjectIdentifier>::from_der(der).ok()).map(|oid| oid.to_string()).collect()
}
