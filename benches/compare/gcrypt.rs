//! libgcrypt as a peer, by a C program that is compiled here and now. Without compiler or library, there is no peer, and
//! that is said.
#![allow(clippy::print_stderr, reason = "a table without its peer says why, beside itself")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

const SOURCE: &str = include_str!("gcrypt.c");

/// The compiled program.
pub(crate) struct Gcrypt(PathBuf);

impl Gcrypt {
    /// Compiles it beside this program.
    pub(crate) fn compile() -> Option<Self> {
        match compile() {
            Ok(program) => Some(Self(program)),
            Err(error) => {
                eprintln!("no peer: libgcrypt: {error:#}; `apt install gcc libgcrypt20-dev`");
                None
            }
        }
    }

    /// Its version, and MB/s that it seals messages of `bytes` with.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn seals(&self, bytes: usize) -> Result<(String, f64)> {
        let output = Command::new(&self.0).arg(bytes.to_string()).output()?;
        ensure!(output.status.success(), "libgcrypt failed: {}", String::from_utf8_lossy(&output.stderr));
        let line = String::from_utf8(output.stdout)?;
        let (version, rate) = line.trim().split_once(' ').context("version and rate")?;
        Ok((format!("libgcrypt {version}, SM4-GCM"), rate.parse()?))
    }
}

fn compile() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("compare-gcrypt");
    let mut compiler = Command::new("cc")
        .args(["-O2", "-x", "c", "-", "-lgcrypt", "-o"])
        .arg(&program)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("`cc` does not start")?;
    compiler.stdin.take().context("a pipe to `cc`")?.write_all(SOURCE.as_bytes())?;
    let output = compiler.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", complaint.lines().next().unwrap_or("`cc` failed"));
    Ok(program)
}
