//! `glovebox whoami`.

use clap::Args;

use crate::connection::Global;
use crate::output::Output;
use crate::text;

/// Say who the enclave takes you for.
#[derive(Args)]
#[command(after_help = "Examples:\n  glovebox whoami\n  \
    glovebox --server https://127.0.0.1:8443 --identity pki/identities/lin.wei whoami")]
pub(crate) struct Whoami {}

impl Whoami {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let me = global.client()?.whoami().await?;
        output.show(&me, || {
            text::sheet(&[
                ("principal", me.principal.to_string()),
                ("organisation", me.organisation.to_string()),
                ("roles", text::names(&me.roles)),
            ])
        })
    }
}
