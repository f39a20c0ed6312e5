//! The example jobs that fit models and make tables, as built, in the real sandbox over the example tables: what follows
//! from their exact sums equals what statsmodels, lifelines, scipy and pandas find (examples/jobs/references.py).
//!
//! The sums are made here, without rules or noise: what these do to figures is the gate's matter and is tested there.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use arrow::array::RecordBatch;
use glovebox_catalog::{Door, Reducer};
use glovebox_sandbox::{
    CancelFlag, Compiled, Config, Faults, Limits, Plan, Progress, ReleasedOutput, Run, RunMeters, Sandbox, UpdateInput,
    inspect,
};

use crate::contributions::{Collected, Contributed};
use crate::doors::{Table, job};

#[test]
fn logistic_regression_is_that_of_statsmodels() {
    let job = Job::read("diabetes-logistic", Door::Columnar);
    let (rounds, state) = job.fit(&Table::read("nhanes-2017"), &[1e-6]);
    let names = ["intercept", "age_per_20_years", "bmi_per_7", "female"];
    assert_close(&state, &names.map(|name| number("diabetes-logistic", name)), 1e-6);
    assert!((5..12).contains(&rounds), "{rounds} rounds");
}

#[test]
fn cox_regression_is_that_of_statsmodels_through_both_doors() {
    for door in [Door::Columnar, Door::Component] {
        let (rounds, state) = Job::read("first-admission-cox", door).fit(&Table::read("rand-hie"), &[1e-6]);
        let expected = ["female", "age_per_20_years"].map(|name| number("first-admission-cox", name));
        assert_close(&state, &expected, 1e-6);
        assert!((3..12).contains(&rounds), "{rounds} rounds");
    }
}

#[test]
fn clusters_are_those_of_scipy() {
    let job = Job::read("body-clusters", Door::Columnar);
    let table = Table::read("nhanes-2017");
    let (rounds, state) = job.fit(&table, &[0.0]);
    assert_close(&state, &numbers("body-clusters", "centres"), 1e-9);
    assert!((10..20).contains(&rounds), "{rounds} rounds");
    let arguments: Vec<_> = [0.0].into_iter().chain(state).collect();
    let persons = &job.released(&job.run(&table, &arguments).0)[1].values;
    assert_eq!(persons, &numbers("body-clusters", "persons"));
}

/// Kaplan and Meier's estimate from at risk, events and censored, made of the contributions as the gate makes them.
#[test]
fn survival_is_that_of_lifelines_through_both_doors() {
    for door in [Door::Columnar, Door::Component] {
        let (contributed, _) = Job::read("first-admission", door).run(&Table::read("rand-hie"), &[]);
        for (cell, sex) in (0..).zip(["male", "female"]) {
            let of_sex: Vec<_> = contributed.iter().filter(|c| c.cell == cell).map(Contributed::values).collect();
            let mut survival = 1.0;
            let curve = [1.0, 2.0, 3.0, 4.0, 5.0].map(|year| {
                let at_risk = of_sex.iter().filter(|exit| exit[0] >= year).count() as f64;
                survival *= 1.0 - of_sex.iter().filter(|exit| **exit == [year, 1.0]).count() as f64 / at_risk;
                survival
            });
            assert_close(&curve, &numbers("first-admission", sex), 1e-12);
        }
    }
}

#[test]
fn correlations_are_those_of_pandas() {
    let (contributed, meters) =
        Job::read("metabolic-correlation", Door::Columnar).run(&Table::read("nhanes-2017"), &[]);
    assert_eq!(meters.instances, 1);
    for (cell, sex) in (0..).zip(["male", "female"]) {
        let rows: Vec<_> = contributed.iter().filter(|c| c.cell == cell).map(Contributed::values).collect();
        let mean = |of: &dyn Fn(&[f64]) -> f64| rows.iter().map(|row| of(row)).sum::<f64>() / rows.len() as f64;
        let covariance = |i: usize, j: usize| mean(&|row| row[i] * row[j]) - mean(&|row| row[i]) * mean(&|row| row[j]);
        let correlation = |at: usize| {
            let (i, j) = (at / 4, at % 4);
            covariance(i, j) / (covariance(i, i) * covariance(j, j)).sqrt()
        };
        let found: Vec<_> = (0..16).map(correlation).collect();
        assert_close(&found, &numbers("metabolic-correlation", sex), 1e-9);
    }
}

