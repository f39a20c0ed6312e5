//! `glovebox key inspect`: what a file with a private key, a public key or certificates holds.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use glovebox_catalog::Timestamp;
use glovebox_gm::pki::{Algorithm, Identity};
use glovebox_gm::{SM2_DEFAULT_ID, VerifyingKey, key_file, sm3};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use serde::Serialize;
use serde_json::json;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::{Certificate, TbsCertificate};
use zeroize::Zeroizing;

use super::{open, show};
use crate::authority::unix_ms;
use crate::command::init::read_passphrase;
use crate::connection::read_bytes;
use crate::output::Output;
use crate::text;

/// id-kp-serverAuth and id-kp-clientAuth (RFC 5280, section 4.2.1.12).
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
/// Of the bits of KeyUsage (RFC 5280, section 4.2.1.3), as OpenSSL's configuration names them.
const USAGES: [(KeyUsages, &str); 9] = [
    (KeyUsages::DigitalSignature, "digitalSignature"),
    (KeyUsages::NonRepudiation, "nonRepudiation"),
    (KeyUsages::KeyEncipherment, "keyEncipherment"),
    (KeyUsages::DataEncipherment, "dataEncipherment"),
    (KeyUsages::KeyAgreement, "keyAgreement"),
    (KeyUsages::KeyCertSign, "keyCertSign"),
    (KeyUsages::CRLSign, "cRLSign"),
    (KeyUsages::EncipherOnly, "encipherOnly"),
    (KeyUsages::DecipherOnly, "decipherOnly"),
];
const SM2_ID: &str = "SM2 signs and verifies under the identifier 1234567812345678 (GB/T 35276); no other is accepted";

#[derive(Args)]
pub(crate) struct Inspect {
    /// Private key, public key or certificates, in PEM
    file: PathBuf,
    /// File whose first line is the passphrase, if it is an encrypted private key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Inspect {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let place = self.file.display();
        let bytes = Zeroizing::new(read_bytes(&self.file)?);
        let pem = std::str::from_utf8(&bytes).ok().filter(|text| text.contains("-----BEGIN "));
        let pem = pem.with_context(|| format!("`{place}` is not PEM: expected a key or certificate as text"))?;
        // Whoever keeps key and certificate in one file asks for what is secret.
        if pem.contains("PRIVATE KEY-----") {
            return self.private_key(pem, output);
        }
        if pem.contains("-----BEGIN CERTIFICATE-----") {
            return certificates(&self.file, pem, output);
        }
        if pem.contains("-----BEGIN PUBLIC KEY-----") {
            return public_key(&self.file, pem, output);
        }
        let label = pem.split("-----BEGIN ").nth(1).and_then(|rest| rest.split_once("-----")).map_or("", |(it, _)| it);
        bail!("`{place}` holds a {label}; expected a private key (PKCS #8), a public key or certificates")
    }

    fn private_key(&self, pem: &str, output: &Output) -> anyhow::Result<()> {
        let is_encrypted = key_file::is_encrypted(pem);
        let passphrase = self.passphrase_file.as_deref().map(|file| read_passphrase(file, output)).transpose()?;
        if is_encrypted && passphrase.is_none() {
            bail!("`{}` is encrypted; give --passphrase-file to see what it holds", self.file.display());
        }
        let key = open(&self.file, pem, passphrase.as_ref())?;
        show(&self.file, &key, is_encrypted, output)
    }
}

pub(super) fn curve(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Sm2 => "SM2 (GB/T 32918.5, OID 1.2.156.10197.1.301)",
        Algorithm::P256 => "P-256 (secp256r1, OID 1.2.840.10045.3.1.7)",
    }
}

fn public_key(file: &Path, pem: &str, output: &Output) -> anyhow::Result<()> {
    let what = || format!("`{}` holds no public key on the curve of SM2 or on P-256, or is damaged", file.display());
    ensure!(pem.matches("-----BEGIN ").count() == 1, "`{}` holds more than one public key", file.display());
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).with_context(what)?;
    let key = SubjectPublicKeyInfoOwned::from_der(&der).with_context(what)?;
    let curve_oid = key.algorithm.parameters.as_ref().and_then(|it| it.decode_as::<ObjectIdentifier>().ok());
    let is_p256 = curve_oid.is_some_and(|oid| oid.to_string() == "1.2.840.10045.3.1.7");
    let algorithm = if is_p256 {
        let point = key.subject_public_key.raw_bytes();
        p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().with_context(what)?;
        Algorithm::P256
    } else {
        VerifyingKey::from_der(&der).ok().with_context(what)?;
        Algorithm::Sm2
    };
    let (curve, fingerprint) = (curve(algorithm), sm3(&der).to_string());
    let facts = json!({
        "file": file,
        "kind": "public-key",
        "algorithm": algorithm.as_str(),
        "curve": curve,
        "fingerprint_sm3": fingerprint,
        "sm2_id": (algorithm == Algorithm::Sm2).then_some(SM2_DEFAULT_ID),
    });
    output.show(&facts, || {
        text::sheet(&[
            ("file", file.display().to_string()),
            ("holds", "public key".to_owned()),
            ("algorithm", algorithm.as_str().to_owned()),
            ("curve", curve.to_owned()),
            ("fingerprint SM3", fingerprint.clone()),
            ("note", if algorithm == Algorithm::Sm2 { SM2_ID.to_owned() } else { String::new() }),
        ])
    })
}

