//! Which lanes the CPU has.
#![allow(unsafe_code, reason = "the calls past the check of the CPU's features")]

use super::Sm3Hasher;
use super::batch::{Batch, LANES_WORTH};
use crate::Digest;

/// How many messages SM3 takes at once. Only what this CPU can do exists as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sm3Lanes(Lanes);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lanes {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    One,
}

/// The fastest first.
const ALL: &[Lanes] = &[
    #[cfg(target_arch = "x86_64")]
    Lanes::Avx512,
    #[cfg(target_arch = "x86_64")]
    Lanes::Avx2,
    Lanes::One,
];

impl Sm3Lanes {
    /// The fastest that this CPU has.
    #[must_use]
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self(Lanes::One))
    }

    /// All that this CPU has, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        ALL.iter().filter(|lanes| lanes.are_available()).map(|lanes| Self(*lanes))
    }

    /// `avx512`, `avx2` or `one`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Lanes::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Lanes::Avx2 => "avx2",
            Lanes::One => "one",
        }
    }

    /// How many messages are hashed beside each other.
    #[must_use]
    pub fn count(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Lanes::Avx512 => super::avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Lanes::Avx2 => super::avx2::LANES,
            Lanes::One => 1,
        }
    }

    pub(super) fn finish_each(self, start: &Sm3Hasher, messages: &[&[u8]]) -> Vec<Digest> {
        match self.0 {
            _ if messages.len() < LANES_WORTH => one_by_one(start, messages),
            #[cfg(target_arch = "x86_64")]
            Lanes::Avx512 => Batch::new(start).finish_each(messages, |state, runs, blocks| {
                // SAFETY: the value `Lanes::Avx512` is handed out only after AVX-512 F and BW were found.
                unsafe { super::avx512::update(state, runs, blocks) }
            }),
            #[cfg(target_arch = "x86_64")]
            Lanes::Avx2 => Batch::new(start).finish_each(messages, |state, runs, blocks| {
                // SAFETY: the value `Lanes::Avx2` is handed out only after AVX2 was found.
                unsafe { super::avx2::update(state, runs, blocks) }
            }),
            Lanes::One => one_by_one(start, messages),
        }
    }
}

impl Lanes {
    fn are_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::One => true,
        }
    }
}

fn one_by_one(start: &Sm3Hasher, messages: &[&[u8]]) -> Vec<Digest> {
    messages.iter().map(|message| start.clone().finish_with(message)).collect()
}

impl std::fmt::Display for Sm3Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
