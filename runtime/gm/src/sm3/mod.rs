//! SM3, the hash function of GB/T 32905-2016.

use ::sm3::{Digest as _, Sm3};

use crate::Digest;

/// SM3 of `data`.
#[must_use]
pub fn sm3(data: &[u8]) -> Digest {
    Digest::from_bytes(Sm3::digest(data).into())
}

/// SM3 of each of `messages`, in their order; where the CPU allows, many at once.
///
/// Equal to [`sm3`] of each. Messages may differ in length.
#[must_use]
pub fn sm3_many<T: AsRef<[u8]>>(messages: &[T]) -> Vec<Digest> {
    messages.iter().map(|message| sm3(message.as_ref())).collect()
}

/// SM3 of data that comes in pieces.
#[derive(Clone, Default)]
pub struct Sm3Hasher(Sm3);

impl Sm3Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with `data`.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of everything seen.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GB/T 32905-2016, appendix A: examples 1 and 2.
    #[test]
    fn standard_vectors() {
        assert_eq!(sm3(b"abc").to_string(), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
        assert_eq!(
            sm3(&b"abcd".repeat(16)).to_string(),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
        );
    }

    #[test]
    fn pieces_make_the_whole() {
        let data: Vec<u8> = (0..=255).collect();
        for cut in 0..data.len() {
            let mut hasher = Sm3Hasher::new();
            hasher.update(&data[..cut]);
            hasher.update(&data[cut..]);
            assert_eq!(hasher.finish(), sm3(&data));
        }
    }
}
