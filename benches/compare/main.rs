//! Glovebox and its peers in one run: `make bench`, or `cargo run --profile bench -p glovebox-benches --bin compare`.
//!
//! After `--`: names of the parts to run (all without any), `--persons N` for the size of the table that is ingested,
//! `--memory-mib N` for the bound of ingestion, `--jobs N` for the number of jobs.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod cipher;
mod duckdb;
mod gate;
mod gcrypt;
mod gm;
mod guard;
#[cfg(feature = "enclave")]
mod ingest;
#[cfg(feature = "enclave")]
mod job;
mod openssl;
mod sandbox;
mod tls;
#[cfg(feature = "enclave")]
mod zone;

use anyhow::{Context as _, Result, bail};
use glovebox_benches::figure::{Figure, surroundings, table};

/// What was asked for on the command line.
struct Options {
    parts: Vec<String>,
    persons: u64,
    memory_mib: usize,
    jobs: usize,
}

#[cfg(feature = "enclave")]
const PARTS: [&str; 7] = ["sandbox", "gate", "guard", "gm", "tls", "ingest", "job"];
#[cfg(not(feature = "enclave"))]
const PARTS: [&str; 5] = ["sandbox", "gate", "guard", "gm", "tls"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The program starts itself anew for whatever is measured by a process's peak of memory.
    #[cfg(feature = "enclave")]
    if let Some((ingest::CHILD, rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return ingest::child(rest);
    }
    let options = Options::parse(arguments)?;
    println!("{}", surroundings());
    for part in PARTS.into_iter().filter(|part| options.parts.is_empty() || options.parts.iter().any(|p| p == part)) {
        println!("\n{part}\n\n{}", table(&run(part, &options)?));
    }
    println!("{}", surroundings());
    Ok(())
}

#[cfg_attr(not(feature = "enclave"), expect(unused_variables, reason = "only the parts of the enclave take options"))]
fn run(part: &str, options: &Options) -> Result<Vec<Figure>> {
    match part {
        "sandbox" => sandbox::figures(),
        "gate" => gate::figures(),
        "guard" => guard::figures(),
        "gm" => gm::figures(),
        "tls" => tls::figures(),
        #[cfg(feature = "enclave")]
        "ingest" => ingest::figures(options.persons, options.memory_mib),
        #[cfg(feature = "enclave")]
        "job" => job::figures(options.jobs),
        unknown => bail!("no part `{unknown}`; there are {PARTS:?}"),
    }
}

impl Options {
    /// Two million persons (about 8 million encounters, 700 MB of CSV), 64 MiB for ingestion, 300 jobs.
    fn parse(arguments: Vec<String>) -> Result<Self> {
        let mut options = Self { parts: Vec::new(), persons: 2_000_000, memory_mib: 64, jobs: 300 };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().with_context(|| format!("`{argument}` needs a number"));
            match argument.as_str() {
                "--persons" => options.persons = number()?.parse()?,
                "--memory-mib" => options.memory_mib = number()?.parse()?,
                "--jobs" => options.jobs = number()?.parse()?,
                part if PARTS.contains(&part) => options.parts.push(argument),
                unknown => bail!("`{unknown}` is neither an option nor one of {PARTS:?}"),
            }
        }
        Ok(options)
    }
}