/// What a certificate says. That it says so proves nothing: its signature is not checked here.
#[derive(Serialize)]
struct Facts {
    algorithm: &'static str,
    curve: &'static str,
    subject: String,
    issuer: String,
    serial: String,
    not_before: Timestamp,
    not_after: Timestamp,
    /// `authority`, `server`, `client`.
    role: Vec<&'static str>,
    usages: Vec<&'static str>,
    names: Vec<String>,
    /// Of a principal.
    principal_roles: Vec<String>,
    fingerprint_sm3: String,
    public_key_sm3: String,
    sm2_id: Option<&'static str>,
}

fn certificates(file: &Path, pem: &str, output: &Output) -> anyhow::Result<()> {
    let what = || format!("can't read the certificate in `{}`", file.display());
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let der = der.with_context(what)?;
        found.push(facts(&der).with_context(what)?);
    }
    output.show(&json!({ "file": file, "kind": "certificate", "certificates": found }), || {
        let sheets = found.iter().map(|facts| sheet(file, facts));
        sheets.collect::<Vec<_>>().join("\n")
    })
}

fn facts(der: &CertificateDer<'_>) -> anyhow::Result<Facts> {
    let algorithm = Algorithm::of_certificate(der)?;
    let whole = Certificate::from_der(der)?;
    let certificate = whole.tbs_certificate();
    let serial = certificate.serial_number().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let usages = certificate.get_extension::<KeyUsage>()?.map(|(_, usage)| usage);
    let usages = USAGES.iter().filter(|(bit, _)| usages.as_ref().is_some_and(|usage| usage.0.contains(*bit)));
    Ok(Facts {
        algorithm: algorithm.as_str(),
        curve: curve(algorithm),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: serial.trim_start_matches("00").to_owned(),
        not_before: Timestamp::from_unix_ms(unix_ms(&certificate.validity().not_before)),
        not_after: Timestamp::from_unix_ms(unix_ms(&certificate.validity().not_after)),
        role: roles(certificate)?,
        usages: usages.map(|(_, name)| *name).collect(),
        names: names(certificate)?,
        principal_roles: Identity::from_der(der).map(|identity| identity.roles).unwrap_or_default(),
        fingerprint_sm3: sm3(der).to_string(),
        public_key_sm3: sm3(&certificate.subject_public_key_info().to_der()?).to_string(),
        sm2_id: (algorithm == Algorithm::Sm2).then_some(SM2_DEFAULT_ID),
    })
}

fn roles(certificate: &TbsCertificate) -> anyhow::Result<Vec<&'static str>> {
    let is_authority = certificate.get_extension::<BasicConstraints>()?.is_some_and(|(_, it)| it.ca);
    let purposes = certificate.get_extension::<ExtendedKeyUsage>()?.map_or_else(Vec::new, |(_, it)| it.0);
    let has = |oid: &str| purposes.iter().any(|purpose| purpose.to_string() == oid);
    let all = [("authority", is_authority), ("server", has(SERVER_AUTH)), ("client", has(CLIENT_AUTH))];
    Ok(all.into_iter().filter(|(_, is_one)| *is_one).map(|(name, _)| name).collect())
}

fn names(certificate: &TbsCertificate) -> anyhow::Result<Vec<String>> {
    let names = certificate.get_extension::<SubjectAltName>()?.map_or_else(Vec::new, |(_, it)| it.0);
    let name = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => name.to_string(),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()),
        _ => "a name of another kind".to_owned(),
    };
    Ok(names.iter().map(name).collect())
}

fn address(bytes: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(bytes).map(|it| std::net::IpAddr::from(it).to_string());
    let v6 = || <[u8; 16]>::try_from(bytes).map(|it| std::net::IpAddr::from(it).to_string());
    v4.or_else(|_| v6()).unwrap_or_else(|_| "an address of another kind".to_owned())
}

fn sheet(file: &Path, facts: &Facts) -> String {
    text::sheet(&[
        ("file", file.display().to_string()),
        (
            "holds",
            format!(
                "certificate ({})",
                if facts.role.is_empty() { "no role".to_owned() } else { facts.role.join(", ") }
            ),
        ),
        ("subject", facts.subject.clone()),
        ("issuer", facts.issuer.clone()),
        ("serial", facts.serial.clone()),
        ("valid", format!("{} to {}", facts.not_before, facts.not_after)),
        ("roles", facts.principal_roles.join(", ")),
        ("usages", facts.usages.join(", ")),
        ("names", facts.names.join(", ")),
        ("algorithm", facts.algorithm.to_owned()),
        ("curve", facts.curve.to_owned()),
        ("fingerprint SM3", facts.fingerprint_sm3.clone()),
        ("public key SM3", facts.public_key_sm3.clone()),
        ("note", if facts.sm2_id.is_some() { SM2_ID.to_owned() } else { String::new() }),
    ])
}
