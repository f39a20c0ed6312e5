//! The end of the demo: what the enclave states verifies from files alone, and nothing that was altered does.

use std::io::BufReader;

use anyhow::{Context as _, bail};
use futures::TryStreamExt as _;
use glovebox_api::JobView;
use glovebox_audit::{Receipt, verify_export};
use glovebox_client::ReleaseFormat;
use glovebox_gm::VerifyingKey;

use super::cast::Cast;
use crate::authority::write;
use crate::connection::{read, read_bytes};
use crate::text::number;
use crate::zone::Zone;

/// Writes key, receipt, release and export to files, and verifies them from there.
pub(crate) async fn verify(zone: &Zone, cast: &Cast, job: &JobView) -> anyhow::Result<Vec<String>> {
    let place = |name: &str| zone.folder.join(name);
    let release = job.release.as_ref().context("a released job has a release")?;
    let document = cast.developer.release_bytes(release, ReleaseFormat::Json).await?;
    let receipt = cast.developer.job_receipt(&job.id).await?;
    write(&place("enclave.pem"), &zone.key.public_key_pem)?;
    write(&place("receipt.json"), &serde_json::to_string_pretty(&receipt)?)?;
    std::fs::write(place("release.json"), &document)?;
    let chunks: Vec<_> = cast.regulator.export_audit().await?.try_collect().await?;
    std::fs::write(place("audit.jsonl"), chunks.concat())?;

    let key = VerifyingKey::from_pem(&read(&place("enclave.pem"))?)?;
    let receipt: Receipt = serde_json::from_slice(&read_bytes(&place("receipt.json"))?)?;
    receipt.verify(&key)?;
    receipt.verify_output(&read_bytes(&place("release.json"))?)?;
    let mut altered = receipt.clone();
    altered.statement.cells_withheld += 1;
    let Err(fault) = altered.verify(&key) else { bail!("the enclave is broken: an altered receipt verifies") };
    let export = verify_export(BufReader::new(std::fs::File::open(place("audit.jsonl"))?), &key, None)?;
    let (sequence, size) = (receipt.inclusion.sequence, receipt.inclusion.size);
    Ok(vec![
        format!("receipt verified offline: SM2 signature, table, entry {sequence} of {size} in the log"),
        format!("one number altered: {}", fault.to_string().split(": ").next().unwrap_or_default()),
        format!("audit log verified: {} entries, {} refusals", number(export.head.size), number(export.refused)),
    ])
}
