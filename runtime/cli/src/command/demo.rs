//! `glovebox demo`: the whole idea on real data, in seconds.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::json;

use crate::command::serve::{command_line, stop_signal};
use crate::demo::{DEVELOPER, OFFICER, REGULATOR, REVIEWER, RUNNER, SUPPLIER_A, play};
use crate::output::Output;

/// See the whole idea work on real data, in seconds.
#[derive(Args)]
#[command(after_help = "Examples:\n  glovebox demo\n  glovebox demo --keep\n  glovebox demo --keep --folder trial\n\n\
    Starts a real server on a free port of this machine, plays seven people of six organisations through its REST \
    interface, and stops it again. The tables are public: NHANES 2017-2018 and the RAND Health Insurance Experiment.")]
pub(crate) struct Demo {
    /// Leave the server running, and print the commands to go on by hand
    #[arg(long)]
    keep: bool,
    /// Folder for everything; a temporary one unless given
    #[arg(long, value_name = "FOLDER", requires = "keep")]
    folder: Option<PathBuf>,
}

impl Demo {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<()> {
        // Whoever stops the demo halfway must not leave tables behind in a temporary folder.
        let mut stop = Box::pin(stop_signal()?);
        let temporary = tempfile::Builder::new().prefix("glovebox-demo-").tempdir()?;
        let folder = match &self.folder {
            Some(folder) => {
                std::fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
                let is_empty = std::fs::read_dir(folder)?.next().is_none();
                ensure!(is_empty, "`{}` is not empty; name another folder", folder.display());
                folder.canonicalize()?
            }
            None => temporary.path().to_owned(),
        };
        let played = tokio::select! {
            played = play(&folder, output) => played?,
            () = &mut stop => return Ok(()),
        };
        if self.keep {
            if self.folder.is_none() {
                let _ = temporary.keep();
            }
            let facts = json!({
                "server": played.zone.url(),
                "admin": format!("http://{}", played.zone.admin),
                "folder": folder,
                "grant": played.grant.id,
                "module": played.module.id,
                "job": played.job.id,
                "release": played.job.release,
            });
            output.show_one(&facts, || go_on(&folder, &played))?;
            stop.await;
            output.note("stopping");
        }
        played.zone.stop().await
    }
}

fn go_on(folder: &Path, played: &crate::demo::Played) -> String {
    let identity = |id: &str| format!("--identity {}/pki/identities/{id}", folder.display());
    let (developer, operator) = (identity(DEVELOPER.id), identity(RUNNER.id));
    let (officer, regulator) = (identity(OFFICER.id), identity(REGULATOR.id));
    let (supplier, reviewer) = (identity(SUPPLIER_A.id), identity(REVIEWER.id));
    let server = played.zone.url();
    let programs = std::env::current_exe().ok();
    let programs = programs.as_deref().and_then(Path::parent).unwrap_or(Path::new(".")).display();
    let scope = played.grant.terms.scopes.first().map_or_else(String::new, |scope| scope.dataset.to_string());
    let again =
        command_line(&folder.join("enclave"), &folder.join("passphrase"), &folder.join("pki"), played.zone.address);
    let release = played.job.release.as_ref().map_or_else(String::new, ToString::to_string);
    format!(
        "\nThe server goes on until Ctrl-C. In another terminal:\n\n  \
         export GLOVEBOX_SERVER={server} PATH={programs}:$PATH\n  \
         glovebox {developer} dataset list\n  \
         glovebox {developer} job submit --grant {} --dataset {scope} --module {} --set obese_from=28 --wait\n  \
         glovebox {developer} release show {release}\n  \
         glovebox {operator} meter watch\n  \
         glovebox {supplier} meter show\n  \
         glovebox {reviewer} grant show {}\n  \
         glovebox {regulator} audit list\n  \
         glovebox {officer} principal deactivate {} --comment 'left the company'\n  \
         glovebox receipt verify {}/receipt.json --key {}/enclave.pem --release {}/release.json\n  \
         curl http://{}/metrics\n\n\
         Once stopped, everything is still in {}. To start it again:\n\n  {again}\n",
        played.grant.id,
        played.module.id,
        played.grant.id,
        DEVELOPER.id,
        folder.display(),
        folder.display(),
        folder.display(),
        played.zone.admin,
        folder.display(),
    )
}
