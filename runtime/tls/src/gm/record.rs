//! Protects records (RFC 8446, section 5.2) by SM4-GCM and SM4-CCM, each sealed and opened in place.

use glovebox_gm::{GmError, Key128, NONCE_LENGTH_BYTES, Sm4Ccm, Sm4Gcm, TAG_LENGTH_BYTES};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter, Nonce,
    OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm, UnsupportedOperationError,
    make_tls13_aad,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

/// SM4-GCM with a tag of 16 bytes.
pub(super) struct Gcm;
/// SM4-CCM with a tag of 16 bytes.
pub(super) struct Ccm;

/// Length of the byte that ends a plaintext record and says of what kind it is.
const TYPE_LENGTH_BYTES: usize = 1;

trait Aead: Send + Sync + Sized + 'static {
    fn new(key: &Key128) -> Self;
    fn seal(&self, nonce: &NonceBytes, associated: &[u8], record: &mut [u8]) -> Result<TagBytes, GmError>;
    fn open(&self, nonce: &NonceBytes, associated: &[u8], record: &mut [u8], tag: &TagBytes) -> Result<(), GmError>;
}

type NonceBytes = [u8; NONCE_LENGTH_BYTES];
type TagBytes = [u8; TAG_LENGTH_BYTES];

macro_rules! aead {
    ($algorithm:ident, $cipher:ident) => {
        impl Tls13AeadAlgorithm for $algorithm {
            fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
                Box::new(Records::<$cipher>::new(&key, iv))
            }

            fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
                Box::new(Records::<$cipher>::new(&key, iv))
            }

            fn key_len(&self) -> usize {
                Key128::LENGTH_BYTES
            }

            /// Keys stay here: no kernel of an operating system takes them over.
            fn extract_keys(&self, _: AeadKey, _: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
                Err(UnsupportedOperationError)
            }
        }

        impl Aead for $cipher {
            fn new(key: &Key128) -> Self {
                $cipher::new(key)
            }

            fn seal(&self, nonce: &NonceBytes, associated: &[u8], record: &mut [u8]) -> Result<TagBytes, GmError> {
                self.seal_detached(nonce, associated, record)
            }

            fn open(
                &self,
                nonce: &NonceBytes,
                associated: &[u8],
                record: &mut [u8],
                tag: &TagBytes,
            ) -> Result<(), GmError> {
                self.open_detached(nonce, associated, record, tag)
            }
        }
    };
}

aead!(Gcm, Sm4Gcm);
aead!(Ccm, Sm4Ccm);

/// One direction of a connection under one key.
struct Records<A> {
    /// `None` for a key of another length than asked for, which rustls never hands over; everything then fails.
    aead: Option<A>,
    iv: Iv,
}

impl<A: Aead> Records<A> {
    fn new(key: &AeadKey, iv: Iv) -> Self {
        Self { aead: Key128::from_slice(key.as_ref()).ok().map(|key| A::new(&key)), iv }
    }
}

impl<A: Aead> MessageEncrypter for Records<A> {
    fn encrypt(&mut self, message: OutboundPlainMessage<'_>, sequence: u64) -> Result<OutboundOpaqueMessage, Error> {
        let length = self.encrypted_payload_len(message.payload.len());
        let mut record = PrefixedPayload::with_capacity(length);
        record.extend_from_chunks(&message.payload);
        record.extend_from_slice(&message.typ.to_array());

        let nonce = Nonce::new(&self.iv, sequence).0;
        let associated = make_tls13_aad(length);
        let aead = self.aead.as_ref().ok_or(Error::EncryptError)?;
        let tag = aead.seal(&nonce, &associated, record.as_mut()).map_err(|_| Error::EncryptError)?;
        record.extend_from_slice(&tag);
        // RFC 8446, section 5.2: on the outside every protected record is application data of TLS 1.2.
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, record))
    }

    fn encrypted_payload_len(&self, payload_length: usize) -> usize {
        payload_length + TYPE_LENGTH_BYTES + TAG_LENGTH_BYTES
    }
}

impl<A: Aead> MessageDecrypter for Records<A> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let nonce = Nonce::new(&self.iv, sequence).0;
        let associated = make_tls13_aad(message.payload.len());
        let aead = self.aead.as_ref().ok_or(Error::DecryptError)?;
        let (record, tag) = message.payload.split_last_chunk_mut::<TAG_LENGTH_BYTES>().ok_or(Error::DecryptError)?;
        aead.open(&nonce, &associated, record, tag).map_err(|_| Error::DecryptError)?;
        let length = record.len();
        message.payload.truncate(length);
        message.into_tls13_unpadded_message()
    }
}
