//! `glovebox pki`: certificates for a trial.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::{Args, Subcommand};
use glovebox_catalog::{OrganisationId, PrincipalId, Role, Timestamp};
use serde_json::json;

use crate::authority::{AuthorityFolder, Entry, Subject, now_unix_ms};
use crate::output::Output;
use crate::text;

/// Certificates for a trial: an authority, its certificates, its revocations.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox pki init --dir pki\n  \
    glovebox pki issue lin.wei --organisation company-c --role developer")]
pub(crate) enum Pki {
    /// Make an authority, the server's certificate and an empty revocation list
    #[command(after_help = "Examples:\n  glovebox pki init --dir pki --server-name enclave.hospital.example")]
    Init(Init),
    /// Issue a certificate for a principal, or a new one for the server
    #[command(after_help = "Examples:\n  glovebox pki issue lin.wei --organisation company-c --role developer\n  \
        glovebox pki issue --for-server --server-name localhost --server-name 127.0.0.1\n\n\
        A certificate proves who calls; what they may do is filed with `glovebox principal create`.")]
    Issue(Issue),
    /// Revoke the certificates of a principal, or one by its serial number
    #[command(after_help = "Examples:\n  glovebox pki revoke lin.wei\n\n\
        The server refuses it within a second, on open connections too.")]
    Revoke(Revoke),
    /// List what was issued
    #[command(after_help = "Examples:\n  glovebox pki list --dir pki")]
    List(List),
    /// Write the revocation list anew before it ends
    #[command(after_help = "Examples:\n  glovebox pki renew-list --days 30\n\n\
        The server accepts no client once the list has ended: a stale one could hide a revocation.")]
    RenewList(RenewList),
}

#[derive(Args)]
struct Folder {
    /// Folder of the authority
    #[arg(long, default_value = "pki", env = "GLOVEBOX_PKI", hide_env_values = true)]
    dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct Init {
    #[command(flatten)]
    folder: Folder,
    /// Name of the zone
    #[arg(long, default_value = "zone")]
    name: String,
    /// DNS name or address of the server; repeat for more
    #[arg(long, value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    server_name: Vec<String>,
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
    /// Days of validity
    #[arg(long, default_value_t = 365)]
    days: u32,
}

#[derive(Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    folder: Folder,
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
    /// Days that it is valid
    #[arg(long, default_value_t = 30)]
    days: u32,
}

impl Pki {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Init(init) => {
                let folder = &init.folder.dir;
                let made = AuthorityFolder::create(folder, &init.name, &init.server_name, init.days, init.list_days)?;
                output.show(&facts(folder, &made), || {
                    format!(
                        "authority `{}` in {}, server certificate for {}\n\
                         next: glovebox pki issue NAME --dir {} --organisation ID --role ROLE",
                        init.name,
                        folder.display(),
                        init.server_name.join(", "),
                        folder.display()
                    )
                })
            }
            Self::Issue(issue) => issue.run(output),
            Self::Revoke(Revoke { folder, who, list_days }) => {
                let revoked = AuthorityFolder::open(&folder.dir)?.revoke(&who, list_days)?;
                output.show(&revoked, || format!("revoked:\n{}", table(&revoked)))
            }
            Self::List(List { folder }) => {
                let opened = AuthorityFolder::open(&folder.dir)?;
                warn_of_the_end(&opened, output);
                output.show(opened.certificates(), || table(opened.certificates()))
            }
            Self::RenewList(RenewList { folder, days }) => {
                let mut opened = AuthorityFolder::open(&folder.dir)?;
                opened.write_list(days)?;
                output.show(&facts(&folder.dir, &opened), || {
                    format!(
                        "revocation list valid until {}",
                        opened.list_until().map_or_else(String::new, |t| t.to_string())
                    )
                })
            }
        }
    }
}

impl Issue {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let mut authority = AuthorityFolder::open(&self.folder.dir)?;
        let (folder, entry) = match (&self.principal, &self.organisation) {
            (Some(principal), Some(organisation)) => {
                let now = Timestamp::from_unix_ms(now_unix_ms());
                let holds = |entry: &&Entry| {
                    entry.common_name == principal.as_str() && entry.revoked_at.is_none() && entry.not_after > now
                };
                let valid = authority.certificates().iter().filter(holds).count();
                ensure!(
                    valid == 0,
                    "`{principal}` has a valid certificate; revoke it first: glovebox pki revoke {principal}"
                );
                let roles = self.roles.iter().map(|role| role.as_str().to_owned()).collect();
                let subject = Subject { common_name: principal.as_str(), organisation: organisation.as_str(), roles };
                authority.issue(subject, self.days)?
            }
            _ => authority.issue_server(&self.server_name, self.days)?,
        };
        let facts = json!({ "folder": folder, "certificate": entry });
        output.show(&facts, || {
            format!("{} of {} until {}: {}", entry.common_name, entry.organisation, entry.not_after, folder.display())
        })
    }
}

fn facts(folder: &Path, authority: &AuthorityFolder) -> serde_json::Value {
    json!({
        "folder": folder,
        "authority": folder.join("ca.pem"),
        "revocations": folder.join("revoked.pem"),
        "revocations_until": authority.list_until(),
        "server": folder.join("server"),
    })
}

fn warn_of_the_end(authority: &AuthorityFolder, output: &Output) {
    let Some(until) = authority.list_until() else { return };
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
        let Entry { serial, common_name, organisation, roles, not_after, .. } = entry;
        let day = not_after.to_string().chars().take(10).collect();
        [common_name.clone(), organisation.clone(), roles.join(", "), day, state(entry), serial.clone()]
    });
    text::table(["name", "organisation", "roles", "until", "state", "serial"], rows)
}
