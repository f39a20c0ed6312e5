//! Private keys that sign handshakes.

use std::sync::Arc;

use glovebox_gm::{GmError, SigningKey as Sm2Key};
use rustls::crypto::KeyProvider;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

use super::SM2SIG_SM3;
use super::signature::HANDSHAKE_ID;

/// Reads SM2 keys, and no others.
#[derive(Debug)]
pub(super) struct Sm2Keys;

impl KeyProvider for Sm2Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let PrivateKeyDer::Pkcs8(key) = key else {
            return Err(Error::General("expected a private key as PKCS #8".into()));
        };
        signing_key(key.secret_pkcs8_der()).map_err(|error| Error::General(error.to_string()))
    }
}

/// A key from PKCS #8 in DER.
pub(crate) fn signing_key(pkcs8: &[u8]) -> Result<Arc<dyn SigningKey>, GmError> {
    Ok(Arc::new(Sm2SigningKey(Arc::new(Sm2Key::from_pkcs8_der(pkcs8)?))))
}

#[derive(Debug)]
struct Sm2SigningKey(Arc<Sm2Key>);

impl SigningKey for Sm2SigningKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SM2SIG_SM3).then(|| Box::new(Sm2Signer(self.0.clone())) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.0.verifying_key().to_der()))
    }

    /// rustls has no name for it, and asks for it with TLS 1.2 alone.
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Unknown(0x08)
    }
}

#[derive(Debug)]
struct Sm2Signer(Arc<Sm2Key>);

impl Signer for Sm2Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.0
            .sign_as(HANDSHAKE_ID, message)
            .and_then(|signature| signature.to_der())
            .map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SM2SIG_SM3
    }
}
