//! `glovebox module`: the code of jobs. `inspect` needs no enclave.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use glovebox_api::ModuleView;
use glovebox_catalog::{Door, Isolation, JobManifest, ModuleId, Separation};
use glovebox_client::{Stoppable, every};
use glovebox_sandbox::Inspected;
use serde_json::json;

use crate::command::zone;
use crate::connection::{Global, read_bytes};
use crate::failure::Refused;
use crate::output::Output;
use crate::text;

/// Modules: the WebAssembly code of jobs.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox module inspect job.wasm\n  glovebox module submit job.wasm")]
pub(crate) enum Module {
    /// Submit a module; the enclave inspects it
    #[command(after_help = "Examples:\n  glovebox module submit examples/jobs/bmi-by-age-sex/bmi-by-age-sex.wasm")]
    Submit(File),
    /// List the modules that you may see
    #[command(after_help = "Examples:\n  glovebox module list --json")]
    List,
    /// Show a module and its manifest
    #[command(after_help = "Examples:\n  glovebox module show 5f0a")]
    Show(One),
    /// Stop a module at once: whoever runs it
    #[command(after_help = "Examples:\n  glovebox module suspend 5f0a --reason 'a leak is suspected'\n\n\
        It goes on once the zone and a reviewer of another organisation have consented.")]
    Suspend(Suspend),
    /// Consent that a module is used again
    #[command(after_help = "Examples:\n  glovebox module resume 5f0a --reason 'looked into'")]
    Resume(Resume),
    /// Inspect a module as the enclave would, without one, and say what is proven
    #[command(after_help = "Examples:\n  glovebox module inspect examples/jobs/bmi-by-age-sex/bmi-by-age-sex.wasm")]
    Inspect(File),
}

#[derive(Args)]
pub(crate) struct File {
    /// The module or component, in binary form
    file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Suspend {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    why: zone::Why,
}

#[derive(Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    why: zone::Consent,
}

#[derive(Args)]
pub(crate) struct One {
    /// The module: SM3 of its bytes
    module: ModuleId,
}

impl Module {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let module = match self {
            Self::Inspect(File { file }) => return inspect(&file, output),
            Self::Submit(File { file }) => global.client()?.submit_module(read_bytes(&file)?).await?,
            Self::Suspend(Suspend { one, why }) => {
                return why.suspend(&global.client()?, &Stoppable::Module(one.module), output).await;
            }
            Self::Resume(Resume { one, why }) => {
                return why.resume(&global.client()?, &Stoppable::Module(one.module), output).await;
            }
            Self::Show(One { module }) => global.client()?.module(&module).await?,
            Self::List => {
                let client = &global.client()?;
                let all = every(|page| async move { client.modules(&page).await }).await?;
                return output.show(&all, || table(&all));
            }
        };
        output.show(&module, || {
            let mut facts = vec![
                ("module", module.id.to_string()),
                ("SHA-256", module.sha256.clone()),
                ("size", text::bytes(module.size_bytes)),
                ("submitted", format!("{} of {}, {}", module.submitted_by, module.organisation, module.submitted_at)),
                ("door", text::name(&module.door)),
            ];
            facts.extend(manifest(&module.manifest));
            text::sheet(&facts)
        })
    }
}

fn inspect(file: &std::path::Path, output: &Output) -> anyhow::Result<()> {
    let inspected = glovebox_sandbox::inspect(&read_bytes(file)?)
        .map_err(|reasons| Refused { what: format!("`{}` does not pass inspection", file.display()), reasons })?;
    let proven = proven(&inspected);
    let facts = json!({
        "module": inspected.module_sm3().to_string(),
        "sha256": inspected.sha256(),
        "size_bytes": inspected.size_bytes(),
        "door": inspected.door(),
        "separation": inspected.separation(),
        "needs_fresh_instances": inspected.needs_fresh_instances(),
        "manifest": inspected.manifest(),
        "proven": proven,
    });
    output.show(&facts, || {
        let mut facts = vec![
            ("module", inspected.module_sm3().to_string()),
            ("SHA-256", inspected.sha256().to_owned()),
            ("size", text::bytes(inspected.size_bytes())),
            ("door", text::name(&inspected.door())),
            ("separation", text::name(&inspected.separation())),
        ];
        facts.extend(manifest(inspected.manifest()));
        let proven: String = proven.iter().map(|line| format!("  ✓ {line}\n")).collect();
        format!("{}\nproven from the bytes:\n{proven}", text::sheet(&facts))
    })
}

