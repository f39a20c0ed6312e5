//! PBES2 (RFC 8018, section 6.2) with PBKDF2 over HMAC-SM3 or HMAC-SHA-256, and SM4-CBC.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use const_oid::ObjectIdentifier;
use der::asn1::{Any, AnyRef, OctetStringRef};
use der::{Decode as _, Encode as _, Sequence, Tag};
use p256::pkcs8::PrivateKeyInfoRef;
use sm4::Sm4;
use x509_cert::spki::{AlgorithmIdentifierOwned, AlgorithmIdentifierRef};
use zeroize::Zeroizing;

use super::fault;
use crate::GmError;

/// How often the passphrase is hashed where the caller has no reason for another number: about 0.2 s.
pub const ITERATIONS_DEFAULT: u32 = 600_000;
/// Fewest iterations that are written.
pub const ITERATIONS_MIN: u32 = 10_000;
/// Most iterations that are read or written: a few seconds. A file that asks for more is meant to stop who opens it.
pub const ITERATIONS_MAX: u32 = 10_000_000;

/// RFC 8018, appendix A.4.
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
/// RFC 8018, appendix A.2.
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
/// SM4 in CBC (GM/T 0006-2012).
const SM4_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.104.2");
/// HMAC-SM3 for key derivation (GM/T 0091-2020, appendix A): what OpenSSL and Tongsuo write and read.
const HMAC_SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401.3.1");
/// HMAC-SM3 (GM/T 0006-2012): what GmSSL writes.
const HMAC_SM3_GMSSL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401.2");
/// RFC 8018, appendix B.1.2: what `openssl pkcs8 -topk8 -v2 sm4-cbc` writes when nobody asks for SM3.
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");

const KEY_LENGTH_BYTES: usize = 16;
const BLOCK_LENGTH_BYTES: usize = 16;
const SALT_LENGTH_BYTES: usize = 16;
/// Salts that are read: RFC 8018, section 4.1, wants 8 bytes at least.
const SALT_LENGTHS_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// EncryptedPrivateKeyInfo (RFC 5958, section 3).
#[derive(Sequence)]
struct EncryptedKey<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    data: &'a OctetStringRef,
}

/// PBES2-params.
#[derive(Sequence)]
struct Scheme<'a> {
    derivation: AlgorithmIdentifierRef<'a>,
    cipher: AlgorithmIdentifierRef<'a>,
}

/// PBKDF2-params. A salt from elsewhere is refused, as everywhere.
#[derive(Sequence)]
struct Derivation<'a> {
    salt: &'a OctetStringRef,
    iterations: u32,
    key_length_bytes: Option<u16>,
    /// Absent: HMAC with SHA-1.
    hash: Option<AlgorithmIdentifierRef<'a>>,
}

#[derive(Clone, Copy)]
enum Hash {
    Sm3,
    Sha256,
}

/// Decrypts an EncryptedPrivateKeyInfo in DER to PKCS #8 in DER.
pub(super) fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, GmError> {
    let key = EncryptedKey::from_der(der).map_err(|_| fault("expected an encrypted key as PKCS #8; it is damaged"))?;
    let scheme = parameters::<Scheme<'_>>(&key.algorithm, PBES2)
        .ok_or(fault("expected encryption by PBES2; write it anew: openssl pkcs8 -topk8 -v2 sm4-cbc -in FILE"))?;
    let derivation = parameters::<Derivation<'_>>(&scheme.derivation, PBKDF2)
        .ok_or(fault("expected a passphrase by PBKDF2; write it anew: openssl pkcs8 -topk8 -v2 sm4-cbc -in FILE"))?;
    let iv = parameters::<&OctetStringRef>(&scheme.cipher, SM4_CBC)
        .ok_or(fault("expected encryption by SM4-CBC; write it anew: openssl pkcs8 -topk8 -v2 sm4-cbc -in FILE"))?;
    let hash = derivation.check()?;
    let secret = derive(hash, passphrase, derivation.salt.as_bytes(), derivation.iterations);
    let damaged = fault("the passphrase is another, or the file was changed");
    let cipher = cbc::Decryptor::<Sm4>::new_from_slices(secret.as_slice(), iv.as_bytes())
        .map_err(|_| fault("expected a start value of 16 bytes; the file is damaged"))?;
    let mut data = Zeroizing::new(key.data.as_bytes().to_vec());
    let length = cipher.decrypt_padded::<Pkcs7>(&mut data).map_err(|_| damaged.clone())?.len();
    data.truncate(length);
    // Every 256th wrong passphrase leaves what looks like padding.
    match PrivateKeyInfoRef::try_from(data.as_slice()) {
        Ok(_) => Ok(data),
        Err(_) => Err(damaged),
    }
}

