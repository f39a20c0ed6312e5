//! `glovebox principal`: people on file.

use clap::{Args, Subcommand};
use glovebox_api::{Decision, NewPrincipal};
use glovebox_catalog::{OrganisationId, Principal, PrincipalId, Role};
use glovebox_client::every;

use crate::connection::Global;
use crate::output::Output;
use crate::text;

/// Principals on file: people with a certificate.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox principal list")]
pub(crate) enum PrincipalCommand {
    /// File a principal; for the security officer
    #[command(
        after_help = "Examples:\n  glovebox principal create lin.wei --organisation company-c --role developer\n\n\
        Roles: supplier, operator, developer, reviewer, regulator, security-officer. Which ones go together depends on\n\
        the kind of organisation."
    )]
    Create(Create),
    /// List the principals that you may see
    #[command(after_help = "Examples:\n  glovebox principal list --json")]
    List,
    /// End a principal's rights at once, on open connections and running jobs too
    #[command(after_help = "Examples:\n  glovebox principal deactivate lin.wei --comment 'left the company'")]
    Deactivate(Deactivate),
}

#[derive(Args)]
pub(crate) struct Create {
    /// The CN of their certificate
    id: PrincipalId,
    /// Their name; the id unless given
    #[arg(long)]
    name: Option<String>,
    /// Their organisation
    #[arg(long)]
    organisation: OrganisationId,
    /// Their role; repeat for more
    #[arg(long = "role", required = true)]
    roles: Vec<Role>,
}

#[derive(Args)]
pub(crate) struct Deactivate {
    /// Who
    id: PrincipalId,
    /// Why
    #[arg(long, default_value = "")]
    comment: String,
}

impl PrincipalCommand {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let client = &global.client()?;
        match self {
            Self::Create(Create { id, name, organisation, roles }) => {
                let name = name.unwrap_or_else(|| id.to_string());
                let new = NewPrincipal { id, name, organisation, roles: roles.into_iter().collect() };
                let filed = client.create_principal(&new).await?;
                output.show(&filed, || table(std::slice::from_ref(&filed)))
            }
            Self::List => {
                let all = every(|page| async move { client.principals(&page).await }).await?;
                output.show(&all, || table(&all))
            }
            Self::Deactivate(Deactivate { id, comment }) => {
                let left = client.deactivate_principal(&id, &Decision { comment }).await?;
                output.show(&left, || table(std::slice::from_ref(&left)))
            }
        }
    }
}

fn table(principals: &[Principal]) -> String {
    let row = |p: &Principal| {
        let state = if p.active { "active" } else { "has left" };
        [p.id.to_string(), p.name.clone(), p.organisation.to_string(), text::names(&p.roles), state.to_owned()]
    };
    text::table(["id", "name", "organisation", "roles", "state"], principals.iter().map(row))
}
