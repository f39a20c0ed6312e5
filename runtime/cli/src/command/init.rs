//! `glovebox init`: a new enclave.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use glovebox_api::NewPrincipal;
use glovebox_catalog::{Organisation, OrganisationId, OrganisationKind, PrincipalId, Role};
use glovebox_engine::{Bootstrap, Config, Engine};
use zeroize::Zeroizing;

use crate::connection::read_bytes;
use crate::output::Output;

/// Make a new enclave in an empty folder.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    glovebox init --state enclave --passphrase-file passphrase \\\n      \
      --organisation zone-operator --security-officer wang.min\n\n\
    The passphrase seals the enclave's keys. Without it, nothing in the folder can be read, by anyone, ever.\n\
    The security officer files everyone else, and touches no data.")]
pub(crate) struct Init {
    /// Folder for everything that the enclave keeps; empty or missing
    #[arg(long, value_name = "FOLDER")]
    state: PathBuf,
    /// File whose first line is the passphrase, at least 12 bytes, readable by you alone
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    #[command(flatten)]
    first: First,
}

/// Who is there first.
#[derive(Args, Clone)]
pub(crate) struct First {
    /// The operator's organisation
    #[arg(long, value_name = "ID", required = false, requires = "security_officer")]
    organisation: Option<OrganisationId>,
    /// Its name; the id unless given
    #[arg(long, value_name = "NAME")]
    organisation_name: Option<String>,
    /// Its jurisdiction, ISO 3166
    #[arg(long, value_name = "CODE", default_value = "CN")]
    jurisdiction: String,
    /// The security officer: the CN of their certificate
    #[arg(long, value_name = "ID", requires = "organisation")]
    security_officer: Option<PrincipalId>,
    /// Their name; the id unless given
    #[arg(long, value_name = "NAME")]
    security_officer_name: Option<String>,
}

impl Init {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let config = Config::new(&self.state);
        ensure!(
            !Engine::exists(&config),
            "`{}` holds an enclave already; start it with `glovebox serve`",
            self.state.display()
        );
        let passphrase = read_passphrase(&self.passphrase_file, output)?;
        let bootstrap = self.first.bootstrap()?;
        let engine = Engine::create(config, &passphrase, bootstrap)?;
        let key = engine.key()?;
        engine.note_stop()?;
        output.show(&key, || {
            format!(
                "enclave in {}\npublic key SM3 {}\nlog {}\nnext: glovebox serve --state {} --passphrase-file {} --pki pki",
                self.state.display(),
                key.fingerprint_sm3,
                key.log_id,
                self.state.display(),
                self.passphrase_file.display()
            )
        })
    }
}

impl First {
    /// Whether they were named at all.
    pub(crate) fn is_given(&self) -> bool {
        self.organisation.is_some()
    }

    pub(crate) fn bootstrap(&self) -> anyhow::Result<Bootstrap> {
        let missing = "a new enclave needs `--organisation ID` and `--security-officer ID`";
        let id = self.organisation.clone().context(missing)?;
        let officer = self.security_officer.clone().context(missing)?;
        let name = self.organisation_name.clone().unwrap_or_else(|| id.to_string());
        let officer_name = self.security_officer_name.clone().unwrap_or_else(|| officer.to_string());
        let principal = NewPrincipal {
            id: officer,
            name: officer_name,
            organisation: id.clone(),
            roles: [Role::SecurityOfficer].into(),
        };
        let jurisdiction = self.jurisdiction.clone();
        let organisation = Organisation { id, name, kind: OrganisationKind::Operator, jurisdiction };
        Ok(Bootstrap { organisation, principal })
    }
}

/// The first line of the file.
pub(crate) fn read_passphrase(path: &Path, output: &Output) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    use std::os::unix::fs::PermissionsExt as _;
    let bytes = Zeroizing::new(read_bytes(path)?);
    let mode = std::fs::metadata(path).map_or(0, |data| data.permissions().mode());
    if mode & 0o077 != 0 {
        output.note(&format!("warning: others can read `{}`; run: chmod 600 {}", path.display(), path.display()));
    }
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    ensure!(!line.is_empty(), "the first line of `{}` is empty; it should be the passphrase", path.display());
    Ok(Zeroizing::new(line.to_vec()))
}
