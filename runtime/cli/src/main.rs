//! The command line of Glovebox: `glovebox <command>`. docs/cli.md describes it.

mod authority;
mod cli;
mod command;
mod connection;
mod demo;
mod failure;
mod output;
mod released;
mod screen;
mod text;
mod tls_files;
mod zone;

use std::process::ExitCode;

use clap::Parser as _;

use crate::output::Output;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = Output::new(cli.global.json);
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, &output),
    }
}

fn run(cli: cli::Cli, output: &Output) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(cli.command.run(&cli.global, output));
    // A thread that reads a terminal or a pipe must not hold up the end.
    runtime.shutdown_background();
    done
}
