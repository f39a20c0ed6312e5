//! The machine: what its processor can do, its randomness, its clock, its memory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use glovebox_catalog::Timestamp;
use glovebox_gm::{Kernel, Key256, Sm3Lanes};

use super::report::Report;

const PROCESSOR: &str = "processor";
const RANDOMNESS: &str = "randomness";
const CLOCK: &str = "clock";
const MEMORY: &str = "memory";
/// 2026-11-01: no clock of a machine that runs this version is behind it.
const EARLIEST_UNIX_MS: i64 = 1_793_491_200_000;
/// 2100-01-01.
const LATEST_UNIX_MS: i64 = 4_102_444_800_000;
/// How far a file may be ahead of the clock, as clocks of file servers are.
const SKEW_MS: i64 = 300_000;
/// Keys drawn to test the generator: 65,536 bits.
const DRAWS: usize = 256;

pub(super) fn examine<'a>(report: &mut Report, now_ms: i64, folders: impl Iterator<Item = &'a PathBuf>) {
    processor(report);
    randomness(report);
    clock(report, now_ms, folders);
    memory(report);
}

fn processor(report: &mut Report) {
    let best = Kernel::best();
    if best.is_constant_time() {
        report.good(PROCESSOR, format!("SM4 by kernel {best}, in constant time"));
    } else {
        report.warning(
            PROCESSOR,
            format!("SM4 by kernel {best}: slow, and by a table, so its time tells something of keys and data"),
            "run the enclave on a processor with AES instructions, and alone on its cores until then",
        );
    }
    for better in Kernel::ALL.into_iter().take_while(|kernel| *kernel != best) {
        let missing = better.missing_features().join(", ");
        report.note(
            PROCESSOR,
            format!("not by kernel {better}: the processor, or what it is virtualised by, lacks {missing}"),
        );
    }
    let lanes = Sm3Lanes::best();
    report.good(PROCESSOR, format!("SM3 of up to {} messages at once ({})", lanes.count(), lanes.name()));
}

/// Draws as keys are drawn. Tests as at power-on (GM/T 0062): repetition, ones and zeros, groups of four bits; each bound is
/// met by a sound generator but once in 10⁸ runs.
fn randomness(report: &mut Report) {
    let keys: Result<Vec<Key256>, _> = (0..DRAWS).map(|_| Key256::random()).collect();
    let remedy = "the kernel's generator is at fault: stop the enclave, and let nobody make keys on this machine";
    let Ok(keys) = keys else {
        return report.fault(RANDOMNESS, "the operating system gives no randomness", remedy);
    };
    let distinct: BTreeSet<&[u8]> = keys.iter().map(Key256::expose).collect();
    let bytes: Vec<u8> = keys.iter().flat_map(Key256::expose).copied().collect();
    match distinct.len() == DRAWS && is_even(&bytes) {
        true => report.good(RANDOMNESS, "keys differ, their bits and nibbles are even"),
        false => report.fault(RANDOMNESS, "random numbers repeat or are uneven", remedy),
    }
}

/// Whether ones and zeros, and the 16 values of four bits, come about equally often.
fn is_even(bytes: &[u8]) -> bool {
    let bits = bytes.len() as f64 * 8.0;
    let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    let mut counts = [0_u32; 16];
    for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        if let Some(count) = counts.get_mut(usize::from(nibble)) {
            *count += 1;
        }
    }
    let expected = bits / 64.0;
    let chi_squared: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    // Six standard deviations; 15 degrees of freedom.
    (f64::from(ones) - bits / 2.0).abs() < 6.0 * bits.sqrt() / 2.0 && chi_squared < 70.0
}

fn clock<'a>(report: &mut Report, now_ms: i64, folders: impl Iterator<Item = &'a PathBuf>) {
    let now = Timestamp::from_unix_ms(now_ms);
    let remedy =
        "set the clock, and let a time service keep it: terms of certificates, lists and grants are judged by it";
    if !(EARLIEST_UNIX_MS..LATEST_UNIX_MS).contains(&now_ms) {
        return report.fault(CLOCK, format!("it says {now}"), remedy);
    }
    for folder in folders {
        if let Some((path, at_ms)) = newest(folder).filter(|(_, at_ms)| *at_ms > now_ms + SKEW_MS) {
            let at = Timestamp::from_unix_ms(at_ms);
            let what = format!("it says {now}, but `{}` was written at {at}: it was set back", path.display());
            return report.fault(CLOCK, what, remedy);
        }
    }
    report.good(CLOCK, format!("it says {now}"));
}

/// What was written last directly below a folder.
fn newest(folder: &Path) -> Option<(PathBuf, i64)> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let written = entries.filter_map(|entry| Some((entry.path(), unix_ms(entry.metadata().ok()?.modified().ok()?)?)));
    written.max_by_key(|(_, at_ms)| *at_ms)
}

fn unix_ms(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

fn memory(report: &mut Report) {
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    let devices: Vec<&str> = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    if devices.is_empty() {
        report.good(MEMORY, "no swap: rows and keys in memory stay off the disk");
    } else {
        report.warning(
            MEMORY,
            format!("swap is on ({}): rows and keys in memory may be written to it", devices.join(", ")),
            "`swapoff -a`, or encrypt it under a key of each start",
        );
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")?.split_whitespace().next());
    if core.is_some_and(|soft| soft != "0") {
        report.note(
            MEMORY,
            "a crash of a process started here may leave its memory in a core file; `ulimit -c 0` before `serve`",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn uneven_randomness_is_seen() {
        let mut state = 1_u64;
        let mut even: Vec<u8> = Vec::new();
        for _ in 0..8192 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            even.push((state >> 56) as u8);
        }
        assert!(is_even(&even));
        assert!(!is_even(&[0x55; 8192]), "as many ones as zeros, but one nibble");
        assert!(!is_even(&[0; 8192]));
        let stuck: Vec<u8> = even.iter().map(|byte| byte | 1).collect();
        assert!(!is_even(&stuck), "one bit of eight is stuck");
    }

    #[test]
    fn a_clock_that_was_set_back_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("enclave.db"), b"").unwrap();
        let written = newest(folder.path()).unwrap().1;
        for (now_ms, verdict) in [
            (written, Verdict::Good),
            (written - SKEW_MS - 1, Verdict::Fault),
            (0, Verdict::Fault),
            (LATEST_UNIX_MS, Verdict::Fault),
        ] {
            let mut report = Report::new();
            clock(&mut report, now_ms, [folder.path().to_owned()].iter());
            assert_eq!(report.findings.first().unwrap().verdict, verdict, "{now_ms}");
        }
    }
}
