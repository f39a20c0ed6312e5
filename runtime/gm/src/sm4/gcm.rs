//! SM4 in Galois/counter mode.

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use sm4::Sm4;
use zeroize::Zeroizing;

use super::aead::{authenticated_mode, is_equal, is_in_place};
use super::simd::{Engine, GcmKeys, Powers, RoundKeys, hash_key};
use super::work::{Direction, Simd};
use crate::{GmError, Kernel, NONCE_LENGTH_BYTES, TAG_LENGTH_BYTES};

/// What 2³² - 2 counters encrypt (SP 800-38D, section 5.2.1.1).
const LENGTH_MAX_BYTES: u64 = (1 << 36) - 32;
/// What the block of lengths can tell.
const ASSOCIATED_MAX_BYTES: u64 = (1 << 61) - 1;

/// SM4-GCM under one key. A nonce is never used twice with a key: whoever calls sees to it.
pub struct Sm4Gcm(Inner);

enum Inner {
    Simd(Engine, Box<GcmKeys>),
    Portable(Box<AesGcm<Sm4, U12>>),
}

authenticated_mode!(Sm4Gcm, "64 GiB");

impl Sm4Gcm {
    fn expand(key: &[u8; 16], kernel: Kernel) -> Self {
        let Some(engine) = Engine::detect(kernel) else {
            return Self(Inner::Portable(Box::new(AesGcm::new(key.into()))));
        };
        let mut keys = Box::new(GcmKeys { round: RoundKeys::ZERO, powers: Powers::ZERO });
        engine.expand(key, &mut keys.round);
        // The hash key: who has it forges tags.
        let mut zero = Zeroizing::new([0; 16]);
        engine.cbc_mac(&keys.round, &mut zero, &[0; 16]);
        engine.fill_powers(hash_key(u128::from_be_bytes(*zero)), &mut keys.powers);
        Self(Inner::Simd(engine, keys))
    }

    /// The kernel at work.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        match &self.0 {
            Inner::Simd(engine, _) => engine.kernel(),
            Inner::Portable(_) => Kernel::Portable,
        }
    }

    fn seal_inout(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        data: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; TAG_LENGTH_BYTES], GmError> {
        if !is_allowed(associated, &data) {
            return Err(GmError::TooLong);
        }
        match &self.0 {
            Inner::Simd(engine, keys) => {
                Ok(engine.gcm(Direction::Seal, keys, first_counter(nonce), associated, data).to_be_bytes())
            }
            Inner::Portable(gcm) => {
                gcm.encrypt_inout_detached(nonce.into(), associated, data).map(Into::into).map_err(|_| GmError::TooLong)
            }
        }
    }

    fn open_inout(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        mut data: InOutBuf<'_, '_, u8>,
        tag: &[u8; TAG_LENGTH_BYTES],
    ) -> Result<(), GmError> {
        let is_in_place = is_in_place(&mut data);
        let is_allowed = is_allowed(associated, &data);
        match &self.0 {
            Inner::Simd(engine, keys) if is_allowed => {
                let first = first_counter(nonce);
                let expected = engine.gcm(Direction::Open, keys, first, associated, data.reborrow());
                if is_equal(&expected.to_be_bytes(), tag) {
                    return Ok(());
                }
                if is_in_place {
                    engine.apply_key_stream(&keys.round, first.wrapping_add(1), data.reborrow());
                }
            }
            Inner::Portable(gcm)
                if is_allowed
                    && gcm.decrypt_inout_detached(nonce.into(), associated, data.reborrow(), tag.into()).is_ok() =>
            {
                return Ok(());
            }
            // The oracle checks before it decrypts; and what is too long was never sealed.
            _ => {}
        }
        if !is_in_place {
            data.get_out().fill(0);
        }
        Err(GmError::Authentication)
    }
}

fn is_allowed(associated: &[u8], data: &InOutBuf<'_, '_, u8>) -> bool {
    associated.len() as u64 <= ASSOCIATED_MAX_BYTES && data.len() as u64 <= LENGTH_MAX_BYTES
}

/// The counter block that masks the tag: the nonce, then 1 in four bytes (SP 800-38D, section 7.1).
fn first_counter(nonce: &[u8; NONCE_LENGTH_BYTES]) -> u128 {
    nonce.iter().fold(0, |number, byte| (number << 8) | u128::from(*byte)) << 32 | 1
}
