//! Rounds: `update` sees what was released of a round, and nothing else, and gives the state of the next.

use wasmtime::Engine;

use crate::door::Door;
use crate::guest::{Ending, Watch, store};
use crate::run::canonical;
use crate::{CancelFlag, Compiled, FailureClass, Limits, RunError, Sandbox};

/// What `update` is told of one output: its released figures, row-major over its keys and the dimensions inside, without
/// margins. Both are as long as the manifest's `cell_count` of the output.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleasedOutput {
    /// The figures.
    pub values: Vec<f64>,
    /// Which of them were shown; the value of another is passed on as 0.
    pub valid: Vec<bool>,
}

impl ReleasedOutput {
    /// The figures as a guest gets them: 0 for what was not shown.
    pub(crate) fn figures(&self) -> impl Iterator<Item = f64> {
        self.values.iter().zip(&self.valid).map(|(value, valid)| if *valid { canonical(*value) } else { 0.0 })
    }
}

/// What `update` is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateInput<'a> {
    /// Number of the round that was released, from 0.
    pub round: u32,
    /// The state that the round had.
    pub state: &'a [f64],
    /// What was released of it, an entry for each output of the manifest.
    pub outputs: &'a [ReleasedOutput],
}

/// What `update` decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// True: there is no further round, and `state` is the model.
    pub stop: bool,
    /// The next state, clamped to the bounds of the manifest.
    pub state: Vec<f64>,
    /// Fuel that it took.
    pub fuel_units: u64,
}

impl Sandbox {
    /// Runs a job's `update` in a fresh instance. It sees released figures alone, so what it does, its failing included,
    /// tells nothing that was not released. Its limits are those of one unit, and a wall time of its own.
    ///
    /// # Errors
    /// [`RunError::Input`] when `input` does not fit the manifest, [`RunError::Failed`] when the guest faults:
    /// [`FailureClass::BadUpdate`] when its answer has another length, a number that is not finite, or no stop flag.
    pub fn update(
        &self,
        compiled: &Compiled,
        parameters: &[f64],
        input: &UpdateInput<'_>,
        limits: &Limits,
        cancel: &CancelFlag,
    ) -> Result<Update, RunError> {
        let manifest = compiled.manifest();
        let rounds = manifest.rounds.as_ref().zip(compiled.update());
        let Some((rounds, door)) = rounds else {
            return Err(RunError::Input { detail: "the job has no rounds".to_owned() });
        };
        let cells = manifest.outputs.iter().map(|output| manifest.cell_count(output));
        let fits = parameters.len() == manifest.parameters.len()
            && input.state.len() == rounds.state.len()
            && cells.eq(input.outputs.iter().map(|output| output.values.len()))
            && input.outputs.iter().all(|output| output.values.len() == output.valid.len());
        if !fits {
            let detail = "the released figures are not those of the manifest's outputs".to_owned();
            return Err(RunError::Input { detail });
        }
        let watch = Watch::new(limits, cancel);
        watch.check()?;
        let numbers_max = 1 + rounds.state.len();
        let (answer, fuel_units) = call(self.engine(), door, parameters, input, limits, &watch, numbers_max)?;
        let answer = answer.map_err(|ending| match ending {
            Ending::Run(error) => error,
            Ending::Fault(FailureClass::BadOutput) => RunError::Failed(FailureClass::BadUpdate),
            Ending::Fault(class) => RunError::Failed(class),
        })?;
        let bad = RunError::Failed(FailureClass::BadUpdate);
        let Some((flag, state)) = answer.split_first() else { return Err(bad) };
        let is_flag = [0.0, 1.0].contains(flag);
        if !is_flag || state.len() != rounds.state.len() || state.iter().any(|value| !value.is_finite()) {
            return Err(bad);
        }
        let bounded = state.iter().zip(&rounds.state).map(|(value, bounds)| value.clamp(bounds.min, bounds.max));
        Ok(Update { stop: *flag == 1.0, state: bounded.collect(), fuel_units })
    }
}

type Answer = Result<Vec<f64>, Ending>;

fn call(
    engine: &Engine,
    door: &Door,
    parameters: &[f64],
    input: &UpdateInput<'_>,
    limits: &Limits,
    watch: &Watch,
    numbers_max: usize,
) -> Result<(Answer, u64), RunError> {
    let fuel = limits.fuel_per_unit.min(limits.fuel_total_units);
    let mut store = store(engine, limits.memory_bytes, watch);
    store.set_fuel(fuel).map_err(|error| RunError::host("set fuel", error))?;
    let answer = match door.instantiate(&mut store) {
        Ok(mut guest) => guest.update(&mut store, parameters, input, numbers_max),
        Err(ending) => Err(ending),
    };
    let left = store.get_fuel().map_err(|error| RunError::host("read fuel", error))?;
    let charged = store.data_mut().take_memory_fuel_units();
    let answer = if charged > left && answer.is_ok() { Err(Ending::Fault(FailureClass::OutOfFuel)) } else { answer };
    Ok((answer, fuel.saturating_sub(left).saturating_add(charged).min(fuel)))
}
