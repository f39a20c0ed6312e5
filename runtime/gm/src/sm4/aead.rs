//! What the two authenticated modes offer alike: sealing and opening in place and from buffer to buffer, and the
//! traits of the crate `aead`.

use aead::inout::InOutBuf;

/// Length of a nonce, in bytes.
pub const NONCE_LENGTH_BYTES: usize = 12;
/// Length of an authentication tag, in bytes.
pub const TAG_LENGTH_BYTES: usize = 16;

/// Whether two tags are equal, in a time that does not tell where they differ.
pub(super) fn is_equal(a: &[u8; TAG_LENGTH_BYTES], b: &[u8; TAG_LENGTH_BYTES]) -> bool {
    std::hint::black_box(u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b)) == 0
}

/// Whether input and output are the same memory.
pub(super) fn is_in_place(data: &mut InOutBuf<'_, '_, u8>) -> bool {
    std::ptr::eq(data.get_in().as_ptr(), data.get_out().as_ptr())
}

/// Writes the methods of a mode that has `with_kernel`, `seal_inout(nonce, associated, InOutBuf) -> Result<tag>` and
/// `open_inout(nonce, associated, InOutBuf, tag) -> Result<()>`; the latter leaves the ciphertext or zeros on failure.
macro_rules! authenticated_mode {
    ($mode:ident, $limit:literal) => {
        impl $mode {
            /// Expands `key` for the fastest kernel of this CPU.
            #[must_use]
            pub fn new(key: &$crate::Key128) -> Self {
                Self::expand(key.as_array(), $crate::Kernel::best())
            }

            /// Expands `key` for `kernel`.
            ///
            /// # Errors
            /// [`GmError::Kernel`](crate::GmError::Kernel) when this CPU does not run it.
            pub fn with_kernel(key: &$crate::Key128, kernel: $crate::Kernel) -> Result<Self, $crate::GmError> {
                kernel.require()?;
                Ok(Self::expand(key.as_array(), kernel))
            }

            /// Encrypts `buffer` and appends the 16-byte tag.
            ///
            /// # Errors
            #[doc = concat!("[`GmError::TooLong`](crate::GmError::TooLong) for ", $limit, " and more.")]
            pub fn seal_in_place(
                &self,
                nonce: &[u8; $crate::NONCE_LENGTH_BYTES],
                associated: &[u8],
                buffer: &mut Vec<u8>,
            ) -> Result<(), $crate::GmError> {
                let tag = self.seal_detached(nonce, associated, buffer)?;
                buffer.extend_from_slice(&tag);
                Ok(())
            }

            /// Encrypts `buffer` and returns the tag.
            ///
            /// # Errors
            #[doc = concat!("[`GmError::TooLong`](crate::GmError::TooLong) for ", $limit, " and more.")]
            pub fn seal_detached(
                &self,
                nonce: &[u8; $crate::NONCE_LENGTH_BYTES],
                associated: &[u8],
                buffer: &mut [u8],
            ) -> Result<[u8; $crate::TAG_LENGTH_BYTES], $crate::GmError> {
                self.seal_inout(nonce, associated, buffer.into())
            }

            /// Encrypts `plain` into `sealed`, which is 16 bytes longer: ciphertext, then tag.
            ///
            /// # Errors
            #[doc = concat!("[`GmError::TooLong`](crate::GmError::TooLong) for ", $limit, " and more,")]
            /// [`GmError::BufferLength`](crate::GmError::BufferLength) when the lengths do not fit.
            pub fn seal_into(
                &self,
                nonce: &[u8; $crate::NONCE_LENGTH_BYTES],
                associated: &[u8],
                plain: &[u8],
                sealed: &mut [u8],
            ) -> Result<(), $crate::GmError> {
                let fault = $crate::GmError::BufferLength {
                    expected_bytes: plain.len() + $crate::TAG_LENGTH_BYTES,
                    length_bytes: sealed.len(),
                };
                let (ciphertext, tag) = sealed.split_last_chunk_mut().ok_or(fault.clone())?;
                let data = aead::inout::InOutBuf::new(plain, ciphertext).map_err(|_| fault)?;
                *tag = self.seal_inout(nonce, associated, data)?;
                Ok(())
            }

            /// Checks the tag at the end of `buffer`, takes it off and decrypts the rest.
            ///
            /// # Errors
            /// [`GmError::Authentication`](crate::GmError::Authentication) when anything was changed; `buffer` then
            /// holds what it held, ciphertext.
            pub fn open_in_place(
                &self,
                nonce: &[u8; $crate::NONCE_LENGTH_BYTES],
                associated: &[u8],
                buffer: &mut Vec<u8>,
            ) -> Result<(), $crate::GmError> {
                let (ciphertext, tag) = buffer.split_last_chunk_mut().ok_or($crate::GmError::Authentication)?;
                let (ciphertext_length, tag) = (ciphertext.len(), *tag);
                self.open_detached(nonce, associated, ciphertext, &tag)?;
                buffer.truncate(ciphertext_length);
                Ok(())
            }

            /// Checks `tag` and decrypts `buffer`.
            ///
            /// # Errors
            /// [`GmError::Authentication`](crate::GmError::Authentication) when anything was changed; `buffer` then
            /// holds what it held, ciphertext.
            pub fn open_detached(
                &self,
                nonce: &[u8; $crate::NONCE_LENGTH_BYTES],
                associated: &[u8],
                buffer: &mut [u8],
                tag: &[u8; $crate::TAG_LENGTH_BYTES],
            ) -> Result<(), $crate::GmError> {
                self.open_inout(nonce, associated, buffer.into(), tag)
            }

            /// Checks the tag at the end of `sealed` and decrypts the rest into `plain`, which is 16 bytes shorter.
            ///
            /// # Errors
            /// [`GmError::Authentication`](crate::GmError::Authentication) when anything was changed,
            /// [`GmError::BufferLength`](crate::GmError::BufferLength) when the lengths do not fit; `plain` is then
            /// all zero.
            pub fn open_into(
                &self,
                nonce: &[u8; $crate::NONCE_LENGTH_BYTES],
                associated: &[u8],
                sealed: &[u8],
                plain: &mut [u8],
            ) -> Result<(), $crate::GmError> {
                let Some((ciphertext, tag)) = sealed.split_last_chunk() else {
                    plain.fill(0);
                    return Err($crate::GmError::Authentication);
                };
                if ciphertext.len() != plain.len() {
                    plain.fill(0);
                    return Err($crate::GmError::BufferLength {
                        expected_bytes: ciphertext.len(),
                        length_bytes: plain.len(),
                    });
                }
                let data =
                    aead::inout::InOutBuf::new(ciphertext, plain).map_err(|_| $crate::GmError::Authentication)?;
                self.open_inout(nonce, associated, data, tag)
            }
        }

        impl aead::KeySizeUser for $mode {
            type KeySize = aead::consts::U16;
        }

        impl aead::KeyInit for $mode {
            fn new(key: &aead::Key<Self>) -> Self {
                Self::expand(key.into(), $crate::Kernel::best())
            }
        }

        impl aead::AeadCore for $mode {
            type NonceSize = aead::consts::U12;
            type TagSize = aead::consts::U16;
            const TAG_POSITION: aead::TagPosition = aead::TagPosition::Postfix;
        }

        impl aead::AeadInOut for $mode {
            fn encrypt_inout_detached(
                &self,
                nonce: &aead::Nonce<Self>,
                associated_data: &[u8],
                buffer: aead::inout::InOutBuf<'_, '_, u8>,
            ) -> aead::Result<aead::Tag<Self>> {
                self.seal_inout(nonce.into(), associated_data, buffer).map(Into::into).map_err(|_| aead::Error)
            }

            fn decrypt_inout_detached(
                &self,
                nonce: &aead::Nonce<Self>,
                associated_data: &[u8],
                buffer: aead::inout::InOutBuf<'_, '_, u8>,
                tag: &aead::Tag<Self>,
            ) -> aead::Result<()> {
                self.open_inout(nonce.into(), associated_data, buffer, tag.into()).map_err(|_| aead::Error)
            }
        }

        impl std::fmt::Debug for $mode {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($mode), "(secret, {})"), self.kernel())
            }
        }
    };
}

pub(super) use authenticated_mode;
