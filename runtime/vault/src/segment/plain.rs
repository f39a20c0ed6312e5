//! A buffer of plaintext that wipes itself.

use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// Plaintext of a fixed length, wiped when dropped, as one block: `Zeroizing<Vec<u8>>` wipes byte by byte, which takes as
/// long as it took to decrypt them.
pub(super) struct Plaintext(Vec<u8>);

impl Plaintext {
    /// So many zeros.
    pub(super) fn zeroed(length: usize) -> Self {
        Self(vec![0; length])
    }
}

impl Deref for Plaintext {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Plaintext {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// What [`bytes::Bytes::from_owner`] asks for.
impl AsRef<[u8]> for Plaintext {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}
