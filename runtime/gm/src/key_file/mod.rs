//! Private keys in files: PKCS #8 in PEM (RFC 5958, RFC 7468), plain or encrypted under a passphrase with SM4.
//!
//! What we write, OpenSSL 4 and Tongsuo read: `openssl pkey -in key.pem`. What `openssl pkcs8 -topk8 -v2 sm4-cbc` and
//! GmSSL write, we read. A key that is encrypted with another cipher is refused by name, with the command that writes
//! it anew.

mod pbes2;

use der::pem::{Decoder, LineEnding};
use p256::pkcs8::PrivateKeyInfoRef;
use zeroize::Zeroizing;

use crate::pki::{PrivateKey, SecretPem};
use crate::{GmError, SigningKey};

pub use pbes2::{ITERATIONS_DEFAULT, ITERATIONS_MAX, ITERATIONS_MIN};

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// Longest file that is taken for a key: a PKCS #8 key of either curve takes a few hundred bytes.
const FILE_LENGTH_MAX: usize = 64 * 1024;

/// Reads a private key: PKCS #8 in DER, decrypted with the passphrase where it is encrypted. A passphrase for a key
/// that is not encrypted is left aside.
///
/// # Errors
/// [`GmError::KeyFile`] when the text holds not exactly one private key as PKCS #8, when it is encrypted and the
/// passphrase is missing or another, or when it asks for what is not offered here (another cipher, an absurd number of
/// iterations).
pub fn read(pem: &str, passphrase: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, GmError> {
    let (label, text) = only_key(pem)?;
    let der = match label {
        PLAIN => decode(text)?,
        ENCRYPTED => {
            let passphrase = passphrase.ok_or(fault("the key is encrypted; give the file of its passphrase"))?;
            return pbes2::decrypt(&decode(text)?, passphrase);
        }
        "EC PRIVATE KEY" | "SM2 PRIVATE KEY" => {
            return Err(fault("expected PKCS #8, got SEC 1; write it anew: openssl pkcs8 -topk8 -nocrypt -in FILE"));
        }
        _ => return Err(fault("expected an SM2 or P-256 key as PKCS #8 in PEM (`BEGIN PRIVATE KEY`)")),
    };
    match PrivateKeyInfoRef::try_from(der.as_slice()) {
        Ok(_) => Ok(der),
        Err(_) => Err(fault("expected a private key as PKCS #8; the file is damaged")),
    }
}

/// Encrypts a private key, PKCS #8 in DER, under a passphrase: PBES2 with PBKDF2 over HMAC-SM3, and SM4-CBC.
///
/// CBC authenticates nothing: whoever can change the file can break the key, though not read it. Reading checks that
/// the public half fits.
///
/// # Errors
/// [`GmError::KeyFile`] for bytes that are no key, an empty passphrase, or iterations out of [`ITERATIONS_MIN`] to
/// [`ITERATIONS_MAX`]; [`GmError::Randomness`] when the operating system gives none.
pub fn encrypt(pkcs8_der: &[u8], passphrase: &[u8], iterations: u32) -> Result<SecretPem, GmError> {
    PrivateKeyInfoRef::try_from(pkcs8_der).map_err(|_| fault("expected a private key as PKCS #8"))?;
    let der = pbes2::encrypt(pkcs8_der, passphrase, iterations)?;
    let pem = der::pem::encode_string(ENCRYPTED, LineEnding::LF, &der).map_err(|_| GmError::PrivateKey)?;
    Ok(SecretPem::new(Zeroizing::new(pem)))
}

/// Whether the private key of this text is encrypted.
#[must_use]
pub fn is_encrypted(pem: &str) -> bool {
    matches!(only_key(pem), Ok((ENCRYPTED, _)))
}

impl PrivateKey {
    /// Reads PKCS #8 in PEM, plain or encrypted, of either algorithm.
    ///
    /// # Errors
    /// As [`read`] and [`PrivateKey::from_pkcs8_der`].
    pub fn from_pem(pem: &str, passphrase: Option<&[u8]>) -> Result<Self, GmError> {
        Self::from_pkcs8_der(&read(pem, passphrase)?)
    }
}

impl SigningKey {
    /// Reads an SM2 key, PKCS #8 in PEM, plain or encrypted.
    ///
    /// # Errors
    /// As [`read`]; [`GmError::PrivateKey`] when the key is not one of SM2.
    pub fn from_pem(pem: &str, passphrase: Option<&[u8]>) -> Result<Self, GmError> {
        Self::from_pkcs8_der(&read(pem, passphrase)?)
    }
}

/// The one private key of a text, with its label; certificates and parameters beside it are left aside.
fn only_key(pem: &str) -> Result<(&str, &str), GmError> {
    if pem.len() > FILE_LENGTH_MAX {
        return Err(fault("the file is too long for a private key"));
    }
    let mut keys = pem.match_indices("-----BEGIN ").filter_map(|(start, begin)| {
        let text = pem.get(start..)?;
        let (label, _) = text.get(begin.len()..)?.split_once("-----")?;
        label.ends_with(PLAIN).then_some((label, text))
    });
    let (label, text) = keys.next().ok_or(fault("expected a private key as PKCS #8 in PEM"))?;
    if keys.next().is_some() {
        return Err(fault("expected one private key, got several"));
    }
    // Legacy encryption of OpenSSL, under a single pass of MD5.
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(fault("its encryption is too weak; write it anew: openssl pkcs8 -topk8 -v2 sm4-cbc -in FILE"));
    }
    let end = format!("-----END {label}-----");
    let length = text.find(&end).ok_or(fault("the file is cut off"))?.saturating_add(end.len());
    Ok((label, text.get(..length).unwrap_or(text)))
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, GmError> {
    let mut der = Zeroizing::new(Vec::with_capacity(text.len()));
    Decoder::new_detect_wrap(text.as_bytes())
        .and_then(|mut decoder| decoder.decode_to_end(&mut der).map(|_| ()))
        .map_err(|_| fault("its base64 can't be read; the file is damaged"))?;
    Ok(der)
}

fn fault(what: &'static str) -> GmError {
    GmError::KeyFile { what }
}

#[cfg(test)]
mod tests;
