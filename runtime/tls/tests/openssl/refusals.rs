//! Whom our server turns away, with which alert, and what it tells its operator.

use glovebox_gm::pki::{Algorithm, Authority, Kind};

use crate::enclave::{Configs, Enclave};
use crate::zone::{CALL, GM, GM_CLIENT, STANDARD, STANDARD_CLIENT, Side, Zone, issue, list};

/// Calls with `options`; the server must send `alert` and say `why`.
#[track_caller]
fn refused(zone: &Zone, enclave: &Enclave, options: &str, alert: &str, why: &str) {
    let client = zone.openssl.start(&format!("{CALL} {} {options}", enclave.address));
    client.wait_for(&format!("alert {alert}"));
    let said = enclave.refused();
    assert!(said.contains(why), "the operator reads `{said}` for {options}");
    let answer = client.end();
    assert!(!answer.success && answer.out.is_empty(), "{options}");
}

#[test]
fn clients_without_a_certificate_of_the_authority() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::both(&zone.gm, &zone.standard));
    refused(&zone, &enclave, GM, "certificate required", "certificate");

    let stranger = Side::create(Algorithm::Sm2, "elsewhere");
    zone.write_identity("stranger", &stranger.client);
    refused(&zone, &enclave, &format!("{GM} -cert stranger.pem -key stranger.key"), "unknown ca", "authority");

    // Same name, another key.
    let forger = Side::create(Algorithm::Sm2, "zone");
    zone.write_identity("forged", &forger.client);
    refused(&zone, &enclave, &format!("{GM} -cert forged.pem -key forged.key"), "decrypt error", "signature");

    let server = issue(&zone.gm.authority, "enclave", Kind::Server { names: vec!["lin.wei.test".into()] }, 0);
    zone.write_identity("no-client", &server);
    let options = format!("{GM} -cert no-client.pem -key no-client.key");
    refused(&zone, &enclave, &options, "unsupported certificate", "purpose");
}
