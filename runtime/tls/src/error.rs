//! Why keys, certificates and lists can't make a TLS configuration.

use glovebox_gm::GmError;
use thiserror::Error;

use crate::Suites;

/// Errors of this crate. None of them tells anything about a secret.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A PEM text does not hold what it should.
    #[error("expected {expected} in PEM")]
    Pem {
        /// What was expected.
        expected: &'static str,
    },
    /// A private key can't be read.
    #[error("private key: {0}")]
    Key(#[from] GmError),
    /// A private key is of no kind that TLS takes.
    #[error("expected a private key on the SM2 or P-256 curve (PKCS #8)")]
    KeyKind,
    /// Certificate and private key do not belong together.
    #[error("the private key is not the one of the certificate; give the two that were issued together")]
    KeyOfAnother,
    /// An authority signs with another algorithm than the suites use.
    #[error("the authority `{name}` has {} key, but {suites} suites need {}; give the authority of these suites",
        if *.suites == Suites::Gm { "no SM2" } else { "an SM2" },
        if *.suites == Suites::Gm { "an SM2 one" } else { "a P-256 one" })]
    AuthorityKind {
        /// Its subject.
        name: String,
        /// The suites asked for.
        suites: Suites,
    },
    /// A revocation list is signed with another algorithm than the suites use.
    #[error("the revocation list of `{name}` is not signed with {}, as {suites} suites need; give the list of the \
        authority of these suites", if *.suites == Suites::Gm { "SM2" } else { "ECDSA" })]
    ListKind {
        /// Its issuer.
        name: String,
        /// The suites asked for.
        suites: Suites,
    },
    /// Certificate, authority and list are not of one kind.
    #[error("certificate and authority of the peers are of different kinds: expected both of the {expected} suites")]
    Mixed {
        /// The kind of those given first.
        expected: Suites,
    },
    /// A verifier lets clients in that prove nothing.
    #[error("expected a verifier that asks every client for a certificate")]
    ClientsUnproven,
    /// A certificate or list can't be used.
    #[error("{what}: {detail}")]
    Unfit {
        /// Which.
        what: &'static str,
        /// What the library said.
        detail: String,
    },
}
