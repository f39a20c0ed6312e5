//! What a developer is told of a job does not depend on the rows but through the gate: no state, reason, meter, bucket
//! or receipt answers a question about one person.

use glovebox_api::{JobState, JobView, SubmitJob};
use glovebox_catalog::{Comparison, GrantTerms, RowFilter, Scalar};
use glovebox_engine::{Engine, ReleaseFormat};
use serde_json::{Value, json};

use crate::enclave::{self, Contents, caller, ended};
use crate::rest::zone::PASSPHRASE;

/// Everything that a developer reads of a job that has ended, but for ids and times.
async fn told(engine: &Engine, request: &SubmitJob) -> Value {
    let developer = caller("developer");
    let submitted = engine.submit_job(&developer, request.clone()).unwrap();
    let JobView { id, state, reasons, release, time, fuel, .. } = ended(engine, &submitted).await;
    let receipt = engine.job_receipt(&developer, &id).unwrap().statement;
    let meters = engine.meters(&developer).unwrap();
    let meters = meters.into_iter().find(|meters| meters.grant == request.grant).unwrap();
    let release = release.map(|release| engine.release_bytes(&developer, &release, ReleaseFormat::Json).unwrap());
    json!({
        "state": state, "reasons": reasons, "time": time, "fuel": fuel,
        "outcome": receipt.outcome, "cells_released": receipt.cells_released,
        "cells_withheld": receipt.cells_withheld, "meters_of_receipt": receipt.meters,
        "committed": meters.committed, "reserved": meters.reserved,
        "release": release.map(|bytes| String::from_utf8(bytes).unwrap()),
    })
}

/// A request like `contents.job` under a grant of its own, on rows whose body-mass index is at least `bmi`.
fn narrowed(engine: &Engine, contents: &Contents, bmi: f64) -> SubmitJob {
    let mut terms: GrantTerms = enclave::terms(&contents.dataset);
    let (field, op, value) = ("bmi".to_owned(), Comparison::Ge, Scalar::Float(bmi));
    terms.scopes[0].filter = Some(RowFilter::Compare { field, op, value });
    SubmitJob { grant: enclave::granted(engine, terms).id, ..contents.job.clone() }
}

/// Persons of the table whose index is at least `bmi`.
fn persons_from(bmi: f64) -> usize {
    let table = enclave::table(0);
    table.lines().skip(1).filter(|row| row.rsplit(',').next().unwrap().parse::<f64>().unwrap() >= bmi).count()
}

async fn opened(folder: &tempfile::TempDir) -> (Engine, Contents) {
    let contents = enclave::make(folder.path()).await;
    let engine = Engine::open(enclave::config(folder.path()), PASSPHRASE).unwrap();
    engine.start();
    (engine, contents)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_nobody_looks_like_a_view_of_a_few() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, contents) = opened(&folder).await;
    assert!((2..10).contains(&persons_from(42.5)) && persons_from(50.0) == 0);
    let few = told(&engine, &narrowed(&engine, &contents, 42.5)).await;
    let nobody = told(&engine, &narrowed(&engine, &contents, 50.0)).await;
    assert_eq!(few["state"], "withheld");
    assert_eq!(few, nobody);
    engine.shutdown(std::time::Duration::from_secs(10)).await;
}

/// A `row` module that counts rows, and on those from `from` on does what `then` says.
fn questioner(then: &str) -> Vec<u8> {
    let manifest = json!({
        "abi": "glovebox:job@0.1.0", "name": "questioner", "version": "1", "description": "asks for one person",
        "isolation": "row", "inputs": [{"name": "bmi", "type": "float64"}],
        "parameters": [{"name": "from", "default": 100.0, "min": 0.0, "max": 1000.0}],
        "outputs": [{"name": "persons", "reducer": "count"}], "contributions_per_person_max": 1,
    });
    let escaped: String = manifest.to_string().bytes().map(|byte| format!("\\{byte:02x}")).collect();
    wat::parse_str(format!(
        "(module
           (@custom \"glovebox.job\" \"{escaped}\")
           (func (export \"gb_cell_0\") (param f64 f64) (result i32)
             (if (f64.ge (local.get 0) (local.get 1)) (then {then}))
             (i32.const 0)))"
    ))
    .unwrap()
}

/// Whether one person is in the table shows neither as a failed job nor as fuel, time or a missing release.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_trips_over_one_person_does_not_tell() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, contents) = opened(&folder).await;
    assert!((1..3).contains(&persons_from(42.9)));
    for then in ["(unreachable)", "(loop $again (br $again))", "(drop (i32.div_u (i32.const 1) (i32.const 0)))"] {
        let module = engine.submit_module(&caller("developer"), &questioner(then)).unwrap().id;
        let mut answers = Vec::new();
        for from in [42.9, 100.0] {
            // The guard would refuse what differs by one person from the release before: that is its own bit, see
            // docs/differencing.md. Here it is off, so that nothing hides what the fault itself could tell.
            let terms = enclave::terms(&contents.dataset);
            let terms = GrantTerms { disclosure_profile: enclave::UNGUARDED.to_owned(), ..terms };
            let grant = enclave::granted(&engine, terms).id;
            let request = SubmitJob {
                grant,
                module: module.clone(),
                parameters: [("from".to_owned(), from)].into(),
                ..contents.job.clone()
            };
            answers.push(told(&engine, &request).await);
        }
        assert_eq!(answers[0]["state"], json!(JobState::Released), "{then}: {}", answers[0]);
        assert_eq!(answers[0], answers[1], "{then}");
    }
    engine.shutdown(std::time::Duration::from_secs(10)).await;
}
