//! OpenSSL's own speed test as a peer: the one on the path, and an OpenSSL 4, which has SM4-GCM. Where one is missing, or
//! its build lacks an algorithm, there is no peer, and that is said.
#![allow(clippy::print_stderr, reason = "a table without its peer says why, beside itself")]

use std::process::Command;

/// One OpenSSL.
pub(crate) struct OpenSsl {
    program: String,
    /// `OpenSSL 4.0.3`.
    pub(crate) name: String,
}

impl OpenSsl {
    /// The one that `openssl` starts.
    pub(crate) fn on_path() -> Option<Self> {
        Self::of("openssl").inspect_err(|why| eprintln!("no peer: {why}")).ok()
    }

    /// An OpenSSL 4: `GLOVEBOX_OPENSSL`, or the one that scripts/openssl.sh built before.
    pub(crate) fn four() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/openssl.sh");
        let found = match std::env::var("GLOVEBOX_OPENSSL") {
            Ok(program) => Self::of(&program),
            Err(_) => printed(script, &["--cached"])
                .and_then(|program| Self::of(program.trim()))
                .map_err(|_| "no OpenSSL 4; set GLOVEBOX_OPENSSL, or build one: scripts/openssl.sh".to_owned()),
        };
        found.inspect_err(|why| eprintln!("no peer: {why}")).ok()
    }

    fn of(program: &str) -> Result<Self, String> {
        let version = printed(program, &["version"])?;
        let name = version.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Ok(Self { program: program.to_owned(), name })
    }

    /// MB/s of one algorithm on blocks of `bytes`, by CPU time, as ours.
    pub(crate) fn megabytes_per_second(&self, algorithm: &str, bytes: usize) -> Option<f64> {
        let output = self.speed(&["-bytes", &bytes.to_string(), "-evp", algorithm])?;
        let line = output.lines().find(|line| line.starts_with("+F:"))?;
        Some(line.rsplit(':').next()?.trim().parse::<f64>().ok()? / 1e6)
    }

    /// Signatures and verifications a second.
    pub(crate) fn sm2_per_second(&self) -> Option<(f64, f64)> {
        let output = self.speed(&["sm2"])?;
        let line = output.lines().find(|line| line.contains("CurveSM2"))?;
        let mut numbers = line.rsplit(':').map(|number| number.trim().parse::<f64>().ok());
        let verify = numbers.next()??;
        Some((numbers.next()??, verify))
    }

    /// `-mr` prints lines that programs can read.
    fn speed(&self, arguments: &[&str]) -> Option<String> {
        let options = [&["speed", "-mr", "-seconds", "2"], arguments].concat();
        printed(&self.program, &options).ok()
    }
}

/// What a program prints.
fn printed(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|_| format!("`{program}` does not start"))?;
    let line = || arguments.first().copied().unwrap_or_default();
    let failed = || format!("`{program} {}` failed", line());
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()).ok_or_else(failed)
}
