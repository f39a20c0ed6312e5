//! Golden files: receipts and exports written once must verify for ever, and with tools that are not ours.
//!
//! `GLOVEBOX_GOLDEN=write cargo test -p glovebox-audit vectors` writes them anew.

use std::path::PathBuf;
use std::process::Command;

use glovebox_gm::VerifyingKey;

use crate::samples::{policy, public, receipt, witnessed_export};
use crate::{Receipt, WitnessPolicy, verify_export};

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "vectors", name].iter().collect()
}

/// The golden file, after checking that today's code still writes it.
fn golden(name: &str, written_today: &[u8]) -> Vec<u8> {
    if std::env::var("GLOVEBOX_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(path(name), written_today).unwrap();
    }
    let kept = std::fs::read(path(name)).unwrap();
    assert!(kept == written_today, "`{name}` is no longer what is written");
    kept
}

fn golden_key() -> VerifyingKey {
    let pem = golden("enclave.pem", public().to_pem().unwrap().as_bytes());
    VerifyingKey::from_pem(std::str::from_utf8(&pem).unwrap()).unwrap()
}

#[test]
fn golden_files_verify() {
    let json = golden("receipt.json", &serde_json::to_vec_pretty(&receipt()).unwrap());
    let receipt: Receipt = serde_json::from_slice(&json).unwrap();
    assert_eq!(receipt.verify(&golden_key()), Ok(()));
    let witnesses = golden("witnesses.toml", toml::to_string(&policy()).unwrap().as_bytes());
    let witnesses: WitnessPolicy = toml::from_str(std::str::from_utf8(&witnesses).unwrap()).unwrap();
    assert_eq!(receipt.verify_witnessed(&golden_key(), &witnesses).map(|found| found.len()), Ok(2));
    let lines = golden("export.jsonl", &witnessed_export(6));
    let summary = verify_export(lines.as_slice(), &golden_key(), None).unwrap();
    assert_eq!(witnesses.verify(&summary.head, &summary.cosignatures).map(|found| found.len()), Ok(2));
    assert_eq!(summary.head.root.to_string(), "f3a1649fcdbc361e0ab971b712fe6430c20884c70099e2b596c8a8d27e9b3504");
}

/// The formats are enough to verify with Python and OpenSSL. Left out where these have no SM3 or SM2.
#[test]
fn golden_files_verify_with_other_tools() {
    let has = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let python_has_sm3 = has("python3", &["-c", "import hashlib; hashlib.new('sm3')"]);
    if !python_has_sm3 || !has("openssl", &["genpkey", "-algorithm", "SM2"]) {
        return;
    }
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "verify.py"].iter().collect();
    let check = |kind: &str, file: PathBuf| {
        let mut command = Command::new("python3");
        command.arg(&script).arg(kind).arg(file).arg(path("enclave.pem")).arg(path("witnesses.toml"));
        command.output().unwrap().status.success()
    };
    assert!(check("receipt", path("receipt.json")));
    assert!(check("export", path("export.jsonl")));
    let folder = std::env::temp_dir().join(format!("glovebox-vectors-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (kind, name, from, to) in [
        ("receipt", "receipt.json", "\"cells_released\": 12", "\"cells_released\": 13"),
        ("receipt", "receipt.json", "\"resource\": \"job/job-1\"", "\"resource\": \"job/job-2\""),
        ("receipt", "receipt.json", "\"witness\": \"hospital-b\"", "\"witness\": \"regulator\""),
        ("receipt", "receipt.json", "\"witness\": \"hospital-b\"", "\"witness\": \"stranger\""),
        ("export", "export.jsonl", "\"count\":\"3\"", "\"count\":\"4\""),
        ("export", "export.jsonl", "\"witness\":\"regulator\"", "\"witness\":\"hospital-b\""),
    ] {
        let text = std::fs::read_to_string(path(name)).unwrap();
        let forged = text.replacen(from, to, 1);
        assert_ne!(forged, text, "{from}");
        std::fs::write(folder.join(name), forged).unwrap();
        assert!(!check(kind, folder.join(name)), "{to}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
