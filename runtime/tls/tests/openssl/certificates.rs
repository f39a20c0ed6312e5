//! OpenSSL judges our certificates and revocation lists, and we those that it made.

use glovebox_gm::pki::{Algorithm, Kind};
use glovebox_tls::{Authorities, Suites, client_verifier, explain};
use rustls::HandshakeKind;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::authority::OpenSslAuthority;
use crate::caller::{Call, config_of};
use crate::enclave::{Configs, Enclave};
use crate::zone::{CALL, GM, SERVER_NAME, Side, Zone, issue, list};

/// Runs a command that must fail and say `why`.
#[track_caller]
fn refused(zone: &Zone, command: &str, why: &str) {
    let answer = zone.openssl.run(command);
    let said = format!("{}{}", String::from_utf8_lossy(&answer.out), answer.err);
    assert!(!answer.success && said.contains(why), "openssl {command}: {said}");
}

#[test]
fn our_certificates_hold_by_the_letter() {
    let Some(zone) = Zone::create() else { return };
    for prefix in ["", "p256-"] {
        let verify = format!("verify -x509_strict -check_ss_sig -CAfile {prefix}ca.pem");
        let server = format!("-purpose sslserver -verify_hostname {SERVER_NAME} {prefix}server.pem");
        zone.openssl.text(&format!("{verify} {server}"));
        zone.openssl.text(&format!("{verify} -purpose sslserver -verify_ip 127.0.0.1 {prefix}server.pem"));
        zone.openssl.text(&format!("{verify} -purpose sslclient {prefix}client.pem"));
        refused(&zone, &format!("{verify} -purpose sslserver {prefix}client.pem"), "unsuitable certificate purpose");
        refused(&zone, &format!("{verify} -purpose sslclient {prefix}server.pem"), "unsuitable certificate purpose");
        refused(&zone, &format!("{verify} -verify_hostname other.test {prefix}server.pem"), "hostname mismatch");
    }
    refused(&zone, "verify -CAfile p256-ca.pem client.pem", "unable to get local issuer certificate");
    let forger = Side::create(Algorithm::Sm2, "zone");
    zone.write_identity("forged", &forger.client);
    refused(&zone, "verify -CAfile ca.pem forged.pem", "error");
}

#[test]
fn openssl_shows_what_our_certificates_say() {
    let Some(zone) = Zone::create() else { return };
    let shown = |name: &str| zone.openssl.text(&format!("x509 -noout -text -in {name}"));
    let sm2 = ["Signature Algorithm: SM2-with-SM3", "ASN1 OID: SM2"];
    let p256 = ["Signature Algorithm: ecdsa-with-SHA256", "NIST CURVE: P-256"];
    for (prefix, algorithm) in [("", sm2), ("p256-", p256)] {
        let authority = ["Issuer: CN=zone", "X509v3 Basic Constraints: critical", "CA:TRUE", "CRL Sign"];
        let client = ["Subject: CN=lin.wei, O=hospital-a, OU=developer", "TLS Web Client Authentication", "CA:FALSE"];
        let server = ["DNS:enclave.test, IP Address:127.0.0.1", "TLS Web Server Authentication", "CA:FALSE"];
        for (name, expected) in [("ca", &authority[..]), ("client", &client[..]), ("server", &server[..])] {
            let text = shown(&format!("{prefix}{name}.pem"));
            for line in expected.iter().chain(&algorithm) {
                assert!(text.contains(line), "{line} in {text}");
            }
        }
    }
}

#[test]
fn openssl_obeys_our_revocation_lists() {
    let Some(zone) = Zone::create() else { return };
    for (side, prefix) in [(&zone.gm, ""), (&zone.standard, "p256-")] {
        let authority = format!("-CAfile {prefix}ca.pem");
        let text = zone.openssl.run(&format!("crl -in {prefix}revoked.pem {authority} -noout -text"));
        assert!(text.success && text.err.contains("verify OK"), "{}", text.err);
        let check = |list: &str| format!("verify -crl_check {authority} -CRLfile {list} {prefix}client.pem");
        zone.openssl.text(&check(&format!("{prefix}revoked.pem")));

        zone.write("revoking.pem", &list(&side.authority, &[&side.client], 0));
        refused(&zone, &check("revoking.pem"), "certificate revoked");
        zone.write("past.pem", &list(&side.authority, &[], 5));
        refused(&zone, &check("past.pem"), "CRL has expired");
        let algorithm = side.authority.algorithm();
        zone.write("forged.pem", &list(&Side::create(algorithm, "zone").authority, &[], 0));
        refused(&zone, &check("forged.pem"), "CRL");
    }
}

