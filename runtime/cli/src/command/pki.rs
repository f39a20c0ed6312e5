//! `glovebox pki`: certificates for a trial.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use glovebox_catalog::{OrganisationId, PrincipalId, Role, Timestamp};
use glovebox_gm::pki::Algorithm;
use serde_json::json;
use zeroize::Zeroizing;

use crate::authority::{Authorities, Beginning, Entry, Subject, now_unix_ms};
use crate::command::init::read_passphrase;
use crate::command::key::new_passphrase;
use crate::output::Output;
use crate::text;

/// Certificates for a trial: authorities, their certificates, their revocations.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox pki init --dir pki\n  \
    glovebox pki issue lin.wei --organisation company-c --role developer")]
pub(crate) enum Pki {
    /// Make the authorities, the server's certificates and empty revocation lists
    #[command(after_help = "Examples:\n  glovebox pki init --dir pki --server-name enclave.hospital.example\n  \
        glovebox pki init --dir pki --algorithm sm2\n  \
        glovebox pki init --dir pki --ca-passphrase-file secret\n\n\
        SM2 certificates are for TLS with SM2, SM3 and SM4 (RFC 8998), P-256 ones for standard TLS 1.3. The SM2 \
        authority stands in the folder's `gm`; the second example adds it to a folder that has none, for the names \
        that `--server-name` gives: give the same ones again.")]
    Init(Init),
    /// Issue a certificate for a principal, or a new one for the server
    #[command(after_help = "Examples:\n  glovebox pki issue lin.wei --organisation company-c --role developer\n  \
        glovebox pki issue --for-server --server-name localhost --server-name 127.0.0.1\n  \
        glovebox pki issue lin.wei --organisation company-c --role developer \\\n      \
        --key-passphrase-file passphrase\n\n\
        One folder holds the certificate of each algorithm that the authorities sign with; SM2 stands in its `gm`. \
        A certificate proves who calls; what they may do is filed with `glovebox principal create`.")]
    Issue(Issue),
    /// Revoke the certificates of a principal, or one by its serial number
    #[command(after_help = "Examples:\n  glovebox pki revoke lin.wei\n  \
        glovebox pki revoke 7bc87f86526c827c89ae3f7c658e030f\n\n\
        A name stands for all that it holds, SM2 and P-256; `glovebox pki list` shows serial numbers. \
        The server refuses it within a second, on open connections too.")]
    Revoke(Revoke),
    /// List what was issued
    #[command(after_help = "Examples:\n  glovebox pki list --dir pki")]
    List(List),
    /// Write the revocation lists anew before they end
    #[command(after_help = "Examples:\n  glovebox pki renew-list --days 30\n  \
        glovebox pki renew-list --ca-passphrase-file secret\n\n\
        The server accepts no client once the list has ended: a stale one could hide a revocation.")]
    RenewList(RenewList),
    /// Encrypt the authorities' keys, or change their passphrase
    #[command(after_help = "Examples:\n  glovebox pki passphrase --new-ca-passphrase-file secret\n  \
        glovebox pki passphrase --ca-passphrase-file secret --new-ca-passphrase-file another\n\n\
        Both keys, SM2 and P-256, unless --algorithm names one. Whoever kept a copy of a key opens it with the passphrase \
        that it had then; `glovebox key decrypt pki/ca.key` takes the passphrase away again.")]
    Passphrase(Passphrase),
}

/// For which suites a zone has certificates.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Algorithms {
    /// SM2, for TLS with SM2, SM3 and SM4 (RFC 8998)
    Sm2,
    /// P-256, for standard TLS 1.3
    P256,
    /// Both of them
    Both,
}

impl Algorithms {
    fn list(self) -> &'static [Algorithm] {
        match self {
            Self::Sm2 => &[Algorithm::Sm2],
            Self::P256 => &[Algorithm::P256],
            Self::Both => &Algorithm::ALL,
        }
    }
}

#[derive(Args)]
struct Folder {
    /// Folder of the authorities
    #[arg(long, default_value = "pki", env = "GLOVEBOX_PKI", hide_env_values = true)]
    dir: PathBuf,
}

/// How to get at the authorities' keys.
#[derive(Args)]
struct KeyAccess {
    /// File whose first line is the passphrase of the authorities' keys, if they are encrypted
    #[arg(long, value_name = "FILE", env = "GLOVEBOX_CA_PASSPHRASE_FILE", hide_env_values = true)]
    ca_passphrase_file: Option<PathBuf>,
}

impl KeyAccess {
    fn passphrase(&self, output: &Output) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
        self.ca_passphrase_file.as_deref().map(|file| read_passphrase(file, output)).transpose()
    }

    fn open(&self, folder: &Path, algorithms: &[Algorithm], output: &Output) -> anyhow::Result<Authorities> {
        let passphrase = self.passphrase(output)?;
        Authorities::open_these(folder, algorithms, passphrase.as_ref().map(|passphrase| passphrase.as_slice()))
    }
}