/// What inspection has shown of a module that it let pass.
fn proven(inspected: &Inspected) -> Vec<String> {
    let isolation = inspected.manifest().isolation;
    let mut proven = vec![
        "it imports nothing: no clock, no randomness, no files, no network, no log",
        "it uses allowed WebAssembly features only; its size, memory and complexity are within the caps",
        "it holds one manifest, and exports what that manifest promises",
    ];
    proven.extend(match (isolation, inspected.door()) {
        (Isolation::Row, _) => vec![
            "no function that a row reaches writes memory, a global or a table: rows can't learn of each other",
            "nothing runs before the first row",
        ],
        (Isolation::Person, Door::Columnar) => vec!["a person's run needs only memory, allocator and entry point"],
        (Isolation::Person, Door::Component) => vec!["a person's run needs only the exported function"],
        (Isolation::Block, _) => vec!["a block's run needs nothing but its rows"],
        (Isolation::Cohort, _) => vec!["the run needs nothing but the rows of the view"],
    });
    let mut proven: Vec<_> = proven.into_iter().map(str::to_owned).collect();
    let unit = text::name(&isolation);
    match inspected.separation() {
        Separation::StatelessProof => {}
        Separation::Reset => {
            proven.push("all that it can change is its memory and its mutable globals".to_owned());
            proven.push(format!("not proven, but done by the enclave: both are overwritten before each {unit}"));
        }
        Separation::FreshInstance => {
            let why = inspected.needs_fresh_instances().unwrap_or_default();
            proven.push(format!("not proven, but done by the enclave: a fresh instance for each {unit}, since {why}"));
        }
        Separation::None => {
            proven.push("nothing is proven of its outputs: reviewers judge each before it leaves".to_owned());
        }
    }
    proven
}

fn manifest(manifest: &JobManifest) -> [(&'static str, String); 9] {
    let inputs = manifest.inputs.iter().map(|input| {
        let kind = match &input.input_type {
            glovebox_catalog::InputType::Code(codes) => format!("code of {}", codes.len()),
            other => text::name(other),
        };
        format!("{}: {kind}{}", input.name, if input.nullable { " or missing" } else { "" })
    });
    let parameters = manifest.parameters.iter().map(|p| format!("{} = {} in {}..={}", p.name, p.default, p.min, p.max));
    let outputs = manifest.outputs.iter().map(|output| {
        let reducer = output.reducer.name();
        let keys = if output.keys.is_empty() { String::new() } else { format!(" by {}", output.keys.join(", ")) };
        format!("{}: {reducer}{keys}, {} cells", output.name, manifest.cell_count(output))
    });
    let lines = |lines: Vec<String>| lines.join("\n");
    let blocks = manifest.blocks.map(|blocks| format!("{} disjoint blocks of persons", text::number(blocks.into())));
    let rounds = manifest.rounds.as_ref().map(|rounds| {
        let names: Vec<_> = rounds.state.iter().map(|variable| variable.name.as_str()).collect();
        format!("at most {}, on released figures alone; state: {}", rounds.rounds_max, names.join(", "))
    });
    [
        ("job", format!("{} {}: {}", manifest.name, manifest.version, manifest.description)),
        ("purpose", manifest.purpose.as_ref().map(text::name).unwrap_or_default()),
        ("isolation", text::name(&manifest.isolation)),
        ("blocks", blocks.unwrap_or_default()),
        ("rounds", rounds.unwrap_or_default()),
        ("per person", format!("at most {} contributions to each output", manifest.contributions_per_person_max)),
        ("reads", lines(inputs.collect())),
        ("parameters", lines(parameters.collect())),
        ("gives", lines(outputs.collect())),
    ]
}

fn table(modules: &[ModuleView]) -> String {
    let row = |m: &ModuleView| {
        [
            m.manifest.name.clone(),
            m.manifest.version.clone(),
            text::name(&m.manifest.isolation),
            text::name(&m.door),
            m.organisation.to_string(),
            m.submitted_at.to_string(),
            m.id.to_string(),
        ]
    };
    text::table(["name", "version", "isolation", "door", "organisation", "submitted", "id"], modules.iter().map(row))
}
