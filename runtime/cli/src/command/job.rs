//! `glovebox job`: submit, watch, cancel.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use glovebox_api::{Decision, JobState, JobView, SubmitJob, TimeBucket};
use glovebox_catalog::{DatasetId, GrantId, JobId, ModuleId};
use glovebox_client::{Client, every};
use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::authority::write;
use crate::command::preflight::{LintJob, Noise, explain};
use crate::connection::Global;
use crate::failure::{Refused, explained};
use crate::output::Output;
use crate::text;

/// Jobs: submit, watch, cancel.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox job submit --grant grt-01k9 --dataset nhanes-2017 --module 5f0a --wait")]
pub(crate) enum Job {
    /// Submit a job under a grant
    #[command(after_help = "Examples:\n  \
        glovebox job submit --grant grt-01k9 --dataset nhanes-2017 --module 5f0a\n  \
        glovebox job submit --grant grt-01k9 --dataset nhanes-2017 --module 5f0a --set obese_from=28 --wait\n  \
        glovebox job submit --grant grt-01k9 --dataset nhanes-2017 --module 5f0a --epsilon 1 --wait")]
    Submit(Submit),
    /// Tell what a job with noise would cost and be worth, before anything is spent
    #[command(after_help = "Examples:\n  \
        glovebox job explain --grant grt-01k9 --dataset nhanes-2017 --module 5f0a --epsilon 1\n  \
        glovebox job explain --grant grt-01k9 --dataset nhanes-2017 --module 5f0a --rho 0.05\n\n\
        Ends with exit code 1 when the job would be refused.")]
    Explain(Request),
    /// Tell which disclosure rules a module's outputs will meet, before it is submitted; needs no enclave
    #[command(
        after_help = "Examples:\n  glovebox job lint examples/jobs/bmi-by-age-sex/bmi-by-age-sex.wasm --persons 8000\n  \
        glovebox job lint job.wasm --disclosure acro --persons 500\n  \
        glovebox job lint --module 5f0a --persons 500 --epsilon 1\n\n\
        Ends with exit code 1 when nothing could leave as declared."
    )]
    Lint(LintJob),
    /// List the jobs that you may see
    #[command(after_help = "Examples:\n  glovebox job list --json")]
    List,
    /// Show a job
    #[command(after_help = "Examples:\n  glovebox job show job-01k9")]
    Show(One),
    /// Follow a job until it ends
    #[command(after_help = "Examples:\n  glovebox job watch job-01k9\n\n\
        Ends with exit code 0 when the job released a table or waits for reviewers, with 1 when it did neither.")]
    Watch(One),
    /// End a job; what it used stays used
    #[command(after_help = "Examples:\n  glovebox job cancel job-01k9")]
    Cancel(One),
    /// Answer the question of reviewers who sent the job's output back
    #[command(after_help = "Examples:\n  glovebox job answer job-01k9 --comment 'column 2 is the mean age'")]
    Answer(Answer),
    /// Fetch the receipt of a job that has ended
    #[command(after_help = "Examples:\n  glovebox job receipt job-01k9 --output receipt.json")]
    Receipt(Fetch),
}

#[derive(Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    request: Request,
    /// Follow it until it ends
    #[arg(long)]
    wait: bool,
}

#[derive(Args)]
pub(crate) struct Request {
    /// The grant to run under
    #[arg(long)]
    grant: GrantId,
    /// The dataset to run on
    #[arg(long)]
    dataset: DatasetId,
    /// The module
    #[arg(long)]
    module: ModuleId,
    /// A parameter; repeat for more, the manifest's defaults stand for the rest
    #[arg(long = "set", value_name = "NAME=NUMBER", value_parser = parse_parameter)]
    parameters: Vec<(String, f64)>,
    #[command(flatten)]
    noise: Noise,
}

#[derive(Args)]
pub(crate) struct One {
    /// The job
    job: JobId,
}

#[derive(Args)]
pub(crate) struct Answer {
    /// The job
    job: JobId,
    /// The answer
    #[arg(long)]
    comment: String,
}

#[derive(Args)]
pub(crate) struct Fetch {
    /// The job
    job: JobId,
    /// Write it to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn parse_parameter(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=NUMBER")?;
    let value: f64 = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
    if value.is_finite() { Ok((name.to_owned(), value)) } else { Err("expected a finite number".to_owned()) }
}

