//! Receipts and exports of strangers against the enclave's real key. What verifies states what the genuine one states:
//! nobody but the enclave can say anything else.
#![no_main]

use std::sync::LazyLock;

use glovebox_audit::{Receipt, verify_export};
use glovebox_gm::VerifyingKey;
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<VerifyingKey> =
    LazyLock::new(|| VerifyingKey::from_pem(include_str!("../../vectors/enclave.pem")).unwrap());
static GENUINE: LazyLock<Receipt> =
    LazyLock::new(|| serde_json::from_slice(include_bytes!("../../vectors/receipt.json")).unwrap());
const EXPORT: &[u8] = include_bytes!("../../vectors/export.jsonl");

fuzz_target!(|bytes: &[u8]| {
    if let Ok(receipt) = serde_json::from_slice::<Receipt>(bytes) {
        if receipt.verify(&KEY).is_ok() {
            assert_eq!(receipt, *GENUINE, "a receipt that the enclave did not write");
        }
        // What only a change of key could hide behind: the parts are checked for themselves as well.
        let _ = receipt.inclusion.verify(&receipt.event, &receipt.head.head);
    }
    if verify_export(bytes, &KEY, None).is_ok() {
        assert_eq!(bytes, EXPORT, "an export that the enclave did not write");
    }
});
