//! `glovebox org`: organisations on file.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use glovebox_catalog::{Organisation, OrganisationId, OrganisationKind};
use glovebox_client::{Stoppable, every};

use crate::command::{parse_name, zone};
use crate::connection::Global;
use crate::output::Output;
use crate::text;

/// Organisations on file.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox org list")]
pub(crate) enum Org {
    /// File an organisation; for the security officer
    #[command(
        after_help = "Examples:\n  glovebox org create hospital-a --name 甲医院 --kind supplier --jurisdiction CN"
    )]
    Create(Create),
    /// Shut an organisation out at once: its people get in nowhere, its jobs stop
    #[command(after_help = "Examples:\n  glovebox org suspend company-c --reason 'breach of the agreement'\n\n\
        For operators and security officers. It comes in again once an operator and a security officer have consented.")]
    Suspend(Suspend),
    /// Consent that an organisation comes in again
    #[command(after_help = "Examples:\n  glovebox org resume company-c --reason 'settled'")]
    Resume(Resume),
    /// List organisations
    #[command(after_help = "Examples:\n  glovebox org list --json")]
    List,
}

#[derive(Args)]
pub(crate) struct Create {
    /// Its id, the O of its people's certificates
    id: OrganisationId,
    /// Its name; the id unless given
    #[arg(long)]
    name: Option<String>,
    /// supplier, operator, developer, review-board or regulator
    #[arg(long, value_parser = parse_name::<OrganisationKind>)]
    kind: OrganisationKind,
    /// Under whose law it stands, ISO 3166
    #[arg(long, value_name = "CODE", default_value = "CN")]
    jurisdiction: String,
}

#[derive(Args)]
pub(crate) struct Suspend {
    /// The organisation
    organisation: OrganisationId,
    #[command(flatten)]
    why: zone::Why,
}

#[derive(Args)]
pub(crate) struct Resume {
    /// The organisation
    organisation: OrganisationId,
    #[command(flatten)]
    why: zone::Consent,
}

impl Org {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let client = &global.client()?;
        match self {
            Self::Create(Create { id, name, kind, jurisdiction }) => {
                let name = name.unwrap_or_else(|| id.to_string());
                let filed = client.create_organisation(&Organisation { id, name, kind, jurisdiction }).await?;
                output.show(&filed, || table(std::slice::from_ref(&filed)))
            }
            Self::Suspend(Suspend { organisation, why }) => {
                why.suspend(client, &Stoppable::Organisation(organisation), output).await
            }
            Self::Resume(Resume { organisation, why }) => {
                why.resume(client, &Stoppable::Organisation(organisation), output).await
            }
            Self::List => {
                let all = every(|page| async move { client.organisations(&page).await }).await;
                let all = all.context("list organisations")?;
                output.show(&all, || table(&all))
            }
        }
    }
}

fn table(organisations: &[Organisation]) -> String {
    let row = |o: &Organisation| [o.id.to_string(), o.name.clone(), text::name(&o.kind), o.jurisdiction.clone()];
    text::table(["id", "name", "kind", "jurisdiction"], organisations.iter().map(row))
}