/// Encrypts PKCS #8 in DER to an EncryptedPrivateKeyInfo in DER.
pub(super) fn encrypt(pkcs8_der: &[u8], passphrase: &[u8], iterations: u32) -> Result<Vec<u8>, GmError> {
    if passphrase.is_empty() {
        return Err(fault("expected a passphrase that is not empty"));
    }
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
        return Err(fault("expected 10,000 to 10,000,000 iterations"));
    }
    let (mut salt, mut iv) = ([0; SALT_LENGTH_BYTES], [0; BLOCK_LENGTH_BYTES]);
    getrandom::fill(&mut salt).map_err(|_| GmError::Randomness)?;
    getrandom::fill(&mut iv).map_err(|_| GmError::Randomness)?;
    let secret = derive(Hash::Sm3, passphrase, &salt, iterations);
    let cipher = cbc::Encryptor::<Sm4>::new_from_slices(secret.as_slice(), &iv).map_err(|_| GmError::PrivateKey)?;
    let mut data = with_room_for_padding(pkcs8_der);
    let sealed = cipher.encrypt_padded::<Pkcs7>(&mut data, pkcs8_der.len()).map_err(|_| GmError::PrivateKey)?;
    // OpenSSL wants the NULL of RFC 8018, appendix B.1.2.
    let hash = Some(AlgorithmIdentifierRef { oid: HMAC_SM3, parameters: Some(AnyRef::NULL) });
    OctetStringRef::new(&salt)
        .and_then(|salt| written(&Derivation { salt, iterations, key_length_bytes: None, hash }, &iv, sealed))
        .map_err(|_| GmError::PrivateKey)
}

/// The plaintext and room for a block. A vector that grows leaves what it held behind, not wiped; hence all room at once.
fn with_room_for_padding(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut data = Zeroizing::new(vec![0; plain.len().saturating_add(BLOCK_LENGTH_BYTES)]);
    data.iter_mut().zip(plain).for_each(|(to, from)| *to = *from);
    data
}

impl Derivation<'_> {
    fn check(&self) -> Result<Hash, GmError> {
        if self.iterations == 0 || self.iterations > ITERATIONS_MAX {
            return Err(fault("expected 1 to 10,000,000 iterations; the file is damaged or meant to stall"));
        }
        if !SALT_LENGTHS_BYTES.contains(&self.salt.as_bytes().len()) {
            return Err(fault("expected a salt of 8 to 64 bytes; the file is damaged"));
        }
        if self.key_length_bytes.is_some_and(|length| usize::from(length) != KEY_LENGTH_BYTES) {
            return Err(fault("expected a derived key of 16 bytes; the file is damaged"));
        }
        let hash = self.hash.as_ref().filter(|hash| hash.parameters.is_none_or(AnyRef::is_null));
        match hash.map(|hash| hash.oid) {
            Some(HMAC_SM3 | HMAC_SM3_GMSSL) => Ok(Hash::Sm3),
            Some(HMAC_SHA256) => Ok(Hash::Sha256),
            _ => Err(fault(
                "expected PBKDF2 with HMAC-SM3 or HMAC-SHA-256; write it anew: openssl pkcs8 -topk8 -v2 sm4-cbc -in FILE",
            )),
        }
    }
}

fn derive(hash: Hash, passphrase: &[u8], salt: &[u8], iterations: u32) -> Zeroizing<[u8; KEY_LENGTH_BYTES]> {
    let mut key = Zeroizing::new([0; KEY_LENGTH_BYTES]);
    match hash {
        Hash::Sm3 => pbkdf2::pbkdf2_hmac::<sm3::Sm3>(passphrase, salt, iterations, key.as_mut_slice()),
        Hash::Sha256 => pbkdf2::pbkdf2_hmac::<sha2::Sha256>(passphrase, salt, iterations, key.as_mut_slice()),
    }
    key
}

/// The parameters of an algorithm, when it is the one that is expected.
fn parameters<'a, T>(algorithm: &AlgorithmIdentifierRef<'a>, expected: ObjectIdentifier) -> Option<T>
where
    T: der::Choice<'a> + der::DecodeValue<'a>,
{
    algorithm.parameters.filter(|_| algorithm.oid == expected)?.decode_as().ok()
}

