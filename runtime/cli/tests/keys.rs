//! Certificates and key files by the commands that make them: what is written, what is refused and with which words.
// Tells clippy that helpers beside the test functions are test code too.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

fn glovebox(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glovebox"));
    command.current_dir(folder).args(line.split_whitespace());
    for setting in ["GLOVEBOX_SERVER", "GLOVEBOX_IDENTITY", "GLOVEBOX_PKI", "GLOVEBOX_CA_PASSPHRASE_FILE", "RUST_LOG"] {
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

#[test]
fn keys_of_authorities_are_encrypted_and_opened_to_sign_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    secret(folder, "secret", "correct horse battery");
    secret(folder, "another", "incorrect horse battery");
    secret(folder, "short", "horse");
    let keys = ["pki/ca.key", "pki/gm/ca.key"].map(|key| folder.join(key));
    let each = || keys.iter().map(|key| std::fs::read_to_string(key).unwrap()).collect::<Vec<_>>();
    let are_encrypted = || each().iter().all(|key| key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let are_secret = || keys.iter().all(|key| std::fs::metadata(key).unwrap().permissions().mode() & 0o777 == 0o600);

    assert!(refused(folder, "pki init --ca-passphrase-file short").contains("at least 12 bytes"));
    assert!(!folder.join("pki").exists());
    done(folder, "pki init --algorithm p256 --ca-passphrase-file secret");
    // The second authority of a folder stands under the same passphrase.
    assert!(refused(folder, "pki init --algorithm sm2").contains("--ca-passphrase-file"));
    assert!(refused(folder, "pki init --algorithm sm2 --ca-passphrase-file another").contains("passphrase is another"));
    assert!(!folder.join("pki/gm").exists());
    done(folder, "pki init --algorithm sm2 --ca-passphrase-file secret");
    assert!(are_encrypted() && are_secret());

    let issue = "pki issue lin.wei --organisation company-c --role developer";
    let signing = [issue, "pki issue --for-server --server-name a.test", "pki revoke enclave", "pki renew-list"];
    let listed = done(folder, "pki list");
    for line in signing {
        let missing = refused(folder, line);
        assert!(missing.contains("gm/ca.key` is encrypted; give its passphrase: --ca-passphrase-file"), "{missing}");
        let wrong = refused(folder, &format!("{line} --ca-passphrase-file another"));
        assert!(wrong.contains("can't open `pki/gm/ca.key`") && wrong.contains("passphrase is another"), "{wrong}");
    }
    assert_eq!(done(folder, "pki list"), listed, "nothing was issued or revoked");
    done(folder, &format!("{issue} --ca-passphrase-file secret"));
    let by_environment = Command::new(env!("CARGO_BIN_EXE_glovebox"))
        .current_dir(folder)
        .args(["pki", "revoke", "lin.wei"])
        .env("GLOVEBOX_CA_PASSPHRASE_FILE", "secret")
        .env_remove("GLOVEBOX_PKI")
        .output()
        .unwrap();
    assert!(by_environment.status.success(), "{by_environment:?}");

    // Another passphrase, none, and one again.
    let before = each();
    assert!(refused(folder, "pki passphrase --new-ca-passphrase-file another").contains("--ca-passphrase-file"));
    let change = "pki passphrase --ca-passphrase-file secret --new-ca-passphrase-file";
    assert!(refused(folder, &format!("{change} short")).contains("at least 12 bytes"));
    assert_eq!(each(), before);
    done(folder, &format!("{change} another"));
    assert!(are_encrypted() && are_secret());
    assert!(refused(folder, "pki renew-list --ca-passphrase-file secret").contains("passphrase is another"));
    done(folder, "pki renew-list --ca-passphrase-file another");
    for key in ["pki/ca.key", "pki/gm/ca.key"] {
        done(folder, &format!("key decrypt {key} --passphrase-file another"));
    }
    done(folder, "pki renew-list");
    assert!(are_secret() && !are_encrypted());
    done(folder, "key encrypt pki/ca.key --passphrase-file secret --iterations 10000");
    done(folder, "pki passphrase --algorithm sm2 --new-ca-passphrase-file secret");
    assert!(are_encrypted());
    done(folder, "pki renew-list --ca-passphrase-file secret");

    // A passphrase that others can read is told of, as everywhere.
    std::fs::set_permissions(folder.join("secret"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let warned = glovebox(folder, "pki renew-list --ca-passphrase-file secret");
    assert!(String::from_utf8_lossy(&warned.stderr).contains("others can read `secret`"), "{warned:?}");
}

#[test]
fn public_keys_and_certificates_are_inspected() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    done(folder, "pki init --name trial --server-name a.test --server-name 10.0.0.5");
    let issued = json(folder, "pki issue lin.wei --organisation company-c --role developer");
    for (place, algorithm, index) in [("gm/", "sm2", 0), ("", "p256", 1)] {
        let file = format!("pki/identities/lin.wei/{place}cert.pem");
        let seen = json(folder, &format!("key inspect {file}"));
        let certificate = &seen["certificates"][0];
        assert_eq!((&seen["kind"], &certificate["algorithm"]), (&"certificate".into(), &algorithm.into()));
        assert_eq!(certificate["serial"], issued["certificates"][index]["serial"]);
        assert_eq!(certificate["not_after"], issued["certificates"][index]["not_after"]);
        assert_eq!(certificate["role"], serde_json::json!(["client"]));
        assert_eq!(certificate["principal_roles"], serde_json::json!(["developer"]));
        assert_eq!(certificate["usages"], serde_json::json!(["digitalSignature"]));
        assert_eq!(certificate["sm2_id"].is_string(), algorithm == "sm2");
        let key = json(folder, &format!("key inspect pki/identities/lin.wei/{place}key.pem"));
        assert_eq!(key["kind"], "private-key");
        assert_eq!(certificate["public_key_sm3"], key["fingerprint_sm3"]);

        std::fs::write(folder.join("public.pem"), key["public_key_pem"].as_str().unwrap()).unwrap();
        let public = json(folder, "key inspect public.pem");
        assert_eq!((&public["kind"], &public["algorithm"]), (&"public-key".into(), &algorithm.into()));
        assert_eq!((&public["curve"], &public["fingerprint_sm3"]), (&key["curve"], &key["fingerprint_sm3"]));

        let server = json(folder, &format!("key inspect pki/server/{place}cert.pem"));
        assert_eq!(server["certificates"][0]["names"], serde_json::json!(["a.test", "10.0.0.5"]));
        assert_eq!(server["certificates"][0]["role"], serde_json::json!(["server"]));
        let authority = done(folder, &format!("key inspect pki/{place}ca.pem"));
        for expected in ["certificate (authority)", "CN=trial", "keyCertSign, cRLSign", "public key SM3"] {
            assert!(authority.contains(expected), "{expected}: {authority}");
        }
        assert_eq!(authority.contains("1234567812345678"), algorithm == "sm2");
    }
    // A chain is shown whole.
    let both = ["pki/ca.pem", "pki/gm/ca.pem"].map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
    std::fs::write(folder.join("both.pem"), both.concat()).unwrap();
    assert_eq!(json(folder, "key inspect both.pem")["certificates"].as_array().unwrap().len(), 2);

    assert!(refused(folder, "key inspect pki/revoked.pem").contains("holds a X509 CRL; expected"));
    assert!(refused(folder, "key inspect pki/register.json").contains("is not PEM"));
    std::fs::write(folder.join("cert.der"), [0x30, 0x82, 0xff]).unwrap();
    assert!(refused(folder, "key inspect cert.der").contains("is not PEM"));
    assert!(refused(folder, "key inspect nowhere.pem").contains("can't read `nowhere.pem`"));
    let public = std::fs::read_to_string(folder.join("public.pem")).unwrap();
    let changed = public.replacen(&public[60..64], if &public[60..64] == "AAAA" { "BBBB" } else { "AAAA" }, 1);
    for (name, text) in [("changed.pem", changed), ("cut.pem", public[..90].to_owned()), ("two.pem", public.repeat(2))]
    {
        std::fs::write(folder.join(name), text).unwrap();
        assert!(refused(folder, &format!("key inspect {name}")).contains("public key"), "{name}");
    }
    let cut: String = both[0].replacen("MII", "MIA", 1);
    std::fs::write(folder.join("cut-cert.pem"), cut).unwrap();
    assert!(refused(folder, "key inspect cut-cert.pem").contains("can't read the certificate in `cut-cert.pem`"));
}

#[test]
fn a_server_opens_its_encrypted_key_with_the_right_passphrase_alone() {
    use std::io::{BufRead as _, BufReader};
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    secret(folder, "state-passphrase", "state horse battery");
    secret(folder, "passphrase", "correct horse battery");
    secret(folder, "another", "incorrect horse battery");
    done(folder, "pki init");
    done(folder, "pki issue --for-server --server-name localhost --key-passphrase-file passphrase");
    let serve = "serve --state enclave --passphrase-file state-passphrase --pki pki --organisation zone-operator \
                 --security-officer wang.min --listen 127.0.0.1:0 --admin 127.0.0.1:0";
    let missing = refused(folder, serve);
    assert!(missing.contains("key.pem") && missing.contains("encrypted; give"), "{missing}");
    let wrong = refused(folder, &format!("{serve} --key-passphrase-file another"));
    assert!(wrong.contains("key.pem") && wrong.contains("passphrase is another"), "{wrong}");

    let mut server = Command::new(env!("CARGO_BIN_EXE_glovebox"))
        .current_dir(folder)
        .args(format!("{serve} --key-passphrase-file passphrase").split_whitespace())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(line.starts_with("listening on https://127.0.0.1:"), "{line}");
}
