//! Certificates and key files by the commands that make them: what is written, what is refused and with which words.
// Tells clippy that helpers beside the test functions are test code too.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

fn glovebox(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glovebox"));
    command.current_dir(folder).args(line.split_whitespace());
    for setting in ["GLOVEBOX_SERVER", "GLOVEBOX_IDENTITY", "GLOVEBOX_PKI", "RUST_LOG"] {
        command.env_remove(setting);
    }
    command.output().unwrap()
}

fn done(folder: &Path, line: &str) -> String {
    let output = glovebox(folder, line);
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, line: &str) -> serde_json::Value {
    serde_json::from_str(&done(folder, &format!("--json {line}"))).unwrap()
}

fn refused(folder: &Path, line: &str) -> String {
    let output = glovebox(folder, line);
    assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn secret(folder: &Path, name: &str, passphrase: &str) {
    std::fs::write(folder.join(name), format!("{passphrase}\n")).unwrap();
    std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn keys_are_made_encrypted_decrypted_and_never_written_over() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    secret(folder, "passphrase", "correct horse battery");
    secret(folder, "another", "incorrect horse battery");
    secret(folder, "short", "horse");
    let made = json(folder, "key new --out key.pem --passphrase-file passphrase");
    assert_eq!((made["algorithm"].as_str(), made["encrypted"].as_bool()), (Some("sm2"), Some(true)));
    let text = std::fs::read_to_string(folder.join("key.pem")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert_eq!(std::fs::metadata(folder.join("key.pem")).unwrap().permissions().mode() & 0o777, 0o600);

    assert!(refused(folder, "key new --out key.pem").contains("never overwritten"));
    assert!(refused(folder, "key new --out short.pem --passphrase-file short").contains("at least 12 bytes"));
    assert!(!folder.join("short.pem").exists());
    assert!(refused(folder, "key inspect key.pem").contains("--passphrase-file"));
    assert!(refused(folder, "key inspect key.pem --passphrase-file another").contains("passphrase is another"));
    assert!(refused(folder, "key encrypt key.pem --passphrase-file passphrase").contains("encrypted already"));
    let inspected = json(folder, "key inspect key.pem --passphrase-file passphrase");
    assert_eq!(inspected["public_key_pem"], made["public_key_pem"]);

    let plain = json(folder, "key decrypt key.pem --passphrase-file passphrase --out plain.pem");
    assert_eq!(plain["fingerprint_sm3"], made["fingerprint_sm3"]);
    assert_eq!(std::fs::metadata(folder.join("plain.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(refused(folder, "key decrypt plain.pem --passphrase-file passphrase").contains("not an encrypted"));
    done(folder, "key encrypt plain.pem --passphrase-file another --iterations 10000");
    assert!(std::fs::read_to_string(folder.join("plain.pem")).unwrap().contains("ENCRYPTED"), "in place");
    assert_eq!(
        json(folder, "key inspect plain.pem --passphrase-file another")["public_key_pem"],
        made["public_key_pem"]
    );
    assert!(refused(folder, "key encrypt another --passphrase-file passphrase").contains("expected a private key"));

    let p256 = json(folder, "key new --out p256.pem --algorithm p256");
    assert_eq!((p256["algorithm"].as_str(), p256["encrypted"].as_bool()), (Some("p256"), Some(false)));
    // A file with more than the key keeps what it has.
    done(folder, "pki init");
    let both = ["server/cert.pem", "server/key.pem"]
        .map(|file| std::fs::read_to_string(folder.join("pki").join(file)).unwrap());
    std::fs::write(folder.join("both.pem"), both.concat()).unwrap();
    assert!(refused(folder, "key encrypt both.pem --passphrase-file passphrase").contains("--out"));
    assert_eq!(std::fs::read_to_string(folder.join("both.pem")).unwrap(), both.concat());
    done(folder, "key encrypt both.pem --passphrase-file passphrase --out of-both.pem --iterations 10000");
}

#[test]
fn one_command_issues_lists_and_revokes_both_certificates() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    secret(folder, "passphrase", "correct horse battery");
    let made = json(folder, "pki init --server-name localhost");
    let authorities = made["authorities"].as_array().unwrap();
    assert_eq!(authorities.iter().map(|one| one["algorithm"].as_str().unwrap()).collect::<Vec<_>>(), ["sm2", "p256"]);
    assert_eq!(authorities[0]["authority"], "pki/gm/ca.pem");
    let issue = "pki issue lin.wei --organisation company-c --role developer";
    let issued = json(folder, &format!("{issue} --key-passphrase-file passphrase"));
    assert_eq!(issued["folder"], "pki/identities/lin.wei");
    for key in ["pki/identities/lin.wei/key.pem", "pki/identities/lin.wei/gm/key.pem"] {
        assert_eq!(json(folder, &format!("key inspect {key} --passphrase-file passphrase"))["encrypted"], true);
    }
    assert!(refused(folder, issue).contains("revoke it first: glovebox pki revoke lin.wei"));
    let listed = json(folder, "pki list");
    let of_lin = || listed.as_array().unwrap().iter().filter(|entry| entry["common_name"] == "lin.wei");
    assert_eq!(of_lin().map(|entry| entry["algorithm"].as_str().unwrap()).collect::<Vec<_>>(), ["sm2", "p256"]);

    // The SM2 one alone; the other still holds, and another of its kind is still refused.
    let serial = of_lin().next().unwrap()["serial"].as_str().unwrap();
    assert_eq!(json(folder, &format!("pki revoke {serial}")).as_array().unwrap().len(), 1);
    let second = refused(folder, issue);
    assert!(second.contains("(p256)") && second.contains("--algorithm sm2"), "{second}");
    assert_eq!(json(folder, &format!("{issue} --algorithm sm2"))["certificates"].as_array().unwrap().len(), 1);
    assert_eq!(json(folder, "pki revoke lin.wei").as_array().unwrap().len(), 2);
    assert!(refused(folder, "pki revoke lin.wei").contains("no valid certificate"));
    let renewed = json(folder, "pki renew-list --days 60");
    let ends: Vec<_> = renewed["authorities"].as_array().unwrap().iter().map(|one| &one["revocations_until"]).collect();
    assert!(ends.iter().all(|end| end.is_string()), "{ends:?}");
    assert_eq!(
        json(folder, "pki issue --for-server --server-name a.test")["certificates"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn an_old_folder_takes_sm2_when_it_is_told_to() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    done(folder, "pki init --algorithm p256");
    done(folder, "pki issue lin.wei --organisation company-c --role developer");
    let refusal = refused(folder, "pki init");
    assert!(refusal.contains("glovebox pki init --dir pki --algorithm sm2"), "{refusal}");
    let issue = "pki issue lin.wei --organisation company-c --role developer --algorithm sm2";
    assert!(refused(folder, issue).contains("glovebox pki init --dir pki --algorithm sm2"));
    done(folder, "pki init --algorithm sm2");
    done(folder, issue);
    assert!(folder.join("pki/identities/lin.wei/gm/cert.pem").exists());
    assert!(refused(folder, "pki init").contains("choose another folder"));
}
