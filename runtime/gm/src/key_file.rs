//! Private keys in files: PKCS #8 in PEM.

use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::GmError;

/// Reads a private key, PKCS #8 in DER.
///
/// # Errors
/// [`GmError::KeyFile`] when the text holds none.
pub fn read(pem: &str, _passphrase: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, GmError> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| GmError::KeyFile { what: "expected a private key as PKCS #8 in PEM" })?;
    Ok(Zeroizing::new(key.secret_pkcs8_der().to_vec()))
}
