//! The binary as its users call it: cases as data in offline.toml and online.toml, the demo as a whole.
// Tells clippy that helpers beside the test functions are test code too.
#![cfg(test)]

use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(rename = "as")]
    caller: Option<String>,
    args: Vec<String>,
    code: i32,
    #[serde(default)]
    stdout: Vec<String>,
    #[serde(default)]
    stderr: Vec<String>,
}

fn cases(text: &str) -> Vec<Case> {
    toml::from_str::<Cases>(text).unwrap().case
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The binary in a folder, without the settings of whoever runs the tests.
fn glovebox(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glovebox"));
    for setting in ["GLOVEBOX_SERVER", "GLOVEBOX_IDENTITY", "GLOVEBOX_TLS", "RUST_LOG"] {
        command.env_remove(setting);
    }
    command.current_dir(folder);
    command.env("XDG_CONFIG_HOME", folder).env("COLUMNS", "160").stdin(Stdio::null());
    command
}

/// What is wrong with the answer to a case.
fn faults(case: &Case, output: &Output, fill: &dyn Fn(&str) -> String) -> Vec<String> {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut faults = Vec::new();
    if output.status.code() != Some(case.code) {
        faults.push(format!("exit code {:?}, expected {}", output.status.code(), case.code));
    }
    for (name, text, expected) in [("stdout", &stdout, &case.stdout), ("stderr", &stderr, &case.stderr)] {
        faults.extend(
            expected.iter().map(|e| fill(e)).filter(|e| !text.contains(e)).map(|e| format!("no `{e}` on {name}")),
        );
    }
    if faults.is_empty() {
        return faults;
    }
    vec![format!("{}: {}\n--- stdout\n{stdout}--- stderr\n{stderr}", case.name, faults.join("; "))]
}

/// Files that the cases name.
fn fill(folder: &Path) {
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    let take = |path: &str| std::fs::read(repository(path)).unwrap();
    let receipt = take("runtime/audit/vectors/receipt.json");
    put("receipt.json", &receipt);
    let mut altered: Value = serde_json::from_slice(&receipt).unwrap();
    altered["statement"]["cells_released"] = 999.into();
    put("receipt-altered.json", altered.to_string().as_bytes());
    let mut cosigned: Value = serde_json::from_slice(&receipt).unwrap();
    cosigned["cosignatures"].as_array_mut().unwrap().truncate(1);
    put("receipt-one-witness.json", cosigned.to_string().as_bytes());
    let mut cosigned: Value = serde_json::from_slice(&receipt).unwrap();
    cosigned["cosignatures"][1]["witness"] = "regulator".into();
    put("receipt-other-witness.json", cosigned.to_string().as_bytes());
    let witnesses = String::from_utf8(take("runtime/audit/vectors/witnesses.toml")).unwrap();
    put("witnesses.toml", witnesses.as_bytes());
    put("witnesses-away.toml", witnesses.replace("192.0.2.", "127.0.0.").replace(":9470", ":1").as_bytes());
    put("witnesses-one.toml", witnesses.replace("required = 2", "required = 1").as_bytes());
    put("enclave.pem", &take("runtime/audit/vectors/enclave.pem"));
    fill_forked(&folder.join("forked"));
    let other = glovebox_gm::SigningKey::generate().unwrap();
    put("other.pem", other.verifying_key().to_pem().unwrap().as_bytes());
    put("output", b"output");
    put("passphrase", b"correct horse battery staple\n");
    put("short", b"short\n");

    let export = String::from_utf8(take("runtime/audit/vectors/export.jsonl")).unwrap();
    put("export.jsonl", export.as_bytes());
    put("export-changed.jsonl", export.replacen("g-2", "g-7", 1).as_bytes());
    let lines: Vec<&str> = export.lines().collect();
    let head: Value = serde_json::from_str(lines[6]).unwrap();
    put("head.json", head["head"].to_string().as_bytes());
    let join = |order: &[usize]| order.iter().map(|line| format!("{}\n", lines[*line])).collect::<String>();
    put("export-swapped.jsonl", join(&[0, 2, 1, 3, 4, 5, 6]).as_bytes());
    put("export-cut.jsonl", join(&[0, 1, 2, 3, 4, 6]).as_bytes());
    put("export-headless.jsonl", join(&[0, 1, 2, 3, 4, 5]).as_bytes());

    let bmi = take("examples/jobs/bmi-by-age-sex/bmi-by-age-sex.wasm");
    put("half.wasm", &bmi[..bmi.len() / 2]);
    put("bmi-by-age-sex.wasm", &bmi);
    put("pressure-by-age.wasm", &take("examples/jobs/pressure-by-age/pressure-by-age.wasm"));
    let component = "examples/jobs/visits-per-person/visits-per-person.component.wasm";
    put("visits-per-person.component.wasm", &take(component));
    let assemble = |path: &str| wat::parse_bytes(&take(path)).unwrap().into_owned();
    put("keeps-state.wasm", &assemble("runtime/cli/src/demo/keeps_state.wat"));
    put("no-manifest.wasm", &assemble("tests/guests/has_no_manifest.wat"));
}

/// A witness that was shown two roots of one size.
fn fill_forked(folder: &Path) {
    use glovebox_audit::{AddHead, Log, TreeHead};
    let enclave = glovebox_gm::SigningKey::generate().unwrap();
    let at = glovebox_catalog::Timestamp::from_unix_ms(0);
    let head = |root: &[u8]| {
        let head = TreeHead { root: glovebox_gm::sm3(root), ..Log::new("log-1").head(at) };
        TreeHead { size: 6, ..head }.sign(&enclave).unwrap()
    };
    let name = glovebox_catalog::WitnessId::new("hospital-a").unwrap();
    let setup = glovebox_witness::Setup { name, enclave: enclave.verifying_key().clone(), log_id: None };
    let iterations = glovebox_gm::key_file::ITERATIONS_MIN;
    glovebox_witness::create(folder, &setup, b"correct horse battery staple", iterations).unwrap();
    let witness = glovebox_witness::Witness::open(folder, b"correct horse battery staple").unwrap();
    let ask = |root: &[u8]| witness.add_head(&AddHead { old: None, head: head(root), hashes: Vec::new() }, at);
    assert!(ask(b"one").is_ok() && ask(b"other").is_err());
}

/// Tables for ingestion.
fn fill_tables(folder: &Path) {
    let csv = std::fs::read_to_string(repository("examples/data/nhanes-2017/nhanes-2017.csv")).unwrap();
    let mut lines = csv.lines();
    let (head, first, second) = (lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap());
    let bmi = head.split(',').position(|name| name == "bmi").unwrap();
    let mut fields: Vec<&str> = second.split(',').collect();
    fields[bmi] = "fat";
    std::fs::write(folder.join("bad.csv"), format!("{head}\n{first}\n{}\n", fields.join(","))).unwrap();
    std::fs::write(folder.join("other.csv"), "name,number\nx,1\n").unwrap();
    std::fs::write(folder.join("nhanes-2017.csv"), csv).unwrap();
}

#[test]
fn offline_commands_answer_as_promised() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let mut found = Vec::new();
    for case in cases(include_str!("offline.toml")) {
        let output = glovebox(folder.path()).args(&case.args).output().unwrap();
        found.extend(faults(&case, &output, &str::to_owned));
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

/// Under a screen, with every promised line, and nothing left behind.
#[test]
fn the_demo_fits_a_screen() {
    let temporary = tempfile::tempdir().unwrap();
    let output = glovebox(temporary.path()).arg("demo").env("TMPDIR", temporary.path()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.lines().count() <= 40, "{} lines\n{stdout}", stdout.lines().count());
    // Ideographs are two columns wide.
    let columns =
        |line: &str| line.chars().map(|c| if ('\u{2e80}'..='\u{ffef}').contains(&c) { 2 } else { 1 }).sum::<usize>();
    for line in stdout.lines() {
        assert!(columns(line) <= 100, "{} columns: {line}", columns(line));
    }
    for promised in [
        "8,366 rows of 8,366 persons",
        "20,190 rows of 5,912 persons",
        "approved by both hospitals and a reviewer",
        "bmi-by-age-sex: proven to keep no state between rows",
        "visits-per-person: overwritten between persons",
        "gate.cell-below-threshold",
        "sandbox.row-keeps-state",
        "a developer approves their own grant → policy.not-permitted",
        "a job reads blood pressure, too → policy.column-not-granted",
        "the same job with ε = 1 instead of rules: 84 figures",
        "a sum without one person, after the sum with her → gate.differencing",
        "1 of 3, at δ 1e-9",
        "receipt verified offline",
        "one number altered: the signature of the statement does not verify",
        "audit log verified",
    ] {
        assert!(stdout.contains(promised), "no `{promised}` in\n{stdout}");
    }
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A process that is stopped whatever happens to the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> (Self, BufReader<std::process::ChildStdout>) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        (Self(child), BufReader::new(stdout))
    }

    /// SIGINT, as Ctrl-C sends it.
    fn interrupt(mut self) -> std::process::ExitStatus {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads up to a line that begins so, and gives its rest.
fn read_until(lines: &mut impl std::io::BufRead, start: &str) -> String {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "no line `{start}` in\n{seen}");
        if let Some((_, rest)) = line.split_once(start) {
            return rest.trim().to_owned();
        }
        seen.push_str(&line);
    }
}

/// Ids of the demo that the cases name.
struct Ids {
    server: String,
    grant: String,
    module: String,
    job: String,
    release: String,
}

impl Ids {
    fn fill(&self, text: &str) -> String {
        let Self { grant, module, job, release, .. } = self;
        [("{grant}", grant), ("{module}", module), ("{job}", job), ("{release}", release)]
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

fn call(folder: &Path, server: &str, caller: &str, args: &[String]) -> Output {
    let identity = format!("pki/identities/{caller}");
    glovebox(folder).args(["--server", server, "--identity", &identity]).args(args).output().unwrap()
}

/// The demo's server goes on by hand, ends in order, and starts again from what it left.
#[test]
fn a_kept_demo_goes_on_by_hand() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("trial");
    let mut command = glovebox(temporary.path());
    let (demo, mut lines) = Running::start(command.args(["demo", "--keep", "--folder", "trial"]));
    let exported = read_until(&mut lines, "export GLOVEBOX_SERVER=");
    let server = exported.split(' ').next().unwrap().to_owned();
    let submit = read_until(&mut lines, "job submit --grant ");
    let release = read_until(&mut lines, "release show ");
    let again = read_until(&mut lines, "glovebox serve ");
    let words: Vec<&str> = submit.split_whitespace().collect();
    let receipt: Value = serde_json::from_slice(&std::fs::read(folder.join("receipt.json")).unwrap()).unwrap();
    let job = receipt["statement"]["job"].as_str().unwrap().to_owned();
    let ids = Ids { server, grant: words[0].to_owned(), module: words[4].to_owned(), job, release };
    fill_tables(&folder);
    std::fs::write(
        folder.join("keeps-state.wasm"),
        wat::parse_str(include_str!("../src/demo/keeps_state.wat")).unwrap(),
    )
    .unwrap();
    let template = glovebox(&folder).args(["grant", "propose", "--template"]).output().unwrap();
    std::fs::write(folder.join("terms.json"), template.stdout).unwrap();

    let mut found = Vec::new();
    for case in cases(include_str!("online.toml")) {
        let args: Vec<String> = case.args.iter().map(|arg| ids.fill(arg)).collect();
        let output = call(&folder, &ids.server, case.caller.as_deref().unwrap(), &args);
        found.extend(faults(&case, &output, &|text| ids.fill(text)));
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
    assert_revoked(&folder, &ids.server, "li.na");

    assert!(demo.interrupt().success());
    let (served, mut lines) = Running::start(glovebox(&folder).arg("serve").args(again.split_whitespace()));
    read_until(&mut lines, "listening on https://");
    let output = call(&folder, &ids.server, "lin.wei", &["job".into(), "show".into(), ids.job.clone()]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("released"), "{output:?}");
    assert_revoked(&folder, &ids.server, "li.na");
    assert!(served.interrupt().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

/// The server looks at the revocation list once a second.
fn assert_revoked(folder: &Path, server: &str, caller: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let output = call(folder, server, caller, &["whoami".into()]);
        if output.status.code() == Some(3) || output.status.code() == Some(1) {
            return;
        }
        assert!(Instant::now() < deadline, "{output:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_new_enclave_is_made_and_never_overwritten() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    std::fs::write(folder.join("passphrase"), "correct horse battery staple\n").unwrap();
    let init = || {
        let args =
            "init --state enclave --passphrase-file passphrase --organisation zone --security-officer wang.min --json";
        glovebox(folder).args(args.split(' ')).output().unwrap()
    };
    let made = init();
    let key: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(key["algorithm"], "sm2-with-sm3");
    // The file can be read by others: that is worth a word.
    assert!(String::from_utf8_lossy(&made.stderr).contains("chmod 600"), "{made:?}");
    let again = init();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds an enclave already"), "{again:?}");

    std::fs::write(folder.join("wrong"), "another horse battery staple\n").unwrap();
    assert!(glovebox(folder).args(["pki", "init"]).output().unwrap().status.success());
    let args = ["serve", "--state", "enclave", "--passphrase-file", "wrong", "--pki", "pki"];
    let refused = glovebox(folder).args(args).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("passphrase"), "{refused:?}");
}

/// What a supplier and an operator type, as docs/witnesses.md has it: the enclave's log is cosigned, and everybody can see.
#[test]
fn a_witness_is_set_up_and_cosigns() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let run = |line: &str| {
        let output = glovebox(folder).args(line.split(' ')).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        output.stdout
    };
    std::fs::write(folder.join("passphrase"), "correct horse battery staple\n").unwrap();
    let words = "--organisation zone --security-officer wang.min --json";
    let key: Value =
        serde_json::from_slice(&run(&format!("init --state enclave --passphrase-file passphrase {words}"))).unwrap();
    std::fs::write(folder.join("enclave.pem"), key["public_key_pem"].as_str().unwrap()).unwrap();
    run("pki init");
    run("pki issue --for-server --server-name localhost");
    run("witness init --dir witness --name hospital-a --enclave-key enclave.pem --passphrase-file passphrase");
    let serve = ["--json", "witness", "serve", "--dir", "witness", "--passphrase-file", "passphrase"];
    let (witness, mut lines) = Running::start(glovebox(folder).args(serve).args(["--listen", "127.0.0.1:0"]));
    let url = read_until(&mut lines, "\"server\":\"").split('"').next().unwrap().to_owned();
    let entry = String::from_utf8(run(&format!("witness show --dir witness --url {url}"))).unwrap();
    std::fs::write(folder.join("witnesses.toml"), format!("required = 1\n\n{entry}")).unwrap();
    let serve = "serve --state enclave --passphrase-file passphrase --pki pki --witnesses witnesses.toml \
                 --listen 127.0.0.1:0 --admin 127.0.0.1:0";
    let (enclave, mut lines) = Running::start(glovebox(folder).args(serve.split_whitespace()));
    let admin = read_until(&mut lines, "metrics on http://");
    let admin = admin.split('/').next().unwrap().to_owned();
    let deadline = Instant::now() + Duration::from_secs(30);
    let cosigned = "glovebox_witness_cosigning{witness=\"hospital-a\"} 1";
    while !metrics(&admin).contains(cosigned) {
        assert!(Instant::now() < deadline, "{}", metrics(&admin));
        std::thread::sleep(Duration::from_millis(100));
    }
    let size = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let text = metrics(&admin);
    assert_eq!(size(&text, "glovebox_audit_events_witnessed "), size(&text, "glovebox_audit_events_total "));
    let shown = String::from_utf8(run("witness show --dir witness")).unwrap();
    assert!(shown.contains(&format!("events of {}", key["log_id"].as_str().unwrap())), "{shown}");
    let doctor = String::from_utf8(run("doctor --witnesses witnesses.toml")).unwrap();
    assert!(doctor.contains("✓ 1 of 1 answer, 1 are needed"), "{doctor}");
    assert!(enclave.interrupt().success() && witness.interrupt().success());
}

/// The text of the admin address.
fn metrics(admin: &str) -> String {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(admin).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// A server of one kind of suites turns the other kind away; both ends are told why, and the client tries nothing else.
#[test]
fn suites_that_are_not_served_are_refused_with_a_reason() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    std::fs::write(folder.join("passphrase"), "correct horse battery staple\n").unwrap();
    let run = |args: &str| glovebox(folder).args(args.split(' ')).output().unwrap();
    assert!(run("pki init").status.success());
    assert!(run("pki issue wang.min --organisation zone --role security-officer").status.success());
    let state = "--state enclave --passphrase-file passphrase --organisation zone --security-officer wang.min";
    for (served, other, told, logged) in [
        ("gm", "standard", "may speak RFC 8998 alone", "this server speaks RFC 8998 alone"),
        ("standard", "gm", "may not speak RFC 8998", "serves no SM2 certificate"),
    ] {
        let serve = format!("serve {state} --pki pki --listen 127.0.0.1:0 --admin 127.0.0.1:0 --tls {served}");
        let (mut server, mut lines) = Running::start(glovebox(folder).args(serve.split(' ')));
        let mut log = server.0.stderr.take().unwrap();
        let listening = read_until(&mut lines, "listening on ");
        let (address, spoken) = listening.split_once(' ').unwrap();
        assert!(spoken.starts_with(&format!("(TLS: {served})")), "{spoken}");
        let whoami = format!("--server {address} --identity pki/identities/wang.min whoami --tls");
        let answer = run(&format!("{whoami} {served}"));
        assert!(String::from_utf8_lossy(&answer.stdout).contains("wang.min"), "{answer:?}");
        let refused = run(&format!("{whoami} {other}"));
        assert_eq!(refused.status.code(), Some(3), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(told), "{refused:?}");
        // What there is settles it where nothing is said: the SM2 certificate, served or not.
        assert_eq!(run(&format!("{whoami} auto")).status.success(), served == "gm");
        assert!(server.interrupt().success());
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        assert!(text.contains(logged) && !text.contains("\u{1b}"), "{text}");
    }
}
