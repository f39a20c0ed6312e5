//! What is tried in the demo and must not work. A try that works ends the demo with an error.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use glovebox_api::{Decision, IngestionReport, JobState, JobView, SubmitJob};
use glovebox_catalog::{Capacity, Grant, Refusal};
use glovebox_client::ClientError;

use super::cast::Cast;
use super::teller::LINE_WIDTH;
use crate::text::wrapped;

const KEEPS_STATE: &str = include_str!("keeps_state.wat");
const ALL_BUT_ONE: &str = include_str!("all_but_one.wat");
/// Age and body-mass index of one woman, as somebody may know them who knows her.
const KNOWN: [(&str, f64); 2] = [("age", 67.0), ("index", 84.4)];
const HYPERTENSION: &[u8] = include_bytes!("../../../../examples/jobs/hypertension/hypertension.wasm");

/// The developer approves what the developer proposed.
pub(crate) async fn approve_own_grant(cast: &Cast, proposed: &Grant) -> anyhow::Result<Vec<String>> {
    let yes = Decision::default();
    let tried = cast.developer.approve_grant(&proposed.id, Some(Capacity::Reviewer), &yes).await;
    let reason = refusal("a developer approved their own grant", tried)?;
    // More than one policy forbids it; the plainest is told.
    let mut rules = reason.rule.split("; ");
    let rule = rules.clone().find(|rule| rule.contains("they proposed")).or_else(|| rules.next()).unwrap_or_default();
    let rule = rule.split(" (policy").next().unwrap_or_default();
    Ok(told("a developer approves their own grant", &reason.code, rule))
}

/// A module that would carry rows from one to the next.
pub(crate) async fn keep_state(cast: &Cast) -> anyhow::Result<Vec<String>> {
    let attack = wat::parse_str(KEEPS_STATE).context("the embedded attack")?;
    let tried = cast.developer.submit_module(attack).await;
    let reason = refusal("a module that keeps state was accepted", tried)?;
    Ok(told("a module remembers one row while it sees the next", &reason.code, &reason.place))
}

/// A job for another purpose that reads columns of which the grant says nothing.
pub(crate) async fn read_more(cast: &Cast, grant: &Grant, data: &IngestionReport) -> anyhow::Result<Vec<String>> {
    let module = cast.developer.submit_module(HYPERTENSION).await?;
    let job = SubmitJob {
        grant: grant.id.clone(),
        dataset: data.dataset.clone(),
        module: module.id,
        parameters: BTreeMap::new(),
        privacy: None,
    };
    let tried = cast.developer.submit_job(&job).await;
    let reasons = refusals("a job read columns that were not granted", tried)?;
    let column = reasons.iter().find(|reason| reason.code == "policy.column-not-granted").or(reasons.first());
    let column = column.context("a refusal has a reason")?;
    let input = column.place.split(", ").last().unwrap_or_default();
    Ok(told("a job reads blood pressure, too", &column.code, &format!("{input}: {}", column.rule)))
}

/// Two sums whose difference would be one person's record: the first leaves, the second does not.
pub(crate) async fn subtract(cast: &Cast, grant: &Grant, data: &IngestionReport) -> anyhow::Result<Vec<String>> {
    let attack = wat::parse_str(ALL_BUT_ONE).context("the embedded attack")?;
    let module = cast.developer.submit_module(attack).await?;
    let mut job = SubmitJob {
        grant: grant.id.clone(),
        dataset: data.dataset.clone(),
        module: module.id,
        parameters: BTreeMap::new(),
        privacy: None,
    };
    let everybody = finished(cast, &job).await?;
    ensure!(everybody.state == JobState::Released, "a harmless sum did not leave: {:?}", everybody.reasons);
    job.parameters = KNOWN.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let all_but_one = finished(cast, &job).await?;
    ensure!(
        all_but_one.state == JobState::Withheld,
        "the enclave is broken: one person could be told from a difference"
    );
    let reason = all_but_one.reasons.iter().find(|reason| reason.code == "gate.differencing");
    let reason = reason.context("the guard gave the reason")?;
    let why = "the two groups differ by one person; less than 10 is refused";
    Ok(told("a sum without one person, after the sum with her", &reason.code, why))
}

async fn finished(cast: &Cast, job: &SubmitJob) -> anyhow::Result<JobView> {
    let submitted = cast.developer.submit_job(job).await?;
    Ok(cast.developer.finished_job(&submitted.id).await?)
}

fn told(what: &str, code: &str, why: &str) -> Vec<String> {
    let head = format!("{what} → {code}");
    let why = wrapped(why, LINE_WIDTH - 2).into_iter().map(|line| format!("  {line}"));
    std::iter::once(head).chain(why).collect()
}

fn refusal<T>(fault: &str, tried: Result<T, ClientError>) -> anyhow::Result<Refusal> {
    refusals(fault, tried)?.into_iter().next().context("a refusal has a reason")
}

fn refusals<T>(fault: &str, tried: Result<T, ClientError>) -> anyhow::Result<Vec<Refusal>> {
    match tried {
        Ok(_) => bail!("the enclave is broken: {fault}"),
        Err(ClientError::Problem(problem)) if problem.status < 500 => {
            let only = Refusal::new(&problem.code, &problem.title, "", &problem.detail);
            Ok(if problem.reasons.is_empty() { vec![only] } else { problem.reasons })
        }
        Err(error) => Err(error.into()),
    }
}
