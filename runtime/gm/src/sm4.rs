//! SM4 (GB/T 32907-2016) in Galois/counter mode (GB/T 36624-2018; NIST SP 800-38D; RFC 8998 for its use in TLS).
//!
//! The block cipher of the `sm4` crate is a table look-up and so not constant-time. It stays as the reference against
//! which a SIMD kernel is tested.

use ::sm4::Sm4;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{AesGcm, Nonce, Tag};

use crate::{GmError, Key128};

/// Length of a nonce, in bytes.
pub const NONCE_LENGTH_BYTES: usize = 12;
/// Length of an authentication tag, in bytes.
pub const TAG_LENGTH_BYTES: usize = 16;

/// SM4-GCM under one key. A nonce is never used twice with a key: whoever calls sees to it.
pub struct Sm4Gcm(AesGcm<Sm4, U12>);

impl Sm4Gcm {
    /// Expands `key`.
    #[must_use]
    pub fn new(key: &Key128) -> Self {
        Self(AesGcm::new(key.as_array().into()))
    }

    /// Encrypts `buffer` and appends the 16-byte tag.
    ///
    /// # Errors
    /// [`GmError::TooLong`] for 64 GiB and more.
    pub fn seal_in_place(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), GmError> {
        let tag = self.seal_detached(nonce, associated, buffer)?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// Encrypts `buffer` and returns the tag.
    ///
    /// # Errors
    /// [`GmError::TooLong`] for 64 GiB and more.
    pub fn seal_detached(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LENGTH_BYTES], GmError> {
        let nonce: &Nonce<U12> = nonce.into();
        let tag =
            self.0.encrypt_inout_detached(nonce, associated, InOutBuf::from(buffer)).map_err(|_| GmError::TooLong)?;
        Ok(tag.into())
    }

    /// Checks the tag at the end of `buffer`, takes it off and decrypts the rest.
    ///
    /// # Errors
    /// [`GmError::Authentication`] when anything was changed; `buffer` is then left as it was, ciphertext.
    pub fn open_in_place(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), GmError> {
        let (ciphertext, tag) = buffer.split_last_chunk_mut().ok_or(GmError::Authentication)?;
        let (ciphertext_length, tag) = (ciphertext.len(), *tag);
        self.open_detached(nonce, associated, ciphertext, &tag)?;
        buffer.truncate(ciphertext_length);
        Ok(())
    }

    /// Checks `tag` and decrypts `buffer`.
    ///
    /// # Errors
    /// [`GmError::Authentication`] when anything was changed; `buffer` is then left as it was, ciphertext.
    pub fn open_detached(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LENGTH_BYTES],
    ) -> Result<(), GmError> {
        let nonce: &Nonce<U12> = nonce.into();
        let tag: &Tag = tag.into();
        self.0
            .decrypt_inout_detached(nonce, associated, InOutBuf::from(buffer), tag)
            .map_err(|_| GmError::Authentication)
    }
}

impl std::fmt::Debug for Sm4Gcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sm4Gcm(secret)")
    }
}
