//! Small secrets of a dataset that are kept outside the vault: cohorts, candidate tables. Whoever stores them sees ciphertext.
//!
//! ```text
//! sealed = "GBS1" ‖ epoch (4) ‖ id of the data key (16) ‖ salt (32) ‖ SM4-GCM(plaintext) ‖ tag (16)
//! key, nonce = HKDF-SM3(key = data key, salt, info = "glovebox sealed record key" / "… nonce")
//! associated = the 56 bytes before ‖ length (4) and text of dataset, label and id
//! ```
//! The salt is random, so no key seals twice.

use glovebox_catalog::DatasetId;
use glovebox_gm::{Sm4Gcm, hkdf_sm3_128, hkdf_sm3_256};

use crate::keyring::random;
use crate::segment::{DataKey, TAG_BYTES};
use crate::{Vault, VaultError};

const MAGIC: [u8; 4] = *b"GBS1";
const HEAD_BYTES: usize = 4 + 4 + 16 + 32;

impl Vault {
    /// Seals `plaintext` under the dataset's data key. It opens only for the same dataset, `label` (what it is) and `id` (which
    /// one), and no more once the dataset is destroyed.
    ///
    /// # Errors
    /// [`VaultError::NoDataKey`] when nothing was ingested yet.
    pub fn seal(&self, dataset: &DatasetId, label: &str, id: &str, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = self.newest_data_key(dataset)?;
        let salt = random::<32>()?;
        let mut sealed = Vec::with_capacity(HEAD_BYTES + plaintext.len() + TAG_BYTES);
        sealed.extend_from_slice(&MAGIC);
        sealed.extend_from_slice(&key.id.epoch.to_le_bytes());
        sealed.extend_from_slice(&key.id.id);
        sealed.extend_from_slice(&salt);
        let associated = associated(&sealed, dataset, label, id);
        let (cipher, nonce) = cipher(&key, &salt);
        sealed.resize(HEAD_BYTES + plaintext.len() + TAG_BYTES, 0);
        let body = sealed.get_mut(HEAD_BYTES..).unwrap_or_default();
        cipher.seal_into(&nonce, &associated, plaintext, body).map_err(|_| VaultError::Cryptography)?;
        Ok(sealed)
    }

    /// Opens what [`Vault::seal`] made.
    ///
    /// # Errors
    /// [`VaultError::SealedDamaged`] when a byte was changed, or it was sealed for another dataset, label or id;
    /// [`VaultError::NoDataKey`] when the dataset was destroyed since.
    pub fn unseal(&self, dataset: &DatasetId, label: &str, id: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let damaged = || VaultError::SealedDamaged { label: label.to_owned() };
        let (head, body) = sealed.split_at_checked(HEAD_BYTES).ok_or_else(damaged)?;
        let (magic, rest) = head.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (epoch, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (key_id, salt) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        if *magic != MAGIC {
            return Err(damaged());
        }
        let key = self.data_key(dataset, u32::from_le_bytes(*epoch))?;
        if key.id.id != *key_id {
            return Err(damaged());
        }
        let (cipher, nonce) = cipher(&key, salt);
        let associated = associated(head, dataset, label, id);
        let mut plaintext = vec![0; body.len().checked_sub(TAG_BYTES).ok_or_else(damaged)?];
        cipher.open_into(&nonce, &associated, body, &mut plaintext).map_err(|_| damaged())?;
        Ok(plaintext)
    }

    /// The key of the dataset's guard against differencing: secret, and the same for as long as the dataset is not destroyed.
    /// It comes from the oldest data key, so that sketches of different epochs can be held against one another.
    ///
    /// # Errors
    /// [`VaultError::NoDataKey`].
    pub fn guard_key(&self, dataset: &DatasetId) -> Result<[u8; 16], VaultError> {
        let key = self.oldest_data_key(dataset)?;
        let derived = hkdf_sm3_128(&key.key, dataset.as_str().as_bytes(), b"glovebox differencing guard");
        derived.expose().try_into().map_err(|_| VaultError::Cryptography)
    }
}

fn cipher(key: &DataKey, salt: &[u8]) -> (Sm4Gcm, [u8; 12]) {
    let mut nonce = [0; 12];
    let derived = hkdf_sm3_256(&key.key, salt, b"glovebox sealed record nonce");
    nonce.iter_mut().zip(derived.expose()).for_each(|(to, from)| *to = *from);
    (Sm4Gcm::new(&hkdf_sm3_128(&key.key, salt, b"glovebox sealed record key")), nonce)
}

fn associated(head: &[u8], dataset: &DatasetId, label: &str, id: &str) -> Vec<u8> {
    let mut associated = head.to_vec();
    for text in [dataset.as_str(), label, id] {
        // Lengths keep `ab`, `c` apart from `a`, `bc`.
        associated.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        associated.extend_from_slice(text.as_bytes());
    }
    associated
}
