//! Certificates that no authority would issue, written byte by byte and signed with a real authority's key.

use glovebox_gm::pki::Issued;
use glovebox_gm::{SM2_DEFAULT_ID, SigningKey};

use super::zone::Zone;

pub(crate) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
pub(crate) const CURVE_SM2: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];
pub(crate) const CURVE_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub(crate) const SM2_WITH_SM3: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75];
pub(crate) const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
pub(crate) const CLIENT: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
pub(crate) const SERVER: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

pub(crate) fn tlv(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = match body.len() {
        length @ ..=0x7f => vec![length as u8],
        length @ ..=0xff => vec![0x81, length as u8],
        length => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [&[tag], &length[..], body].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

pub(crate) fn algorithm(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(OID, oid), parameters])
}

pub(crate) fn curve(oid: &[u8]) -> Vec<u8> {
    tlv(OID, oid)
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes].concat())
}

/// CN, and O when there is one.
pub(crate) fn name(common_name: &str, organisation: Option<&str>) -> Vec<u8> {
    let attribute =
        |last: u8, value: &str| tlv(SET, &sequence(&[&tlv(OID, &[0x55, 0x04, last]), &tlv(UTF8, value.as_bytes())]));
    let organisation = organisation.map(|value| attribute(10, value)).unwrap_or_default();
    sequence(&[&attribute(3, common_name), &organisation])
}

pub(crate) fn extension(oid: &[u8], is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if is_critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&tlv(OID, oid), critical, &tlv(OCTET_STRING, value)])
}

pub(crate) fn basic_constraints(is_authority: bool) -> Vec<u8> {
    let body: &[u8] = if is_authority { &[0x01, 0x01, 0xff] } else { &[] };
    extension(&[0x55, 0x1d, 0x13], true, &tlv(SEQUENCE, body))
}

pub(crate) fn purpose(oid: &[u8]) -> Vec<u8> {
    extension(&[0x55, 0x1d, 0x25], false, &sequence(&[&tlv(OID, oid)]))
}

pub(crate) fn key_usage(bits: u8) -> Vec<u8> {
    extension(&[0x55, 0x1d, 0x0f], true, &tlv(BIT_STRING, &[0, bits]))
}

pub(crate) fn dns_names(names: &[&[u8]]) -> Vec<u8> {
    let names: Vec<u8> = names.iter().flat_map(|name| tlv(0x82, name)).collect();
    extension(&[0x55, 0x1d, 0x11], false, &tlv(SEQUENCE, &names))
}

/// A certificate before it is signed. Every field is the DER that goes in.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    /// The algorithm as it is signed along, and as it stands beside the signature.
    pub(crate) algorithm_inside: Vec<u8>,
    pub(crate) algorithm_outside: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before: String,
    pub(crate) not_after: String,
    pub(crate) subject: Vec<u8>,
    pub(crate) key_algorithm: Vec<u8>,
    pub(crate) point: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
    /// The identifier that enters the signature.
    pub(crate) id: &'static str,
}

impl Draft {
    /// What an SM2 authority called `Zone` would sign for whoever holds `key`.
    pub(crate) fn good(key: &SigningKey, purpose_oid: &[u8]) -> Self {
        Self {
            version: tlv(0xa0, &tlv(INTEGER, &[2])),
            serial: vec![0x5a; 16],
            algorithm_inside: algorithm(SM2_WITH_SM3, &[]),
            algorithm_outside: algorithm(SM2_WITH_SM3, &[]),
            issuer: name("Zone", None),
            not_before: "20200101000000Z".into(),
            not_after: "20990101000000Z".into(),
            subject: name("lin.wei", Some("hospital-a")),
            key_algorithm: algorithm(EC_PUBLIC_KEY, &curve(CURVE_SM2)),
            point: point_of(key),
            extensions: vec![
                basic_constraints(false),
                key_usage(0x80),
                purpose(purpose_oid),
                dns_names(&[b"enclave.test"]),
            ],
            id: SM2_DEFAULT_ID,
        }
    }

    fn to_be_signed(&self) -> Vec<u8> {
        let validity = [&self.not_before, &self.not_after].map(|time| tlv(GENERALIZED_TIME, time.as_bytes()));
        let extensions = match self.extensions.is_empty() {
            true => Vec::new(),
            false => tlv(0xa3, &tlv(SEQUENCE, &self.extensions.concat())),
        };
        sequence(&[
            &self.version,
            &tlv(INTEGER, &self.serial),
            &self.algorithm_inside,
            &self.issuer,
            &sequence(&[&validity[0], &validity[1]]),
            &self.subject,
            &sequence(&[&self.key_algorithm, &bit_string(&self.point)]),
            &extensions,
        ])
    }

    /// The certificate in DER.
    pub(crate) fn sign(&self, authority: &SigningKey) -> Vec<u8> {
        let to_be_signed = self.to_be_signed();
        let signature = authority.sign_as(self.id, &to_be_signed).unwrap().to_der().unwrap();
        self.with_signature(&signature)
    }

    pub(crate) fn with_signature(&self, signature: &[u8]) -> Vec<u8> {
        sequence(&[&self.to_be_signed(), &self.algorithm_outside, &bit_string(signature)])
    }
}

/// `04 ‖ x ‖ y` of a key: the end of its SubjectPublicKeyInfo.
pub(crate) fn point_of(key: &SigningKey) -> Vec<u8> {
    let der = key.verifying_key().to_der();
    der[der.len() - 65..].to_vec()
}

/// The key of an SM2 zone's authority: whoever has it can issue anything.
pub(crate) fn authority_key(zone: &Zone) -> SigningKey {
    SigningKey::from_pem(zone.authority.key_pem().expose(), None).unwrap()
}

/// The certificate of `issued` in DER.
pub(crate) fn der(issued: &Issued) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(issued.cert_pem.as_bytes()).unwrap().to_vec()
}