#[test]
fn estimates_of_blocks_are_those_of_numpy_through_both_doors() {
    for door in [Door::Columnar, Door::Component] {
        let (contributed, meters) = Job::read("pressure-by-age", door).run(&Table::read("nhanes-2017"), &[]);
        assert_eq!((meters.instances, contributed.len()), (60, 120));
        let of = |output: u32| {
            let mut of: Vec<_> = contributed.iter().filter(|c| c.output == output).map(|c| c.values()[0]).collect();
            of.sort_unstable_by(f64::total_cmp);
            of
        };
        let (slopes, medians) = (of(0), of(1));
        let found = [(slopes[29] + slopes[30]) / 2.0, medians.iter().sum::<f64>() / 60.0];
        let expected = ["mmhg_per_decade", "median_bmi"].map(|name| number("pressure-by-age", name));
        assert_close(&found, &expected, 1e-9);
    }
}

#[test]
fn tables_of_a_cohort_are_those_of_pandas_through_both_doors() {
    for door in [Door::Columnar, Door::Component] {
        let (contributed, meters) = Job::read("spending-concentration", door).run(&Table::read("rand-hie"), &[]);
        assert_eq!(meters.instances, 2, "one for the rows, one that merges");
        let cells: Vec<_> = contributed.iter().map(|c| (c.unit, c.output, c.cell)).collect();
        assert_eq!(cells, (0..30).map(|cell| (0, 0, cell)).collect::<Vec<_>>());
        let column = |column: u32| contributed.iter().filter(|c| c.cell % 3 == column).map(|c| c.values()[0]).collect();
        let (persons, tenths, shares): (Vec<_>, Vec<_>, Vec<_>) = (column(0), column(1), column(2));
        assert_eq!(persons, numbers("spending-concentration", "persons"));
        assert_eq!(tenths, (0..10).map(f64::from).collect::<Vec<_>>());
        assert_close(&shares, &numbers("spending-concentration", "share_percent"), 1e-9);
    }
}

/// A job that has nothing to go on ends with the state that it had, and does not fail.
#[test]
fn rounds_end_where_nothing_is_shown() {
    for (name, state) in [("diabetes-logistic", 4), ("first-admission-cox", 2), ("body-clusters", 6)] {
        let job = Job::read(name, Door::Columnar);
        let manifest = job.compiled.manifest();
        let nothing = manifest.outputs.iter().map(|output| {
            let count = manifest.cell_count(output);
            ReleasedOutput { values: vec![0.0; count], valid: vec![false; count] }
        });
        let nothing: Vec<_> = nothing.collect();
        let defaults = job.state();
        assert_eq!(defaults.len(), state);
        let input = UpdateInput { round: 0, state: &defaults, outputs: &nothing };
        let limits = Limits::on_real_data();
        let update = sandbox().update(&job.compiled, &[0.0], &input, &limits, &CancelFlag::new()).unwrap();
        assert_eq!((update.stop, update.state), (true, defaults), "{name}");
    }
}

/// A built job.
struct Job {
    compiled: Compiled,
}

impl Job {
    fn read(name: &str, door: Door) -> Self {
        let form = if door == Door::Component { ".component" } else { "" };
        let module = std::fs::read(job(&format!("{name}/{name}{form}.wasm"))).unwrap();
        let inspected = inspect(&module).unwrap();
        assert_eq!(inspected.door(), door);
        Self { compiled: sandbox().compile(&inspected, &module).unwrap() }
    }

    /// The state that the first round has.
    fn state(&self) -> Vec<f64> {
        let rounds = self.compiled.manifest().rounds.as_ref().unwrap();
        rounds.state.iter().map(|variable| variable.default).collect()
    }

