//! `glovebox doctor`: whether this machine, the algorithms on it, an enclave's folder and a server's certificates are well.

mod algorithms;
mod handshake;
mod machine;
mod pki;
mod record;
mod report;
mod state;
mod witnesses;

use std::path::PathBuf;

use clap::Args;

use crate::authority::now_unix_ms;
use crate::command::doctor::report::Report;
use crate::command::witness::read_policy;
use crate::connection::first_line;
use crate::output::Output;
use crate::tls_files::Sources;

/// Examine the machine, the algorithms, and, where they are named, an enclave's folder and a server's certificates.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    glovebox doctor\n  \
    glovebox doctor --state enclave --pki pki --witnesses witnesses.toml\n  \
    glovebox doctor --json > doctor.json\n\n\
    Exit code 1 when something is wrong, marked ✗; what deserves a look is marked !, and says why. \
    Nothing is changed, and no passphrase is needed but that of encrypted private keys. To read files that only the \
    enclave's user may read, run it as that user.")]
pub(crate) struct Doctor {
    /// Folder of an enclave: permissions, owners, free space; of one that is stopped also whether it is as new as its counter, and what is suspended
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Folder of `glovebox pki`, or one laid out like it: keys, certificates, revocation lists and their ends
    #[arg(long, value_name = "FOLDER")]
    pki: Option<PathBuf>,
    /// File whose first line is the passphrase of the server's private keys, where they are encrypted
    #[arg(long, value_name = "FILE", requires = "pki")]
    key_passphrase_file: Option<PathBuf>,
    /// The enclave's file of witnesses: who answers, what they know, whether they have seen a fork
    #[arg(long, value_name = "FILE")]
    witnesses: Option<PathBuf>,
}

impl Doctor {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<()> {
        let now_ms = now_unix_ms();
        let mut report = Report::new();
        machine::examine(&mut report, now_ms, [&self.state, &self.pki].into_iter().flatten());
        algorithms::examine(&mut report);
        handshake::examine(&mut report, now_ms);
        if let Some(folder) = &self.state {
            state::examine(&mut report, folder);
            record::examine(&mut report, folder, now_ms);
        }
        match self.witnesses.as_deref().map(read_policy).transpose()? {
            Some(policy) => witnesses::examine(&mut report, &policy).await,
            None if self.state.is_some() => witnesses::nobody(&mut report),
            None => {}
        }
        if let Some(folder) = self.pki {
            let key_passphrase = self.key_passphrase_file;
            let passphrase = key_passphrase.as_deref().map(first_line).transpose()?;
            let sources = Sources { pki: Some(folder), key_passphrase, ..Sources::default() };
            pki::examine(&mut report, &sources, passphrase.as_deref().map(Vec::as_slice), now_ms);
        }
        report.tell(output)
    }
}
