//! With which algorithm a certificate is signed.

/// What an authority signs with, and of which kind the keys are that it certifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SM2 with SM3 under the default distinguishing identifier (GB/T 32918, GB/T 35276, RFC 8998).
    Sm2,
    /// ECDSA over P-256 with SHA-256, for standard TLS 1.3.
    P256,
}

impl Algorithm {
    /// Both, SM2 first.
    pub const ALL: [Self; 2] = [Self::Sm2, Self::P256];

    /// `sm2` or `p256`, as commands and configurations name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sm2 => "sm2",
            Self::P256 => "p256",
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
