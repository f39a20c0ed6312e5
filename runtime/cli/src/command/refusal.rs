//! `glovebox refusal`: what a code means. Needs no enclave.

use anyhow::bail;
use clap::Args;
use glovebox_catalog::{REFUSAL_PARTS, RefusalCode, refusal_code, refusal_codes};
use serde_json::json;

use crate::output::Output;
use crate::text;

/// What a refusal code means: its rule, why there is one, and what helps.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  glovebox refusal gate.cell-below-threshold\n  glovebox refusal gate\n  glovebox refusal"
)]
pub(crate) struct RefusalCommand {
    /// The code, or the part before its dot; every code when left out
    code: Option<String>,
}

impl RefusalCommand {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        if let Some(entry) = self.code.as_deref().and_then(refusal_code) {
            return output.show(&document(entry), || explained(entry));
        }
        let part = self.code.as_deref().unwrap_or_default();
        let of_part = |code: &str| part.is_empty() || code.split('.').next() == Some(part);
        let found: Vec<_> = refusal_codes().filter(|entry| of_part(entry.code)).collect();
        if found.is_empty() {
            let named = part.split('.').next().unwrap_or_default();
            let close: Vec<_> =
                refusal_codes().map(|entry| entry.code).filter(|code| code.split('.').next() == Some(named)).collect();
            if close.is_empty() {
                bail!("no code `{part}` is registered in this version; `glovebox refusal` lists all");
            }
            bail!("no code `{part}` is registered in this version; of `{named}` there are: {}", close.join(", "));
        }
        let documents: Vec<_> = found.iter().map(|entry| document(entry)).collect();
        output.show(&documents, || list(&found))
    }
}

fn document(entry: &RefusalCode) -> serde_json::Value {
    json!({ "code": entry.code, "rule": entry.rule, "why": entry.why, "remedy": entry.remedy })
}

fn explained(entry: &RefusalCode) -> String {
    let when = REFUSAL_PARTS.iter().find(|part| part.codes.contains(entry)).map(|part| part.when).unwrap_or_default();
    text::sheet(&[
        ("code", entry.code.to_owned()),
        ("rule", entry.rule.to_owned()),
        ("why", entry.why.to_owned()),
        ("remedy", entry.remedy.to_owned()),
        ("met", when.to_owned()),
    ])
}

fn list(entries: &[&RefusalCode]) -> String {
    text::table(["code", "rule"], entries.iter().map(|entry| [entry.code.to_owned(), entry.rule.to_owned()]))
}
