//! SM4 in Galois/counter mode.

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use sm4::Sm4;

use super::aead::{authenticated_mode, is_in_place};
use crate::{GmError, Kernel, NONCE_LENGTH_BYTES, TAG_LENGTH_BYTES};

/// SM4-GCM under one key. A nonce is never used twice with a key: whoever calls sees to it.
pub struct Sm4Gcm(AesGcm<Sm4, U12>);

authenticated_mode!(Sm4Gcm, "64 GiB");

impl Sm4Gcm {
    fn expand(key: &[u8; 16], _kernel: Kernel) -> Self {
        Self(AesGcm::new(key.into()))
    }

    /// The kernel at work.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        Kernel::Portable
    }

    fn seal_inout(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        data: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; TAG_LENGTH_BYTES], GmError> {
        self.0.encrypt_inout_detached(nonce.into(), associated, data).map(Into::into).map_err(|_| GmError::TooLong)
    }

    fn open_inout(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        mut data: InOutBuf<'_, '_, u8>,
        tag: &[u8; TAG_LENGTH_BYTES],
    ) -> Result<(), GmError> {
        if self.0.decrypt_inout_detached(nonce.into(), associated, data.reborrow(), tag.into()).is_ok() {
            return Ok(());
        }
        if !is_in_place(&mut data) {
            data.get_out().fill(0);
        }
        Err(GmError::Authentication)
    }
}
