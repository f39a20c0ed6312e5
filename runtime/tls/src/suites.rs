//! The two kinds of TLS, and how a server tells which one a client asks for.

use std::sync::{Arc, LazyLock};

use rustls::NamedGroup;
use rustls::crypto::CryptoProvider;
use rustls::server::ClientHello;

use crate::gm;

/// What a TLS configuration speaks. A configuration speaks one of them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suites {
    /// RFC 8998: `TLS_SM4_GCM_SM3` and `TLS_SM4_CCM_SM3` over curveSM2, certificates and signatures by SM2.
    Gm,
    /// The standard suites of TLS 1.3, as rustls and ring offer them.
    Standard,
}

impl Suites {
    /// Both, in the order of preference.
    pub const ALL: [Self; 2] = [Self::Gm, Self::Standard];

    /// `gm` or `standard`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gm => "gm",
            Self::Standard => "standard",
        }
    }

    /// Which kind a client asks for: [`Suites::Gm`] when it offers a suite with SM4, curveSM2 and sm2sig_sm3 all
    /// three, else [`Suites::Standard`].
    ///
    /// A client that offers both kinds gets [`Suites::Gm`]. Whoever strips that offer on the way changes the
    /// transcript, and the handshake fails; a server that must not speak the other kind refuses it by itself.
    #[must_use]
    pub fn of_hello(hello: &ClientHello<'_>) -> Self {
        let suite = hello.cipher_suites().iter().any(|suite| gm::suite_name(*suite).is_some());
        let group = hello.named_groups().is_some_and(|groups: &[NamedGroup]| groups.contains(&gm::CURVE_SM2));
        let signature = hello.signature_schemes().contains(&gm::SM2SIG_SM3);
        if suite && group && signature { Self::Gm } else { Self::Standard }
    }
}

impl std::fmt::Display for Suites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The cryptography of `suites` for rustls.
///
/// TLS 1.3 alone: the suites of TLS 1.2 are taken out, so that no configuration built on it can fall back.
#[must_use]
pub fn provider(suites: Suites) -> Arc<CryptoProvider> {
    static GM: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(gm::provider()));
    static STANDARD: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        Arc::new(provider)
    });
    match suites {
        Suites::Gm => GM.clone(),
        Suites::Standard => STANDARD.clone(),
    }
}
