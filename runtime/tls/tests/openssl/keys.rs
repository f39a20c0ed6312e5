//! Key files pass between OpenSSL and us, plain and encrypted.

use glovebox_gm::key_file::{self, ITERATIONS_MIN};
use glovebox_gm::pki::{Algorithm, PrivateKey};
use glovebox_gm::{SM2_DEFAULT_ID, SigningKey};
use glovebox_tls::Credentials;

use crate::enclave::{Configs, Enclave};
use crate::zone::{CALL, GM, GM_CLIENT, Zone};

const PASSPHRASE: &str = "correct-horse-battery-staple";

#[test]
fn openssl_reads_what_we_write() {
    let Some(zone) = Zone::create() else { return };
    for (algorithm, name) in [(Algorithm::Sm2, "SM2"), (Algorithm::P256, "P-256")] {
        let key = PrivateKey::generate(algorithm).unwrap();
        zone.write("plain.pem", key.to_pem().unwrap().expose());
        let encrypted = key_file::encrypt(&key.to_pkcs8_der().unwrap(), PASSPHRASE.as_bytes(), ITERATIONS_MIN).unwrap();
        zone.write("encrypted.pem", encrypted.expose());
        for options in ["-in plain.pem".to_owned(), format!("-in encrypted.pem -passin pass:{PASSPHRASE}")] {
            assert_eq!(zone.openssl.text(&format!("pkey {options} -pubout")), key.public_key_pem().unwrap());
            // `-check` multiplies: the public half is that of the private one.
            let text = zone.openssl.text(&format!("pkey {options} -check -noout -text"));
            assert!(text.contains(name) && text.contains("Key is valid"), "{text}");
        }
        let parts = zone.openssl.text("asn1parse -in encrypted.pem");
        for part in ["PBES2", "PBKDF2", "hmacWithSM3", "sm4-cbc"] {
            assert!(parts.contains(part), "{part} in {parts}");
        }
        assert!(!zone.openssl.run("pkey -in encrypted.pem -passin pass:another -noout").success);
    }
}

#[test]
fn we_read_what_openssl_writes() {
    let Some(zone) = Zone::create() else { return };
    for (algorithm, options) in [
        (Algorithm::Sm2, "-algorithm SM2"),
        (Algorithm::Sm2, "-algorithm EC -pkeyopt ec_paramgen_curve:SM2"),
        (Algorithm::P256, "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ] {
        zone.openssl.text(&format!("genpkey {options} -out theirs.pem"));
        let public = zone.openssl.text("pkey -in theirs.pem -pubout");
        let plain = PrivateKey::from_pem(&zone.read("theirs.pem"), None).unwrap();
        assert_eq!((plain.algorithm(), plain.public_key_pem().unwrap()), (algorithm, public.clone()));

        let word = format!("-passout pass:{PASSPHRASE}");
        let ciphers = ["-v2 sm4-cbc", "-v2 sm4-cbc -v2prf hmacWithSM3", "-v2 sm4-cbc -v2prf hmacWithSHA256 -iter 9999"];
        for cipher in ciphers {
            zone.openssl.text(&format!("pkcs8 -topk8 {cipher} {word} -in theirs.pem -out encrypted.pem"));
            let pem = zone.read("encrypted.pem");
            assert!(key_file::is_encrypted(&pem));
            let key = PrivateKey::from_pem(&pem, Some(PASSPHRASE.as_bytes())).unwrap();
            assert_eq!(key.public_key_pem().unwrap(), public, "{cipher}");
            assert!(PrivateKey::from_pem(&pem, Some(b"another")).is_err());
            assert!(PrivateKey::from_pem(&pem, None).is_err());
        }
        zone.openssl.text(&format!("pkcs8 -topk8 -v2 aes-256-cbc {word} -in theirs.pem -out encrypted.pem"));
        let fault = PrivateKey::from_pem(&zone.read("encrypted.pem"), Some(PASSPHRASE.as_bytes())).unwrap_err();
        assert!(fault.to_string().contains("sm4-cbc"), "says how to write it anew: {fault}");
    }
    // SM2 keys of both writings sign alike.
    zone.openssl.text("genpkey -algorithm SM2 -out theirs.pem");
    let key = SigningKey::from_pem(&zone.read("theirs.pem"), None).unwrap();
    zone.write("message", "message");
    zone.openssl.text(&format!(
        "pkeyutl -sign -rawin -digest sm3 -inkey theirs.pem -pkeyopt distid:{SM2_DEFAULT_ID} -in message -out signature"
    ));
    let der = std::fs::read(zone.openssl.folder.join("signature")).unwrap();
    let signature = glovebox_gm::Signature::from_der(&der).unwrap();
    assert_eq!(key.verifying_key().verify(b"message", &signature), Ok(()));
}

/// A key that stays encrypted on disk, on either side of a connection.
#[test]
fn connections_start_from_encrypted_keys() {
    let Some(zone) = Zone::create() else { return };
    let word = format!("-passout pass:{PASSPHRASE}");
    zone.openssl.text(&format!("pkcs8 -topk8 -v2 sm4-cbc {word} -in server.key -out server-encrypted.key"));
    let (certificate, key) = (zone.read("server.pem"), zone.read("server-encrypted.key"));
    let server = Credentials::from_pem(&certificate, &key, Some(PASSPHRASE.as_bytes())).unwrap();
    assert!(Credentials::from_pem(&certificate, &key, None).is_err());
    assert!(Credentials::from_pem(&certificate, &key, Some(b"another")).is_err());

    let ours = key_file::read(&zone.read("client.key"), None).unwrap();
    let encrypted = key_file::encrypt(&ours, PASSPHRASE.as_bytes(), ITERATIONS_MIN).unwrap();
    zone.write("client-encrypted.key", encrypted.expose());
    let enclave = Enclave::start(Configs::gm(&server, &zone.gm.authorities(), &zone.gm.revoked));
    let options = GM_CLIENT.replace("client.key", &format!("client-encrypted.key -pass pass:{PASSPHRASE}"));
    let client = zone.openssl.start(&format!("{CALL} {} {GM} {options}", enclave.address));
    assert_eq!(enclave.welcomed().peer, "lin.wei");
    client.say(b"echo hello\n");
    client.wait_for("hello");
}
