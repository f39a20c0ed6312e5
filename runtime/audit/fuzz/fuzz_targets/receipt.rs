//! Receipts and exports of strangers against the enclave's real key. What verifies states what the genuine one states:
//! nobody but the enclave can say anything else.
#![no_main]

use std::sync::LazyLock;

use glovebox_audit::{Cosignature, Receipt, WitnessPolicy, verify_export};
use glovebox_gm::VerifyingKey;
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<VerifyingKey> =
    LazyLock::new(|| VerifyingKey::from_pem(include_str!("../../vectors/enclave.pem")).unwrap());
static GENUINE: LazyLock<Receipt> =
    LazyLock::new(|| serde_json::from_slice(include_bytes!("../../vectors/receipt.json")).unwrap());
static WITNESSES: LazyLock<WitnessPolicy> =
    LazyLock::new(|| toml::from_str(include_str!("../../vectors/witnesses.toml")).unwrap());
const EXPORT: &[u8] = include_bytes!("../../vectors/export.jsonl");

fuzz_target!(|bytes: &[u8]| {
    if let Ok(receipt) = serde_json::from_slice::<Receipt>(bytes) {
        if receipt.verify(&KEY).is_ok() {
            // Cosignatures are the witnesses' to sign, not the enclave's.
            let stated = Receipt { cosignatures: GENUINE.cosignatures.clone(), ..receipt.clone() };
            assert_eq!(stated, *GENUINE, "a receipt that the enclave did not write");
        }
        if let Ok(found) = receipt.verify_witnessed(&KEY, &WITNESSES) {
            let genuine = |one: &&Cosignature| GENUINE.cosignatures.contains(*one);
            assert!(found.iter().all(genuine), "a cosignature that no witness wrote");
        }
        // What only a change of key could hide behind: the parts are checked for themselves as well.
        let _ = receipt.inclusion.verify(&receipt.event, &receipt.head.head);
    }
    if let Ok(summary) = verify_export(bytes, &KEY, None) {
        // The same events and head: what comes before the tail of cosignatures is all there was.
        let events =
            EXPORT.iter().rev().skip(1).position(|byte| *byte == b'\n').map_or(0, |tail| EXPORT.len() - tail - 1);
        assert_eq!(bytes.get(..events), EXPORT.get(..events), "an export that the enclave did not write");
        if let Ok(found) = WITNESSES.verify(&summary.head, &summary.cosignatures) {
            assert!(found.len() >= WITNESSES.required());
        }
    }
});
