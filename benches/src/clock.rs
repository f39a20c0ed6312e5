//! Clocks for a machine that does other things meanwhile, and what a process took of it.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// CPU time that `work` takes in this thread: the least of `rounds`. Waiting for the processor does not count, so
/// the figure is one of a core, whatever else runs.
pub fn cpu_best<T>(rounds: u32, mut work: impl FnMut() -> Result<T>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        best = best.min(cpu_of(&mut work)?);
    }
    Ok(best)
}

/// The same for two kinds of work, turn by turn, so that both meet the same machine.
pub fn cpu_best_of_two<A, B>(
    rounds: u32,
    mut ours: impl FnMut() -> Result<A>,
    mut theirs: impl FnMut() -> Result<B>,
) -> Result<(Duration, Duration)> {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..rounds {
        best.0 = best.0.min(cpu_of(&mut ours)?);
        best.1 = best.1.min(cpu_of(&mut theirs)?);
    }
    Ok(best)
}

/// What a contestant does for one measurement.
pub type Work<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

/// The same for any number of contestants, whose times come in their order.
pub fn cpu_best_of_all(rounds: u32, contestants: &mut [Work<'_>]) -> Result<Vec<Duration>> {
    let mut best = vec![Duration::MAX; contestants.len()];
    for _ in 0..rounds {
        for (best, work) in best.iter_mut().zip(contestants.iter_mut()) {
            *best = (*best).min(cpu_of(work)?);
        }
    }
    Ok(best)
}

fn cpu_of<T>(work: &mut impl FnMut() -> Result<T>) -> Result<Duration> {
    let before = now(ClockId::ThreadCPUTime);
    black_box(work()?);
    Ok(now(ClockId::ThreadCPUTime).saturating_sub(before))
}

/// CPU time of this thread so far.
#[must_use]
pub fn thread_cpu() -> Duration {
    now(ClockId::ThreadCPUTime)
}

/// CPU time of all threads of this process so far.
#[must_use]
pub fn process_cpu() -> Duration {
    now(ClockId::ProcessCPUTime)
}

fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Peak of resident memory of this process so far, in bytes (`VmHWM`, proc_pid_status(5)).
///
/// # Errors
/// Where there is no such line.
pub fn peak_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

/// Runnable tasks, mean over the last minute: what else the machine was doing.
///
/// # Errors
/// Where there is no such file.
pub fn load() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().context("no load in /proc/loadavg")?.parse()?)
}

/// The value below which a `share` of `sorted` lies (nearest rank); zero for no values.
#[must_use]
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
