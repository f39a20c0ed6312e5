//! OpenSSL's own speed test as a peer. Where it is not installed, or its build lacks an algorithm, there is no peer.

use std::process::Command;

/// MB/s of one algorithm on blocks of `bytes`, by CPU time, as ours.
pub(crate) fn megabytes_per_second(algorithm: &str, bytes: usize) -> Option<f64> {
    let output = speed(&["-bytes", &bytes.to_string(), "-evp", algorithm])?;
    let line = output.lines().find(|line| line.starts_with("+F:"))?;
    Some(line.rsplit(':').next()?.trim().parse::<f64>().ok()? / 1e6)
}

/// Signatures and verifications a second.
pub(crate) fn sm2_per_second() -> Option<(f64, f64)> {
    let output = speed(&["sm2"])?;
    let line = output.lines().find(|line| line.contains("CurveSM2"))?;
    let mut numbers = line.rsplit(':').map(|number| number.trim().parse::<f64>().ok());
    let verify = numbers.next()??;
    Some((numbers.next()??, verify))
}

/// `-mr` prints lines that programs can read.
fn speed(arguments: &[&str]) -> Option<String> {
    let output = Command::new("openssl").args(["speed", "-mr", "-seconds", "2"]).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