    fn run(&self, table: &Table, arguments: &[f64]) -> (Vec<Contributed>, RunMeters) {
        self.run_batches(&table.batches(self.compiled.manifest(), 500), table.person_count(), arguments)
    }

    fn run_batches(
        &self,
        batches: &[(Vec<u32>, RecordBatch)],
        persons: u64,
        arguments: &[f64],
    ) -> (Vec<Contributed>, RunMeters) {
        let limits = Limits { fuel_per_unit: 1_000_000_000, faults: Faults::Stop, ..Limits::on_real_data() };
        let plan = Plan { arguments, persons };
        let mut run =
            Run::start(sandbox(), &self.compiled, &plan, &limits, &CancelFlag::new(), &Progress::new()).unwrap();
        let mut collected = Collected::default();
        for (ordinals, batch) in batches {
            run.batch(ordinals, batch, &mut collected).unwrap();
        }
        run.complete(&mut collected).unwrap();
        (collected.0, run.finish())
    }

    /// Rounds until the job stops: how many, and its last state.
    fn fit(&self, table: &Table, parameters: &[f64]) -> (u32, Vec<f64>) {
        let batches = table.batches(self.compiled.manifest(), 500);
        let mut state = self.state();
        for round in 0..self.compiled.manifest().rounds_max() {
            let arguments: Vec<_> = parameters.iter().chain(&state).copied().collect();
            let (contributed, _) = self.run_batches(&batches, table.person_count(), &arguments);
            let outputs = self.released(&contributed);
            let input = UpdateInput { round, state: &state, outputs: &outputs };
            let limits = Limits::on_real_data();
            let update = sandbox().update(&self.compiled, parameters, &input, &limits, &CancelFlag::new()).unwrap();
            state = update.state;
            if update.stop {
                return (round + 1, state);
            }
        }
        panic!("no end after {} rounds, at {state:?}", self.compiled.manifest().rounds_max());
    }

    /// Exact sums, means and counts.
    fn released(&self, contributed: &[Contributed]) -> Vec<ReleasedOutput> {
        let manifest = self.compiled.manifest();
        let output = |(index, output): (usize, &glovebox_catalog::Output)| {
            let inner = output.reducer.inner_cell_count();
            let mut sums = vec![0.0; manifest.cell_count(output)];
            let mut counts = vec![0_u32; manifest.cell_count(output)];
            for contribution in contributed.iter().filter(|c| c.output as usize == index) {
                let values = contribution.values();
                if let Reducer::Gradient { norm_max, .. } = output.reducer {
                    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
                    assert!(norm <= norm_max, "a contribution of length {norm} would be clipped");
                }
                for at in 0..inner {
                    let cell = contribution.cell as usize * inner + at;
                    sums[cell] += values.get(at).copied().unwrap_or_default();
                    counts[cell] += 1;
                }
            }
            let values = sums.iter().zip(&counts).map(|(sum, count)| match output.reducer {
                Reducer::Mean { .. } => sum / f64::from(*count),
                Reducer::DistinctPersons => f64::from(*count),
                _ => *sum,
            });
            ReleasedOutput { values: values.collect(), valid: vec![true; counts.len()] }
        };
        manifest.outputs.iter().enumerate().map(output).collect()
    }
}

type References = BTreeMap<String, BTreeMap<String, serde_json::Value>>;

fn reference(job_name: &str, name: &str) -> serde_json::Value {
    static REFERENCES: OnceLock<References> = OnceLock::new();
    let read = || serde_json::from_slice(&std::fs::read(job("references.json")).unwrap()).unwrap();
    REFERENCES.get_or_init(read)[job_name][name].clone()
}

fn number(job: &str, name: &str) -> f64 {
    reference(job, name).as_f64().unwrap()
}

fn numbers(job: &str, name: &str) -> Vec<f64> {
    serde_json::from_value(reference(job, name)).unwrap()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    let close = |(found, expected): (&f64, &f64)| (found - expected).abs() <= tolerance * expected.abs().max(1.0);
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(close), "{found:?}, expected {expected:?}");
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(&Config::default()).unwrap())
}
