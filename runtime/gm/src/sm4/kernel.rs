//! Which implementation runs: one for each kind of CPU, detected once.

use std::fmt;
use std::sync::OnceLock;

use super::simd;
use crate::GmError;

/// One implementation of SM4 and GHASH for a kind of CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kernel {
    /// 64 blocks a turn: GFNI on 512-bit vectors, VPCLMULQDQ.
    Avx512Gfni,
    /// 32 blocks a turn: GFNI on 256-bit vectors, VPCLMULQDQ.
    Avx2Gfni,
    /// 16 blocks a turn: AES-NI on 128-bit vectors, PCLMULQDQ.
    AesNi,
    /// The crate `sm4`, which looks its S-box up in a table. Runs everywhere.
    Portable,
}

impl Kernel {
    /// Every kernel, the fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512Gfni, Self::Avx2Gfni, Self::AesNi, Self::Portable];

    /// The fastest kernel that this CPU runs.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Self::ALL.into_iter().find(|kernel| kernel.is_available()).unwrap_or(Self::Portable))
    }

    /// Whether this CPU runs the kernel.
    #[must_use]
    pub fn is_available(self) -> bool {
        self.missing_features().is_empty()
    }

    /// The features that the kernel needs and this CPU lacks, by the names of `/proc/cpuinfo` and `rustc`.
    #[must_use]
    pub fn missing_features(self) -> Vec<&'static str> {
        simd::missing_features(self)
    }

    /// [`GmError::Kernel`] when this CPU does not run the kernel.
    pub(super) fn require(self) -> Result<(), GmError> {
        match self.missing_features() {
            missing if missing.is_empty() => Ok(()),
            missing => Err(GmError::Kernel { kernel: self.name(), missing: missing.join(", ") }),
        }
    }

    /// Whether the running time is independent of keys and data.
    #[must_use]
    pub const fn is_constant_time(self) -> bool {
        !matches!(self, Self::Portable)
    }

    /// Name, as reports and logs write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512Gfni => "avx512-gfni",
            Self::Avx2Gfni => "avx2-gfni",
            Self::AesNi => "aes-ni",
            Self::Portable => "portable",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
