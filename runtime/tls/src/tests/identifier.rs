//! SM2 signs along an identifier: one for certificates, another for handshakes. A signature under the wrong one is none.

use std::sync::Arc;

use glovebox_gm::{SM2_DEFAULT_ID, SigningKey as Sm2Key};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{CertificateError, Error, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::BitString;
use x509_cert::der::{Decode, Encode};

use super::zone::*;
use crate::gm::SM2SIG_SM3;
use crate::{Suites, explain};

/// A key that signs handshakes under an identifier of its own.
#[derive(Debug, Clone)]
struct SignsAs(Arc<Sm2Key>, &'static str);

impl SigningKey for SignsAs {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Unknown(8)
    }
}

impl Signer for SignsAs {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign_as(self.1, message).unwrap().to_der().unwrap())
    }

    fn scheme(&self) -> SignatureScheme {
        SM2SIG_SM3
    }
}

fn client_signing_as(zone: &Zone, id: &'static str) -> Pair {
    let key = Sm2Key::from_pkcs8_pem(zone.client.key_pem.expose()).unwrap();
    let certified = CertifiedKey::new(vec![der(&zone.client.cert_pem)], Arc::new(SignsAs(Arc::new(key), id)));
    Pair::new(zone.client_signing(|_| (), Arc::new(certified)), zone.server_config())
}

#[test]
fn a_handshake_is_signed_under_the_identifier_of_tls() {
    let zone = Zone::new(Suites::Gm);
    client_signing_as(&zone, "TLSv1.3+GM+Cipher+Suite").shake().unwrap();
    for id in [SM2_DEFAULT_ID, "", "TLSv1.3+GM+Cipher+Suitf"] {
        let mut pair = client_signing_as(&zone, id);
        let error = Error::InvalidCertificate(CertificateError::BadSignature);
        assert_eq!(pair.shake(), Err(Fault::Server(error.clone())), "{id}");
        assert!(explain(&error).contains("another identifier"));
        let alert = written(&mut pair.server);
        let received = Error::AlertReceived(rustls::AlertDescription::DecryptError);
        assert!(explain(&received).contains("identifier of RFC 8998"));
        assert_eq!(pair.give_client(&alert), Err(Fault::Client(received)));
    }
}

/// The client's certificate, signed anew by the zone's own authority under `id`.
fn certificate_signed_as(zone: &Zone, id: &str) -> CertificateDer<'static> {
    let authority = Sm2Key::from_pkcs8_pem(zone.authority.key_pem().expose()).unwrap();
    let certificate = Certificate::from_der(&der(&zone.client.cert_pem)).unwrap();
    let signed = certificate.tbs_certificate().to_der().unwrap();
    let signature = BitString::from_bytes(&authority.sign_as(id, &signed).unwrap().to_der().unwrap()).unwrap();
    let body = [signed, certificate.signature_algorithm().to_der().unwrap(), signature.to_der().unwrap()].concat();
    let mut whole = vec![0x30, 0x82];
    whole.extend((body.len() as u16).to_be_bytes());
    whole.extend(body);
    whole.into()
}

#[test]
fn a_certificate_is_signed_under_the_default_identifier() {
    let zone = Zone::new(Suites::Gm);
    let connect = |id: &str| {
        let mut certified = (*credentials(&zone.client).certified()).clone();
        certified.cert = vec![certificate_signed_as(&zone, id)];
        Pair::new(zone.client_signing(|_| (), Arc::new(certified)), zone.server_config()).shake()
    };
    connect(SM2_DEFAULT_ID).unwrap();
    for id in ["TLSv1.3+GM+Cipher+Suite", "", "1234567812345679"] {
        assert!(matches!(connect(id), Err(Fault::Server(Error::InvalidCertificate(_)))), "{id}");
    }
}
