//! The authority of a zone: issues certificates for clients and servers, and revokes them.

use x509_cert::Certificate;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::der::asn1::OctetString;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode as _, Encode as _, EncodePem as _};
use x509_cert::ext::pkix::{BasicConstraints, CrlNumber, SubjectKeyIdentifier};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{
    DynSignatureAlgorithmIdentifier as _, SignatureBitStringEncoding as _, SubjectPublicKeyInfoOwned,
};

use super::certificate::{self, Profile, SERIAL_LENGTH_BYTES};
use super::identity::parse_pem;
use super::private_key::{DerSignature, PrivateKey, Signer};
use super::public_key::PublicKey;
use super::{Algorithm, Issued, Request, Revoked, SecretPem};
use crate::{GmError, hex, key_file};

/// The root of trust of a zone, with its private key.
pub struct Authority {
    cert_pem: String,
    key_pem: SecretPem,
    key: PrivateKey,
    name: Name,
    key_id: OctetString,
    not_after_unix_ms: i64,
}

impl Authority {
    /// A new root called `name`, valid for `days` from `valid_from_unix_ms`. It can't certify further authorities.
    ///
    /// # Errors
    /// [`GmError::Certificate`] for a name or time that X.509 can't write, [`GmError::Issuing`] from the library.
    pub fn create(algorithm: Algorithm, name: &str, valid_from_unix_ms: i64, days: u32) -> Result<Self, GmError> {
        let name = certificate::root_name(name)?;
        let (validity, not_after_unix_ms) = certificate::validity(valid_from_unix_ms, days)?;
        let key = PrivateKey::generate(algorithm)?;
        let public_key = public_key(&key)?;
        let key_id = certificate::key_id(&public_key)?;
        let extensions = certificate::root_extensions(&name, &key_id)?;
        let profile = Profile { issuer: name.clone(), subject: name.clone(), extensions };
        let (_, serial) = certificate::random_serial()?;
        let builder = CertificateBuilder::new(profile, serial, validity, public_key)?;
        let cert_pem = signed_pem(builder, &key)?;
        Ok(Self { cert_pem, key_pem: key.to_pem()?, key, name, key_id, not_after_unix_ms })
    }

    /// Takes up an authority from its certificate and private key, both PEM; its algorithm is that of the certificate.
    ///
    /// # Errors
    /// [`GmError::Certificate`] when the certificate is not an authority's, the key is not the certificate's, or a root
    /// is not signed with its own key (by SM2 under the default identifier);
    /// [`GmError::KeyFile`] when the key is none, or encrypted.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, GmError> {
        let fault = |what| GmError::Certificate { what };
        let key = PrivateKey::from_pkcs8_der(&key_file::read(key_pem, None)?)?;
        let whole = parse_pem(cert_pem)?;
        let certificate = whole.tbs_certificate();
        if !matches!(certificate.get_extension::<BasicConstraints>(), Ok(Some((_, BasicConstraints { ca: true, .. }))))
        {
            return Err(fault("expected the certificate of an authority, got one of a client or server"));
        }
        let public_key = certificate.subject_public_key_info();
        if public_key.to_der().ok() != Some(key.public_key_der()?) {
            return Err(fault("the private key is not the one of the authority's certificate"));
        }
        if certificate.issuer() == certificate.subject() {
            PublicKey::of(public_key)?.check(&whole)?;
        }
        let key_id = match certificate.get_extension::<SubjectKeyIdentifier>() {
            Ok(Some((_, id))) => id.0,
            Ok(None) => certificate::key_id(public_key)?,
            Err(_) => return Err(fault("the authority's key identifier can't be read")),
        };
        let not_after_s = certificate.validity().not_after.to_unix_duration().as_secs();
        Ok(Self {
            cert_pem: cert_pem.to_owned(),
            key_pem: key.to_pem()?,
            name: certificate.subject().clone(),
            key_id,
            not_after_unix_ms: i64::try_from(not_after_s).unwrap_or(i64::MAX).saturating_mul(1000),
            key,
        })
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The root certificate, PEM.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The root's private key, PKCS #8 in PEM.
    #[must_use]
    pub fn key_pem(&self) -> &SecretPem {
        &self.key_pem
    }