impl Job {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        if let Self::Lint(lint) = self {
            return lint.run(global, output).await;
        }
        let client = &global.client()?;
        match self {
            Self::Lint(lint) => lint.run(global, output).await,
            Self::Submit(Submit { request, wait }) => {
                let job = client.submit_job(&request.job()).await?;
                if wait { watch(client, &job.id, output).await } else { output.show(&job, || shown(&job)) }
            }
            Self::Explain(request) => explain(client, &request.job(), output).await,
            Self::List => {
                let all = every(|page| async move { client.jobs(&page).await }).await?;
                output.show(&all, || table(&all))
            }
            Self::Show(One { job }) => {
                let job = client.job(&job).await?;
                output.show(&job, || shown(&job))
            }
            Self::Watch(One { job }) => watch(client, &job, output).await,
            Self::Cancel(One { job }) => {
                let job = client.cancel_job(&job).await?;
                output.show(&job, || shown(&job))
            }
            Self::Answer(Answer { job, comment }) => {
                let review = client.job(&job).await?.review;
                let review = review.with_context(|| format!("the output of {job} is not under review"))?;
                let review = client.answer_review(&review, &Decision { comment }).await?;
                output.show(&review, || crate::command::review::shown(&review))
            }
            Self::Receipt(Fetch { job, output: file }) => {
                let receipt = client.job_receipt(&job).await?;
                let json = serde_json::to_string_pretty(&receipt)?;
                match file {
                    Some(file) => write(&file, &json),
                    None => output.line(&json),
                }
            }
        }
    }
}

impl Request {
    fn job(self) -> SubmitJob {
        let Self { grant, dataset, module, parameters, noise } = self;
        let parameters: BTreeMap<_, _> = parameters.into_iter().collect();
        SubmitJob { grant, dataset, module, parameters, privacy: noise.privacy() }
    }
}

async fn watch(client: &Client, id: &JobId, output: &Output) -> anyhow::Result<()> {
    let target = if output.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let spinner = ProgressBar::with_draw_target(None, target);
    spinner.enable_steady_tick(Duration::from_millis(120));
    let mut states = client.watch_job(id);
    while let Some(event) = states.next().await {
        let event = event.inspect_err(|_| spinner.finish_and_clear())?;
        let place = event.queue_position.map(|ahead| format!(", {ahead} ahead")).unwrap_or_default();
        spinner.set_message(format!("{id} {}{place}", text::name(&event.state)));
        // People decide in days, not in the time that somebody waits at a terminal.
        if event.state == JobState::InReview {
            break;
        }
    }
    spinner.finish_and_clear();
    let job = client.job(id).await?;
    if matches!(job.state, JobState::Released | JobState::InReview) {
        return output.show(&job, || shown(&job));
    }
    if output.is_json() {
        output.show(&job, String::new)?;
    }
    Err(Refused { what: format!("{id} ended {}", text::name(&job.state)), reasons: job.reasons }.into())
}

fn shown(job: &JobView) -> String {
    let request = &job.request;
    let parameters = request.parameters.iter().map(|(name, value)| format!("{name}={value}"));
    let time = job.time.map(|bucket| match bucket {
        TimeBucket::Minute => "up to a minute",
        TimeBucket::TenMinutes => "up to ten minutes",
        TimeBucket::Longer => "more than ten minutes",
    });
    let release = job.release.as_ref().map(|release| format!("{release}; glovebox release show {release}"));
    let review = job.review.as_ref().map(|review| format!("{review}; glovebox review show {review}"));
    let facts = text::sheet(&[
        ("job", job.id.to_string()),
        ("state", text::name(&job.state)),
        ("grant", request.grant.to_string()),
        ("dataset", request.dataset.to_string()),
        ("module", request.module.to_string()),
        ("parameters", parameters.collect::<Vec<_>>().join(", ")),
        ("noise", request.privacy.as_ref().map(crate::command::preflight::named).unwrap_or_default()),
        ("isolation", text::name(&job.isolation)),
        ("submitted", format!("{} of {}, {}", job.submitted_by, job.organisation, job.submitted_at)),
        ("ended", job.ended_at.map(|at| at.to_string()).unwrap_or_default()),
        ("time", time.unwrap_or_default().to_owned()),
        ("fuel", job.fuel.map(|fuel| format!("at most 10^{} units", fuel.at_most_ten_to_the)).unwrap_or_default()),
        ("review", review.unwrap_or_default()),
        ("release", release.unwrap_or_default()),
    ]);
    let reasons: String = job.reasons.iter().map(explained).collect();
    if reasons.is_empty() { facts } else { format!("{facts}reasons{reasons}") }
}

fn table(jobs: &[JobView]) -> String {
    let row = |job: &JobView| {
        let code = job.reasons.first().map(|reason| reason.code.clone()).unwrap_or_default();
        let release = job.release.as_ref().map_or(code, ToString::to_string);
        [
            job.id.to_string(),
            text::name(&job.state),
            job.request.dataset.to_string(),
            text::name(&job.isolation),
            job.submitted_by.to_string(),
            job.submitted_at.to_string(),
            release,
        ]
    };
    text::table(["id", "state", "dataset", "isolation", "by", "submitted", "release or reason"], jobs.iter().map(row))
}
