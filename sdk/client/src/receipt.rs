//! Verifying what the enclave states, without trusting the connection it came over.

use glovebox_api::EnclaveKey;
use glovebox_audit::Receipt;
use glovebox_gm::VerifyingKey;

use crate::ClientError;

/// Verifies a receipt with the enclave's key: signature, place in the log, and the log's signed head.
///
/// A key that came over the same connection as the receipt proves only that both are of one piece; compare
/// `fingerprint_sm3` with one published elsewhere.
///
/// # Errors
/// [`ClientError::Key`] when key and fingerprint don't belong together, [`ClientError::Verify`] with what is wrong.
pub fn verify_receipt(receipt: &Receipt, key: &EnclaveKey) -> Result<(), ClientError> {
    let verifying_key =
        VerifyingKey::from_pem(&key.public_key_pem).map_err(|error| ClientError::Key { detail: error.to_string() })?;
    let fingerprint = verifying_key.fingerprint().to_string();
    if fingerprint != key.fingerprint_sm3 {
        return Err(ClientError::Key { detail: format!("its fingerprint is {fingerprint}, not the one stated") });
    }
    Ok(receipt.verify(&verifying_key)?)
}

/// Verifies a receipt, and that `release_json` (see [`crate::Client::release_bytes`]) is the release it is about.
///
/// # Errors
/// As [`verify_receipt`].
pub fn verify_release(release_json: &[u8], receipt: &Receipt, key: &EnclaveKey) -> Result<(), ClientError> {
    verify_receipt(receipt, key)?;
    Ok(receipt.verify_output(release_json)?)
}
