//! `glovebox zone`: stop everything, see what stands, go on. Suspending datasets, modules and organisations works alike.

use clap::{Args, Subcommand};
use glovebox_api::Decision;
use glovebox_catalog::{Suspended, Voice};
use glovebox_client::{Client, Stoppable, every};

use crate::connection::Global;
use crate::output::Output;
use crate::text;

/// The zone: stop everything at once, see what is suspended, go on.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox zone suspend --reason 'a leak is suspected'\n  glovebox zone status")]
pub(crate) enum Zone {
    /// Stop everything: waiting and running jobs end, nothing comes in or leaves
    #[command(after_help = "Examples:\n  glovebox zone suspend --reason 'a leak is suspected'\n\n\
        For operators and security officers. It goes on once an operator and a security officer have consented.")]
    Suspend(Why),
    /// Consent that the zone goes on
    #[command(after_help = "Examples:\n  glovebox zone resume --reason 'cause found and mended'")]
    Resume(Consent),
    /// Show what is suspended, by whom, why, and who has to consent
    #[command(after_help = "Examples:\n  glovebox zone status --json")]
    Status,
}

#[derive(Args)]
pub(crate) struct Why {
    /// Why; those who must consent later read it
    #[arg(long, alias = "comment")]
    reason: String,
}

#[derive(Args)]
pub(crate) struct Consent {
    /// Why
    #[arg(long, alias = "comment", default_value = "")]
    reason: String,
}

impl Zone {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let client = &global.client()?;
        match self {
            Self::Suspend(why) => why.suspend(client, &Stoppable::Zone, output).await,
            Self::Resume(why) => why.resume(client, &Stoppable::Zone, output).await,
            Self::Status => {
                let all = every(|page| async move { client.suspensions(&page).await }).await?;
                output.show(&all, || if all.is_empty() { "nothing is suspended".to_owned() } else { table(&all) })
            }
        }
    }
}

impl Why {
    pub(crate) async fn suspend(self, client: &Client, what: &Stoppable, output: &Output) -> anyhow::Result<()> {
        let suspended = client.suspend(what, &Decision { comment: self.reason }).await?;
        output.show(&suspended, || table(std::slice::from_ref(&suspended)))
    }
}

impl Consent {
    pub(crate) async fn resume(self, client: &Client, what: &Stoppable, output: &Output) -> anyhow::Result<()> {
        let left = client.resume(what, &Decision { comment: self.reason }).await?;
        output.show(&left, || match left.standing.is_empty() {
            true => format!("{} goes on", left.path()),
            false => table(std::slice::from_ref(&left)),
        })
    }
}

fn table(suspended: &[Suspended]) -> String {
    let who = |voice: &Voice| format!("{} ({})", voice.principal, voice.side.as_str());
    let rows = suspended.iter().flat_map(|of| {
        of.standing.iter().map(move |standing| {
            let open = standing
                .waits_for
                .iter()
                .map(|group| group.iter().map(|side| side.as_str()).collect::<Vec<_>>().join(" or "));
            [
                of.path(),
                who(&standing.by),
                standing.by.at.to_string(),
                text::cut(&standing.by.reason, 50),
                standing.consents.iter().map(who).collect::<Vec<_>>().join(", "),
                open.collect::<Vec<_>>().join(", "),
            ]
        })
    });
    text::table(["suspended", "by", "at", "why", "consented", "waits for"], rows)
}