/// Authority, certificates and revocation list by OpenSSL; our server and our client work with them.
#[test]
fn an_authority_of_openssl_serves_us() {
    let Some(zone) = Zone::create() else { return };
    let authority = OpenSslAuthority::create(&zone);
    authority.issue_with_key("server", "theirs-server");
    authority.issue_with_key("client", "theirs-client");
    let revoked_serial = authority.issue_with_key("client", "theirs-revoked");
    let trusted = Authorities::from_pem(&zone.read("theirs-ca.pem"), Suites::Gm).unwrap();
    let server = zone.credentials("theirs-server");

    let enclave = Enclave::start(Configs::gm(&server, &trusted, &authority.list(&[&revoked_serial])));
    let client = glovebox_tls::client_config(&zone.credentials("theirs-client"), &trusted).unwrap();
    let call = Call::make(enclave.address, &client.into()).unwrap();
    assert_eq!((call.handshake.kind, call.handshake.peer.as_str()), (HandshakeKind::Full, "enclave"));
    assert_eq!(enclave.welcomed().peer, "lin.wei");
    call.end().unwrap();
    assert_eq!(enclave.ended(), Ok(()));

    let options = GM.replace(" ca.pem", " theirs-ca.pem");
    let options = format!("{CALL} {} {options} -cert theirs-revoked.pem -key theirs-revoked.key", enclave.address);
    let client = zone.openssl.start(&options);
    client.wait_for("alert certificate revoked");
    assert!(enclave.refused().contains("revoked"));

    let past = Enclave::start(Configs::gm(&server, &trusted, &authority.past_list()));
    let client = zone.openssl.start(&options.replace(&enclave.address.to_string(), &past.address.to_string()));
    client.wait_for("alert");
    assert!(past.refused().contains("revocation list"));
}

/// The identifier enters every SM2 signature. OpenSSL and we take the default one alone in certificates.
#[test]
fn certificates_under_another_identifier_are_forgeries() {
    let Some(zone) = Zone::create() else { return };
    let authority = OpenSslAuthority::of(&zone, &zone.gm.authority);
    let wrong = ["1234567812345679", "TLSv1.3+GM+Cipher+Suite", ""];
    for (name, id) in [("good", glovebox_gm::SM2_DEFAULT_ID)].into_iter().chain(wrong.map(|id| ("wrong", id))) {
        let good = name == "good";
        authority.issue("client", "client.key", name, id);
        authority.issue("server", "server.key", &format!("{name}-server"), id);
        std::fs::copy(zone.openssl.folder.join("client.key"), zone.openssl.folder.join(format!("{name}.key"))).unwrap();
        assert_eq!(zone.openssl.run(&format!("verify -CAfile ca.pem {name}.pem")).success, good, "`{id}`");

        let der = CertificateDer::from_pem_slice(zone.read(&format!("{name}.pem")).as_bytes()).unwrap();
        let verifier = client_verifier(Suites::Gm, &zone.gm.authorities(), &zone.gm.revoked).unwrap();
        let said = verifier.verify_client_cert(&der, &[], UnixTime::now()).map(|_| ()).map_err(|fault| explain(&fault));
        let expected = if good { Ok(()) } else { Err("identifier") };
        assert_eq!(said.as_ref().is_ok(), expected.is_ok(), "`{id}`: {said:?}");
        assert!(said.is_ok() || said.unwrap_err().contains("identifier"));

        let options = format!("{GM} -cert {name}-server.pem -key server.key -Verify 1 -verify_return_error");
        let (server, address) = zone.openssl.serve(&options);
        match Call::make(address, &config_of(&zone.gm)) {
            Ok(_) => assert!(good, "`{id}`"),
            Err(said) => {
                assert!(!good && said.contains("identifier"), "`{id}`: {said}");
                server.wait_for("alert");
            }
        }
    }
}

/// What a certificate must not be, made by OpenSSL under our own authority: it signs anything that it is told to.
#[test]
fn certificates_of_the_wrong_shape_are_refused() {
    let Some(zone) = Zone::create() else { return };
    let authority = OpenSslAuthority::of(&zone, &zone.gm.authority);
    let enclave = Enclave::start(Configs::of(&zone.gm));
    zone.openssl.text("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other-curve.key");
    zone.openssl.text("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out third-curve.key");
    let issued = |extensions: &str, key: &str, name: &str| {
        authority.issue(extensions, key, name, glovebox_gm::SM2_DEFAULT_ID);
        format!("{GM} -cert {name}.pem -key {key}")
    };
    let cases = [
        (issued("client", "client.key", "sound"), None),
        (issued("authority", "client.key", "as-authority"), Some("certificate")),
        (issued("critical", "client.key", "unknown-critical"), Some("ritical")),
        (issued("server", "client.key", "as-server"), Some("purpose")),
    ];
    for (options, why) in cases {
        let mut client = zone.openssl.start(&format!("{CALL} {} {options}", enclave.address));
        match why {
            None => {
                enclave.welcomed();
                client.hang_up();
                enclave.ended().unwrap();
            }
            Some(why) => {
                let said = enclave.refused();
                assert!(said.contains(why), "the operator reads `{said}` for {options}");
                client.wait_for("alert");
            }
        }
        client.end();
    }
    // A key of another curve under an SM2 authority: OpenSSL does not send it where sm2sig_sm3 alone is taken.
    for key in ["other-curve.key", "third-curve.key"] {
        let options = issued("client", key, "other-curve");
        let client = zone.openssl.start(&format!("{CALL} {} {options}", enclave.address));
        client.wait_for("alert certificate required");
        assert!(enclave.refused().contains("no certificate"));
        client.end();
        let pem = zone.read("other-curve.pem");
        assert!(glovebox_tls::Credentials::from_pem(&pem, &zone.read("client.key"), None).is_err());
    }
    let mixed = issue(&zone.gm.authority, "lin.wei", Kind::Client, 0);
    assert!(glovebox_tls::Credentials::from_pem(&mixed.cert_pem, &zone.read("other-curve.key"), None).is_err());
}
