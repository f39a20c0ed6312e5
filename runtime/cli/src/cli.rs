//! The words of the command line: every command, and the options that all of them take.

use clap::{Parser, Subcommand};

use crate::command;
use crate::connection::Global;
use crate::output::Output;

/// Runs an enclave, and talks to one.
#[derive(Parser)]
#[command(
    name = "glovebox",
    version,
    about = "Analyses on health data that stay inside: 数据可用不可见",
    long_about = "Runs an enclave in which WebAssembly jobs compute on health data, and talks to one.\n\
                  Raw rows never leave; metered aggregates that pass the disclosure rules do.",
    propagate_version = true,
    max_term_width = 110,
    after_help = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no connection, 4 does not verify.\n\n\
                  Examples:\n  glovebox demo\n  glovebox pki init --dir pki\n  \
                  glovebox --server https://127.0.0.1:8443 --identity pki/identities/lin.wei whoami"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// See the whole idea work on real data, in seconds · 演示
    Demo(command::demo::Demo),
    /// Run the server of an enclave · 启动服务
    Serve(Box<command::serve::Serve>),
    /// Make a new enclave in an empty folder · 初始化
    Init(command::init::Init),
    /// Certificates for a trial: an authority, its certificates, its revocations · 证书
    #[command(subcommand)]
    Pki(command::pki::Pki),
    /// Say who the enclave takes you for · 当前身份
    Whoami(command::whoami::Whoami),
    /// Organisations on file · 机构
    #[command(subcommand)]
    Org(command::org::Org),
    /// Stop everything at once, see what is suspended, go on · 停用
    #[command(subcommand)]
    Zone(command::zone::Zone),
    /// Principals on file: people with a certificate · 人员
    #[command(subcommand)]
    Principal(command::principal::PrincipalCommand),
    /// Datasets: catalogue, ingestion, snapshots · 数据集
    #[command(subcommand)]
    Dataset(command::dataset::DatasetCommand),
    /// Grants: who may compute what, for which purpose, how much · 授权
    #[command(subcommand)]
    Grant(command::grant::GrantCommand),
    /// Modules: the WebAssembly code of jobs · 模块
    #[command(subcommand)]
    Module(command::module::Module),
    /// Jobs: submit, watch, cancel · 作业
    #[command(subcommand)]
    Job(command::job::Job),
    /// Released tables · 结果
    #[command(subcommand)]
    Release(command::release::Release),
    /// Outputs that wait for reviewers · 审查
    #[command(subcommand)]
    Review(command::review::ReviewCommand),
    /// What a refusal code means, and what helps · 拒绝原因
    Refusal(command::refusal::RefusalCommand),
    /// Receipts, verified offline · 凭证
    #[command(subcommand)]
    Receipt(command::receipt::ReceiptCommand),
    /// Budgets, their use, and what runs now · 计量
    #[command(subcommand)]
    Meter(command::meter::Meter),
    /// The audit log: read, prove, verify offline · 审计
    #[command(subcommand)]
    Audit(command::audit::Audit),
    /// A witness of an enclave's log, for suppliers and regulators · 见证
    #[command(subcommand)]
    Witness(command::witness::WitnessCommand),
    /// The enclave's public key, and key files · 密钥
    #[command(subcommand)]
    Key(command::key::Key),
    /// Examine machine, algorithms, an enclave's folder, certificates · 体检
    Doctor(command::doctor::Doctor),
}

impl Command {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Demo(command) => command.run(output).await,
            Self::Serve(command) => command.run(global, output).await,
            Self::Init(command) => command.run(output),
            Self::Pki(command) => command.run(output),
            Self::Whoami(command) => command.run(global, output).await,
            Self::Org(command) => command.run(global, output).await,
            Self::Zone(command) => command.run(global, output).await,
            Self::Principal(command) => command.run(global, output).await,
            Self::Dataset(command) => command.run(global, output).await,
            Self::Grant(command) => command.run(global, output).await,
            Self::Module(command) => command.run(global, output).await,
            Self::Job(command) => command.run(global, output).await,
            Self::Release(command) => command.run(global, output).await,
            Self::Review(command) => command.run(global, output).await,
            Self::Refusal(command) => command.run(output),
            Self::Receipt(command) => command.run(output),
            Self::Meter(command) => command.run(global, output).await,
            Self::Audit(command) => command.run(global, output).await,
            Self::Witness(command) => command.run(output).await,
            Self::Key(command) => command.run(global, output).await,
            Self::Doctor(command) => command.run(output).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn every_command(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        let path = format!("{path} {}", command.get_name());
        for inner in command.get_subcommands() {
            every_command(inner, &path, found);
        }
        found.push((path.trim().to_owned(), command.clone()));
    }

    /// Words as a shell takes them, as far as examples need it.
    fn words(line: &str) -> Vec<&str> {
        let quoted = line.split('\'').enumerate();
        quoted
            .flat_map(|(index, part)| if index % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
            .collect()
    }

    #[test]
    fn the_words_fit_together() {
        Cli::command().debug_assert();
    }

    /// Whoever reads the help of a command sees how it is called, with that very command.
    #[test]
    fn every_command_shows_an_example_that_parses() {
        let mut found = Vec::new();
        every_command(&Cli::command(), "", &mut found);
        assert!(found.len() > 50, "{}", found.len());
        for (path, command) in found {
            let help = command.clone().term_width(1000).render_long_help().to_string();
            let (_, examples) = help.split_once("Examples:").unwrap_or_else(|| panic!("`{path}` has no example"));
            let examples = examples.replace("\\\n", " ");
            let lines: Vec<_> = examples.lines().map(str::trim).filter(|line| line.starts_with("glovebox")).collect();
            assert!(lines.iter().any(|line| line.contains(&path) || path == "glovebox"), "`{path}`: {lines:?}");
            for line in lines {
                let line = line.split(" > ").next().unwrap_or_default();
                let parsed = Cli::command().try_get_matches_from(words(line));
                assert!(
                    parsed.is_ok(),
                    "`{path}`: {line}: {}",
                    parsed.err().map(|e| e.to_string()).unwrap_or_default()
                );
            }
        }
    }
}