#[derive(Args)]
pub(crate) struct Init {
    #[command(flatten)]
    folder: Folder,
    /// File whose first line is the passphrase under which the authorities' keys are encrypted (SM4), at least 12 bytes
    #[arg(long, value_name = "FILE", env = "GLOVEBOX_CA_PASSPHRASE_FILE", hide_env_values = true)]
    ca_passphrase_file: Option<PathBuf>,
    /// Name of the zone
    #[arg(long, default_value = "zone")]
    name: String,
    /// DNS name or address of the server; repeat for more
    #[arg(long, value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    server_name: Vec<String>,
    /// What to sign with
    #[arg(long, value_enum, default_value_t = Algorithms::Both)]
    algorithm: Algorithms,
    /// Days that the authority is valid
    #[arg(long, default_value_t = 3650)]
    days: u32,
    /// Days that the revocation list is valid
    #[arg(long, default_value_t = 30)]
    list_days: u32,
}

#[derive(Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    access: KeyAccess,
    /// The principal
    #[arg(required_unless_present = "for_server")]
    principal: Option<PrincipalId>,
    /// Their organisation
    #[arg(long, required_unless_present = "for_server")]
    organisation: Option<OrganisationId>,
    /// Their role; repeat for more
    #[arg(long = "role", required_unless_present = "for_server")]
    roles: Vec<Role>,
    /// Issue for the server instead
    #[arg(long, conflicts_with_all = ["principal", "organisation", "roles"], requires = "server_name")]
    for_server: bool,
    /// DNS name or address of the server; repeat for more
    #[arg(long, value_name = "NAME", requires = "for_server")]
    server_name: Vec<String>,
    /// Issue with this algorithm alone; with each that the folder has an authority of unless given
    #[arg(long, value_enum)]
    algorithm: Option<Algorithms>,
    /// File whose first line is the passphrase under which the private keys are encrypted (SM4)
    #[arg(long, value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
    /// Days of validity
    #[arg(long, default_value_t = 365)]
    days: u32,
}

#[derive(Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    access: KeyAccess,
    /// Principal, or serial number
    who: String,
    /// Days that the new revocation list is valid
    #[arg(long, default_value_t = 30)]
    list_days: u32,
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    folder: Folder,
}

#[derive(Args)]
pub(crate) struct RenewList {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    access: KeyAccess,
    /// Days that it is valid
    #[arg(long, default_value_t = 30)]
    days: u32,
}

#[derive(Args)]
pub(crate) struct Passphrase {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    access: KeyAccess,
    /// File whose first line is the new passphrase, at least 12 bytes
    #[arg(long, value_name = "FILE")]
    new_ca_passphrase_file: PathBuf,
    /// Change the key of this algorithm alone; of each that the folder has an authority of unless given
    #[arg(long, value_enum)]
    algorithm: Option<Algorithms>,
}

impl Pki {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Init(init) => init.run(output),
            Self::Issue(issue) => issue.run(output),
            Self::Revoke(Revoke { folder, access, who, list_days }) => {
                let mut authorities = access.open(&folder.dir, &[], output)?;
                let revoked = authorities.revoke(&who, list_days)?;
                output.show(&revoked, || format!("revoked:\n{}", table(&revoked)))?;
                warn_of_the_other(&authorities, &revoked, output);
                Ok(())
            }
            Self::List(List { folder }) => {
                let opened = Authorities::read(&folder.dir)?;
                warn_of_the_end(&opened, output);
                let certificates: Vec<_> = opened.certificates().cloned().collect();
                output.show(&certificates, || table(&certificates))
            }
            Self::Passphrase(passphrase) => passphrase.run(output),
            Self::RenewList(RenewList { folder, access, days }) => {
                let mut opened = access.open(&folder.dir, &[], output)?;
                opened.write_lists(days)?;
                output.show(&facts(&folder.dir, &opened), || {
                    let until = opened.list_until().map_or_else(String::new, |until| until.to_string());
                    let lists = if opened.each().len() == 1 { "revocation list" } else { "revocation lists" };
                    format!("{lists} valid until {until}")
                })
            }
        }
    }
}

impl Init {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = &self.folder.dir;
        let passphrase = self.ca_passphrase_file.as_deref().map(|file| new_passphrase(file, output)).transpose()?;
        let beginning = Beginning {
            name: &self.name,
            server_names: &self.server_name,
            days: self.days,
            list_days: self.list_days,
            passphrase: passphrase.as_ref().map(|passphrase| passphrase.as_slice()),
        };
        let made = Authorities::create(folder, self.algorithm.list(), &beginning)?;
        output.show(&facts(folder, &made), || {
            let algorithms: Vec<_> = self.algorithm.list().iter().map(|one| one.as_str()).collect();
            format!(
                "authority `{}` ({}) in {}, server certificate for {}\n\
                 next: glovebox pki issue NAME --dir {} --organisation ID --role ROLE",
                self.name,
                algorithms.join(", "),
                folder.display(),
                self.server_name.join(", "),
                folder.display()
            )
        })
    }
}