fn written(derivation: &Derivation<'_>, iv: &[u8], sealed: &[u8]) -> der::Result<Vec<u8>> {
    let derivation = AlgorithmIdentifierOwned { oid: PBKDF2, parameters: Some(Any::encode_from(derivation)?) };
    let cipher = AlgorithmIdentifierOwned { oid: SM4_CBC, parameters: Some(Any::new(Tag::OctetString, iv)?) };
    let (derivation, cipher) = (derivation.to_der()?, cipher.to_der()?);
    let scheme = Scheme {
        derivation: AlgorithmIdentifierRef::from_der(&derivation)?,
        cipher: AlgorithmIdentifierRef::from_der(&cipher)?,
    };
    let scheme = scheme.to_der()?;
    let algorithm = AlgorithmIdentifierRef { oid: PBES2, parameters: Some(AnyRef::from_der(&scheme)?) };
    EncryptedKey { algorithm, data: OctetStringRef::new(sealed)? }.to_der()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    const KEY: &str = include_str!("vectors/sm2.pem");

    /// A file with these parameters, as another program might write it.
    fn file(salt: &[u8], iterations: u32, length: Option<u16>, hash: Option<(ObjectIdentifier, bool)>) -> Vec<u8> {
        let plain = super::super::read(KEY, None).unwrap();
        let hash = hash.map(|(oid, null)| AlgorithmIdentifierRef { oid, parameters: null.then_some(AnyRef::NULL) });
        let secret = derive(Hash::Sm3, b"pass", salt, iterations.min(1000));
        let cipher = cbc::Encryptor::<Sm4>::new_from_slices(secret.as_slice(), &[7; 16]).unwrap();
        let mut data = [&plain[..], &[0; 16]].concat();
        let sealed = cipher.encrypt_padded::<Pkcs7>(&mut data, plain.len()).unwrap();
        let derivation =
            Derivation { salt: OctetStringRef::new(salt).unwrap(), iterations, key_length_bytes: length, hash };
        written(&derivation, &[7; 16], sealed).unwrap()
    }

    /// Padding must not make the vector grow: the memory it leaves is not wiped.
    #[test]
    fn a_plaintext_stays_where_it_is_when_it_is_padded() {
        for length in [0, 1, 15, 16, 150] {
            let plain = vec![7; length];
            let mut data = with_room_for_padding(&plain);
            let place = data.as_ptr();
            assert_eq!(data.strip_prefix(&plain[..]), Some(&[0; BLOCK_LENGTH_BYTES][..]));
            let cipher = cbc::Encryptor::<Sm4>::new_from_slices(&[1; 16], &[2; 16]).unwrap();
            let sealed = cipher.encrypt_padded::<Pkcs7>(&mut data, length).unwrap();
            assert_eq!((sealed.as_ptr(), sealed.len()), (place, length / 16 * 16 + 16));
        }
    }

    #[test]
    fn files_of_gmssl_are_read() {
        let plain = super::super::read(KEY, None).unwrap();
        for null in [false, true] {
            let file = file(&[1; 8], 1000, Some(16), Some((HMAC_SM3_GMSSL, null)));
            assert_eq!(decrypt(&file, b"pass").unwrap(), plain);
        }
    }

    /// One in 256 wrong keys leaves what looks like padding; the structure inside tells it apart.
    #[test]
    fn thousands_of_wrong_passphrases_open_nothing() {
        let file = file(&[1; 8], 1, None, Some((HMAC_SM3, true)));
        assert!(decrypt(&file, b"pass").is_ok());
        let damaged = fault("the passphrase is another, or the file was changed");
        for attempt in 0..5000_u32 {
            assert_eq!(decrypt(&file, &attempt.to_be_bytes()).err(), Some(damaged.clone()), "{attempt}");
        }
    }

    #[test]
    fn changed_files_are_refused_or_give_no_key() {
        let file = file(&[1; 8], 10, None, Some((HMAC_SM3, true)));
        assert!(SigningKey::from_pkcs8_der(&decrypt(&file, b"pass").unwrap()).is_ok());
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            // CBC shows no change by itself. The structure and the public half inside do.
            if let Ok(read) = decrypt(&changed, b"pass") {
                assert!(SigningKey::from_pkcs8_der(&read).is_err(), "bit {bit}");
            }
        }
        for length in 0..file.len() {
            assert!(decrypt(&file[..length], b"pass").is_err(), "{length}");
        }
        assert!(decrypt(&[&file[..], &[0]].concat(), b"pass").is_err());
    }

    #[test]
    fn absurd_parameters_are_refused_before_any_work() {
        let sm3 = Some((HMAC_SM3, true));
        let refused = |salt: &[u8], iterations, length, hash| {
            let start = std::time::Instant::now();
            let refused = decrypt(&file(salt, iterations, length, hash), b"pass").err();
            assert!(start.elapsed() < std::time::Duration::from_secs(1));
            match refused {
                Some(GmError::KeyFile { what }) => what,
                other => panic!("expected a refused file, got {other:?}"),
            }
        };
        for iterations in [0, ITERATIONS_MAX + 1, u32::MAX] {
            assert!(refused(&[1; 8], iterations, None, sm3).contains("iterations"));
        }
        for length in [0, 7, 65, 4096] {
            assert!(refused(&vec![1; length], 1000, None, sm3).contains("salt"));
        }
        assert!(refused(&[1; 8], 1000, Some(32), sm3).contains("derived key"));
        // Absent means SHA-1.
        assert!(refused(&[1; 8], 1000, None, None).contains("HMAC-SM3"));
        assert!(refused(&[1; 8], 1000, None, Some((SM4_CBC, true))).contains("HMAC-SM3"));
    }
}