    /// Certifies a fresh key of the authority's own algorithm.
    ///
    /// # Errors
    /// [`GmError::Certificate`] for names or times that can't be certified, or an end after the authority's own;
    /// [`GmError::Issuing`] from the library.
    pub fn issue(&self, request: &Request) -> Result<Issued, GmError> {
        let subject = certificate::subject(request)?;
        let (validity, not_after_unix_ms) = certificate::validity(request.valid_from_unix_ms, request.days)?;
        if not_after_unix_ms > self.not_after_unix_ms {
            return Err(GmError::Certificate { what: "it would outlive the authority; ask for fewer days" });
        }
        let key = PrivateKey::generate(self.algorithm())?;
        let public_key = public_key(&key)?;
        let key_id = certificate::key_id(&public_key)?;
        let extensions = certificate::leaf_extensions(&subject, &request.kind, &self.key_id, &key_id)?;
        let (serial_hex, serial) = certificate::random_serial()?;
        let profile = Profile { issuer: self.name.clone(), subject, extensions };
        let builder = CertificateBuilder::new(profile, serial, validity, public_key)?;
        let cert_pem = signed_pem(builder, &self.key)?;
        Ok(Issued { cert_pem, key_pem: key.to_pem()?, serial_hex, not_after_unix_ms })
    }

    /// A revocation list, PEM. `number` rises with every list; whoever checks it refuses it after `next_update`.
    ///
    /// # Errors
    /// [`GmError::Certificate`] for a serial number or time that can't be written, or when `next_update_unix_ms` is
    /// not after `this_update_unix_ms`; [`GmError::Issuing`] from the library.
    pub fn crl(
        &self,
        revoked: &[Revoked],
        number: u64,
        this_update_unix_ms: i64,
        next_update_unix_ms: i64,
    ) -> Result<String, GmError> {
        if next_update_unix_ms / 1000 <= this_update_unix_ms / 1000 {
            return Err(GmError::Certificate { what: "expected a revocation list to end after its start" });
        }
        let revoked = revoked.iter().map(revoked_cert).collect::<Result<Vec<_>, _>>()?;
        let signer = Signer(&self.key);
        // Not by the library's builder: that one takes the SHA-1 of the key for its identifier, whatever the
        // authority's certificate says.
        let list = TbsCertList {
            version: x509_cert::Version::V2,
            signature: signer.signature_algorithm_identifier().map_err(|_| GmError::Issuing)?,
            issuer: self.name.clone(),
            this_update: certificate::time(this_update_unix_ms)?,
            next_update: Some(certificate::time(next_update_unix_ms)?),
            revoked_certificates: Some(revoked).filter(|revoked| !revoked.is_empty()),
            crl_extensions: Some(vec![
                certificate::extension(&self.name, &certificate::authority_key_id(&self.key_id))?,
                certificate::extension(&self.name, &CrlNumber::try_from(number).map_err(|_| GmError::Issuing)?)?,
            ]),
        };
        let signature: DerSignature =
            p256::ecdsa::signature::Signer::try_sign(&signer, &list.to_der()?).map_err(|_| GmError::Signing)?;
        let signature_algorithm = list.signature.clone();
        let list = CertificateList { tbs_cert_list: list, signature_algorithm, signature: signature.to_bitstring()? };
        Ok(list.to_pem(LineEnding::LF)?)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("cert_pem", &self.cert_pem).finish_non_exhaustive()
    }
}

fn public_key(key: &PrivateKey) -> Result<SubjectPublicKeyInfoOwned, GmError> {
    SubjectPublicKeyInfoOwned::from_der(&key.public_key_der()?).map_err(|_| GmError::PublicKey)
}

fn signed_pem(builder: CertificateBuilder<Profile>, key: &PrivateKey) -> Result<String, GmError> {
    let certificate: Certificate = builder.build::<_, DerSignature>(&Signer(key))?;
    Ok(certificate.to_pem(LineEnding::LF)?)
}

fn revoked_cert(revoked: &Revoked) -> Result<RevokedCert, GmError> {
    let serial = hex::decode::<SERIAL_LENGTH_BYTES>(&revoked.serial_hex)?;
    Ok(RevokedCert {
        serial_number: SerialNumber::new(&serial).map_err(|_| GmError::Issuing)?,
        revocation_date: certificate::time(revoked.at_unix_ms)?,
        crl_entry_extensions: None,
    })
}