impl Issue {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let algorithms = self.algorithm.map_or(&[][..], Algorithms::list);
        let mut authorities = self.access.open(&self.folder.dir, algorithms, output)?;
        let passphrase = self.key_passphrase_file.as_deref().map(|file| new_passphrase(file, output)).transpose()?;
        let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
        let issued = match (&self.principal, &self.organisation) {
            (Some(principal), Some(organisation)) => {
                refuse_a_second(&authorities, principal)?;
                let roles = self.roles.iter().map(|role| role.as_str().to_owned()).collect();
                let subject = Subject { common_name: principal.as_str(), organisation: organisation.as_str(), roles };
                authorities.issue(&subject, self.days, passphrase)?
            }
            _ => authorities.issue_server(&self.server_name, self.days, passphrase)?,
        };
        let facts = json!({ "folder": issued.folder, "certificates": issued.certificates });
        output.show(&facts, || {
            let Some(Entry { common_name, organisation, not_after, .. }) = issued.certificates.first() else {
                return String::new();
            };
            let algorithms: Vec<_> = issued.certificates.iter().map(|entry| entry.algorithm.as_str()).collect();
            let algorithms = algorithms.join(", ");
            format!("{common_name} of {organisation} ({algorithms}) until {not_after}: {}", issued.folder.display())
        })
    }
}

impl Passphrase {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let algorithms = self.algorithm.map_or(&[][..], Algorithms::list);
        let new = new_passphrase(&self.new_ca_passphrase_file, output)?;
        let mut authorities = self.access.open(&self.folder.dir, algorithms, output)?;
        authorities.change_passphrase(&new)?;
        let keys: Vec<_> = authorities.each().iter().map(|one| one.key_file()).collect();
        output.show(&json!({ "encrypted": keys }), || {
            let keys: Vec<_> = keys.iter().map(|key| key.display().to_string()).collect();
            format!("encrypted under the new passphrase: {}", keys.join(", "))
        })
    }
}

/// Nobody holds two valid certificates of one algorithm: whoever revokes them should not have to think of several.
fn refuse_a_second(authorities: &Authorities, principal: &PrincipalId) -> anyhow::Result<()> {
    let now = Timestamp::from_unix_ms(now_unix_ms());
    let holds =
        |entry: &&Entry| entry.common_name == principal.as_str() && entry.revoked_at.is_none() && entry.not_after > now;
    let held: Vec<_> = authorities.certificates().filter(holds).map(|entry| entry.algorithm.as_str()).collect();
    let missing = authorities.each().iter().map(|one| one.algorithm()).find(|one| !held.contains(&one.as_str()));
    let Some(algorithm) = held.first() else { return Ok(()) };
    let other =
        missing.map_or_else(String::new, |missing| format!(", or issue what is missing: --algorithm {missing}"));
    bail!(
        "`{principal}` has a valid certificate ({algorithm}); revoke it first: glovebox pki revoke {principal}{other}"
    )
}

/// Who revokes by a serial number takes one certificate: whoever holds the folder goes on with the other.
fn warn_of_the_other(authorities: &Authorities, revoked: &[Entry], output: &Output) {
    for Entry { common_name, .. } in authorities.still_valid_beside(revoked) {
        output.note(&format!(
            "warning: `{common_name}` still has a valid certificate; to revoke it as well: glovebox pki revoke {common_name}"
        ));
    }
}

fn facts(folder: &Path, authorities: &Authorities) -> serde_json::Value {
    let each = authorities.each().iter().map(|one| {
        json!({
            "algorithm": one.algorithm().as_str(),
            "authority": one.folder().join("ca.pem"),
            "revocations": one.folder().join("revoked.pem"),
            "revocations_until": one.list_until(),
        })
    });
    json!({ "folder": folder, "authorities": each.collect::<Vec<_>>(), "server": folder.join("server") })
}

fn warn_of_the_end(authorities: &Authorities, output: &Output) {
    let Some(until) = authorities.list_until() else { return };
    if until < Timestamp::from_unix_ms(now_unix_ms()).plus_days(7) {
        output.note(&format!("warning: the revocation list ends {until}; renew it: glovebox pki renew-list"));
    }
}

fn table(entries: &[Entry]) -> String {
    let now = Timestamp::from_unix_ms(now_unix_ms());
    let state = |entry: &Entry| match entry.revoked_at {
        Some(at) => format!("revoked {at}"),
        None if entry.not_after < now => "expired".to_owned(),
        None => "valid".to_owned(),
    };
    let rows = entries.iter().map(|entry| {
        let Entry { algorithm, serial, common_name, organisation, roles, not_after, .. } = entry;
        let day = not_after.to_string().chars().take(10).collect();
        let algorithm = algorithm.clone();
        [common_name.clone(), organisation.clone(), roles.join(", "), algorithm, day, state(entry), serial.clone()]
    });
    text::table(["name", "organisation", "roles", "algorithm", "until", "state", "serial"], rows)
}
