//! The commands of docs/receipts.md for OpenSSL, run as they stand there on the golden files: with the program of this
//! machine and with OpenSSL 4, as far as they are there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use glovebox_gm::SigningKey;

const PAGE: &str = include_str!("../../../docs/receipts.md");

/// The shell's code block under the heading.
fn commands() -> &'static str {
    let section = PAGE.split_once("\n## With OpenSSL alone\n").unwrap().1.split("\n## ").next().unwrap();
    let block = section.split_once("```sh\n").unwrap().1;
    block.split_once("```").unwrap().0
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What to search programs in: as this process does, and with OpenSSL 4 before it. Under continuous integration both
/// have to be there; elsewhere it is said aloud when one is not.
fn search_paths() -> Vec<String> {
    let usual = std::env::var("PATH").unwrap();
    let own = Command::new("openssl").args(["genpkey", "-algorithm", "SM2"]).output();
    let own = own.is_ok_and(|output| output.status.success()).then(|| usual.clone());
    let newest = Command::new(root().join("scripts/openssl.sh")).arg("--cached").output().unwrap();
    let newest = newest.status.success().then(|| {
        let program = String::from_utf8(newest.stdout).unwrap();
        format!("{}:{usual}", Path::new(program.trim()).parent().unwrap().display())
    });
    for (what, found) in [("the machine's OpenSSL", &own), ("OpenSSL 4", &newest)] {
        if found.is_none() {
            assert!(std::env::var_os("CI").is_none(), "{what} with SM2 is missing, see scripts/openssl.sh");
            // Not by `eprintln!`, which the test runner keeps to itself.
            writeln!(std::io::stderr(), "\nRECEIPTS ARE NOT VERIFIED WITH {}: IT IS MISSING", what.to_uppercase())
                .unwrap();
        }
    }
    own.into_iter().chain(newest).collect()
}

/// Runs the page's commands in a folder with the golden files, after `change` was made there.
fn verifies(search_path: &str, change: impl Fn(&Path)) -> bool {
    let vectors = root().join("runtime/audit/vectors");
    let folder = Folder::create();
    for name in ["receipt.json", "enclave.pem"] {
        std::fs::copy(vectors.join(name), folder.0.join(name)).unwrap();
    }
    std::fs::write(folder.0.join("release.json"), "output").unwrap();
    change(&folder.0);
    let output = Command::new("sh").args(["-c", commands()]).current_dir(&folder.0).env("PATH", search_path).output();
    let output = output.unwrap();
    let ends_well = String::from_utf8_lossy(&output.stdout).ends_with("the receipt verifies\n");
    assert_eq!(output.status.success(), ends_well, "{output:?}");
    ends_well
}

struct Folder(PathBuf);

impl Folder {
    fn create() -> Self {
        let name = format!("glovebox-receipt-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn replace(folder: &Path, name: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(folder.join(name), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn the_commands_of_the_page_verify_the_golden_receipt() {
    for path in search_paths() {
        assert!(verifies(&path, |_| ()), "{path}");
    }
}

#[test]
fn the_commands_of_the_page_refuse_what_was_changed() {
    let another = SigningKey::generate().unwrap().verifying_key().to_pem().unwrap();
    for path in search_paths() {
        for (name, from, to) in [
            ("receipt.json", "\"cells_released\": 12", "\"cells_released\": 13"),
            ("receipt.json", "\"bmi_max\": 39.5", "\"bmi_max\": 39.25"),
            ("receipt.json", "\"size\": 9,\n      \"root\": \"46", "\"size\": 9,\n      \"root\": \"47"),
            ("receipt.json", "\"signature\": \"e791", "\"signature\": \"e792"),
            ("receipt.json", "\"signature\": \"afa5", "\"signature\": \"afa6"),
            ("receipt.json", "\"signature\": \"afa5", "\"signature\": \"00afa5"),
            ("receipt.json", "\"signature\": \"afa5", "\"signature\": \"1\\n[rs]\\nafa5"),
            ("receipt.json", "\"statement_sm3\": \"5461", "\"statement_sm3\": \"5462"),
            ("release.json", "output", "outpux"),
        ] {
            assert!(!verifies(&path, |folder| replace(folder, name, from, to)), "{to}");
        }
        assert!(!verifies(&path, |folder| std::fs::write(folder.join("enclave.pem"), &another).unwrap()));
    }
}
