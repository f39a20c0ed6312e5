//! The enclave's own keys: the SM2 key with which it signs tree heads and receipts, and the key that seals its state. On
//! disk both are sealed under the passphrase.

use std::io::{Read as _, Write as _};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use glovebox_gm::{Key128, Key256, Signature, SigningKey, Sm4Gcm, hkdf_sm3_128, passphrase_key};
use glovebox_store::StateKey;
use serde::{Deserialize, Serialize};

use crate::EngineError;

pub(crate) const FILE: &str = "enclave.key.json";
const FORMAT: &str = "glovebox-enclave-key-2";
const INFO: &[u8] = b"glovebox enclave signing key v1";
/// Each key is sealed once, under a key of the file's own (random salt), so these nonces are never used twice.
const SIGNING_NONCE: [u8; 12] = [0; 12];
const STATE_NONCE: [u8; 12] = [1; 12];

/// What the enclave opens with its passphrase.
pub(crate) struct Identity {
    /// Signs tree heads and receipts.
    pub(crate) signing: SigningKey,
    /// Seals the state: whoever can write to the database but does not hold it can't make a state of their own.
    pub(crate) state: StateKey,
}

/// The sealed key as it lies on disk. Bytes are hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    format: String,
    pbkdf2_iterations: u32,
    salt: String,
    sealed_pkcs8_pem: String,
    sealed_state_key: String,
}

/// Makes the enclave's keys and writes them sealed. Refuses to overwrite any.
pub(crate) fn create(state: &Dir, passphrase: &[u8], iterations: u32) -> Result<Identity, EngineError> {
    let fault = |error: glovebox_gm::GmError| EngineError::internal("make the enclave's key", error);
    let key = SigningKey::generate().map_err(fault)?;
    let random = Key128::random().map_err(fault)?;
    let mut salt = [0; 16];
    salt.copy_from_slice(random.expose());
    let mut bytes = key.to_pkcs8_pem().map_err(fault)?.as_bytes().to_vec();
    let state_key = Key256::random().map_err(fault)?;
    let mut state_bytes = state_key.expose().to_vec();
    let cipher = cipher(passphrase, &salt, iterations);
    cipher.seal_in_place(&SIGNING_NONCE, FORMAT.as_bytes(), &mut bytes).map_err(fault)?;
    cipher.seal_in_place(&STATE_NONCE, FORMAT.as_bytes(), &mut state_bytes).map_err(fault)?;
    let sealed = Sealed {
        format: FORMAT.to_owned(),
        pbkdf2_iterations: iterations,
        salt: hex(&salt),
        sealed_pkcs8_pem: hex(&bytes),
        sealed_state_key: hex(&state_bytes),
    };
    let io = |error: std::io::Error| EngineError::internal("write the enclave's key", error);
    let json = serde_json::to_vec_pretty(&sealed).map_err(|error| EngineError::internal("write the key", error))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = state.open_with(FILE, &options).map_err(io)?;
    file.write_all(&json).and_then(|()| file.sync_all()).map_err(io)?;
    Ok(Identity { signing: key, state: StateKey::derive(&state_key) })
}

/// Reads the enclave's keys and checks that they work.
pub(crate) fn open(state: &Dir, passphrase: &[u8]) -> Result<Identity, EngineError> {
    let mut json = Vec::new();
    state
        .open(FILE)
        .and_then(|mut file| file.read_to_end(&mut json))
        .map_err(|error| EngineError::internal("read the enclave's key", error))?;
    let damaged = || EngineError::Internal(format!("`{FILE}` is damaged; restore it from a backup"));
    let sealed: Sealed = serde_json::from_slice(&json).map_err(|_| damaged())?;
    let salt: [u8; 16] = unhex(&sealed.salt).and_then(|salt| salt.try_into().ok()).ok_or_else(damaged)?;
    let mut bytes = unhex(&sealed.sealed_pkcs8_pem).ok_or_else(damaged)?;
    if sealed.format != FORMAT || sealed.pbkdf2_iterations > 100_000_000 {
        return Err(damaged());
    }
    let mut state_bytes = unhex(&sealed.sealed_state_key).ok_or_else(damaged)?;
    let cipher = cipher(passphrase, &salt, sealed.pbkdf2_iterations);
    cipher
        .open_in_place(&SIGNING_NONCE, FORMAT.as_bytes(), &mut bytes)
        .map_err(|_| EngineError::Internal(format!("the passphrase does not open `{FILE}`, or the file is damaged")))?;
    cipher.open_in_place(&STATE_NONCE, FORMAT.as_bytes(), &mut state_bytes).map_err(|_| damaged())?;
    let state_bytes = zeroize::Zeroizing::new(state_bytes);
    let state_key = Key256::from_slice(&state_bytes).map_err(|_| damaged())?;
    let pem = zeroize::Zeroizing::new(String::from_utf8(bytes).map_err(|_| damaged())?);
    let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| damaged())?;
    let probe: Signature = key.sign(b"glovebox").map_err(|error| EngineError::internal("sign", error))?;
    key.verifying_key().verify(b"glovebox", &probe).map_err(|_| damaged())?;
    Ok(Identity { signing: key, state: StateKey::derive(&state_key) })
}

fn cipher(passphrase: &[u8], salt: &[u8; 16], iterations: u32) -> Sm4Gcm {
    let key: Key256 = passphrase_key(passphrase, salt, iterations);
    Sm4Gcm::new(&hkdf_sm3_128(&key, salt, INFO))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use cap_std::fs::PermissionsExt as _;

    use super::*;

    fn folder() -> (tempfile::TempDir, Dir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        (folder, dir)
    }

    #[test]
    fn the_key_opens_with_the_passphrase_alone() {
        let (_guard, dir) = folder();
        let made = create(&dir, b"correct horse", 10).unwrap();
        assert_eq!(dir.metadata(FILE).unwrap().permissions().mode() & 0o777, 0o600);
        let opened = open(&dir, b"correct horse").unwrap();
        assert_eq!(made.signing.verifying_key().fingerprint(), opened.signing.verifying_key().fingerprint());
        assert!(matches!(open(&dir, b"wrong horse"), Err(EngineError::Internal(text)) if text.contains("passphrase")));
    }

    #[test]
    fn a_key_is_never_overwritten_and_damage_is_told() {
        let (_guard, dir) = folder();
        create(&dir, b"x", 10).unwrap();
        assert!(create(&dir, b"x", 10).is_err());
        let mut json = dir.read_to_string(FILE).unwrap();
        let at = json.find("sealed_pkcs8_pem").unwrap() + 30;
        let flipped = if json.as_bytes()[at] == b'0' { "1" } else { "0" };
        json.replace_range(at..=at, flipped);
        dir.write(FILE, json).unwrap();
        assert!(open(&dir, b"x").is_err());
    }
}
