//! Rounds of an iterative job: each is gated by itself, and `update` sees nothing but what the gate let through.

use std::collections::HashMap;

use glovebox_catalog::{JobManifest, Output};
use glovebox_gate::{Leakage, Model, Release, Table};
use glovebox_sandbox::{Compiled, ReleasedOutput, RunError, UpdateInput};

use crate::Engine;
use crate::job::desk::Running;
use crate::job::reservation::update_limits;

/// Where an iterative job stands between two rounds. A job without rounds has one, with an empty state.
pub(crate) struct Rounds {
    parameters: Vec<f64>,
    rounds_max: u32,
    stopped: bool,
    /// The state that the next round has.
    state: Vec<f64>,
    /// The state after each round.
    states: Vec<Vec<f64>>,
    /// What each round but the last carries.
    leakage: Vec<Leakage>,
}

impl Rounds {
    pub(crate) fn new(manifest: &JobManifest, parameters: Vec<f64>) -> Self {
        let state = manifest.rounds.iter().flat_map(|rounds| &rounds.state).map(|variable| variable.default);
        Self {
            parameters,
            rounds_max: manifest.rounds_max(),
            stopped: false,
            state: state.collect(),
            states: Vec::new(),
            leakage: Vec::new(),
        }
    }

    /// What the guest gets after its columns in this round.
    pub(crate) fn arguments(&self) -> Vec<f64> {
        self.parameters.iter().chain(&self.state).copied().collect()
    }

    /// Rounds that were gated so far.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.states.len()).unwrap_or(u32::MAX)
    }

    /// Tells `update` what was released of this round. True: there is another one.
    ///
    /// A round of which nothing may leave ends a job before it comes here, so `update` never learns of it.
    pub(crate) fn advance(
        &mut self,
        engine: &Engine,
        compiled: &Compiled,
        running: &Running,
        release: &Release,
    ) -> Result<bool, RunError> {
        let manifest = compiled.manifest();
        if manifest.rounds.is_none() {
            return Ok(false);
        }
        let outputs: Vec<_> = manifest
            .outputs
            .iter()
            .zip(release.tables())
            .map(|(output, table)| figures(manifest, output, table))
            .collect();
        let input = UpdateInput { round: self.count(), state: &self.state, outputs: &outputs };
        let limits = update_limits(&engine.inner.config.limits);
        let update = engine.inner.sandbox.update(compiled, &self.parameters, &input, &limits, &running.cancel)?;
        self.states.push(update.state.clone());
        self.state = update.state;
        self.stopped = update.stop;
        let goes_on = !update.stop && self.count() < self.rounds_max;
        if goes_on {
            self.leakage.push(release.leakage());
        }
        Ok(goes_on)
    }

    /// The last round's release, stating what all of them carry, with what was fitted.
    pub(crate) fn finish(self, manifest: &JobManifest, last: Release) -> Release {
        let Some(rounds) = &manifest.rounds else { return last };
        let model = Model {
            rounds: self.count(),
            stopped: self.stopped,
            names: rounds.state.iter().map(|variable| variable.name.clone()).collect(),
            states: self.states,
        };
        Release::combine_rounds(last, &self.leakage).with_model(model)
    }
}

/// The released figures of one output, in the order of the cells of its manifest. A table need not list every cell.
fn figures(manifest: &JobManifest, output: &Output, table: &Table) -> ReleasedOutput {
    let shown: HashMap<_, _> = table.cells.iter().map(|cell| (cell.keys.as_slice(), cell.value)).collect();
    let keys = manifest
        .dimensions(output)
        .into_iter()
        .map(|key| (0..key.domain.len()).filter_map(|index| key.domain.label(index)).collect::<Vec<_>>());
    let dimensions: Vec<_> =
        keys.chain(output.reducer.inner_dimensions().into_iter().map(|(_, labels)| labels)).collect();
    let mut released = ReleasedOutput { values: Vec::new(), valid: Vec::new() };
    for cell in 0..manifest.cell_count(output) {
        let value = shown.get(labels(&dimensions, cell).as_slice()).copied().flatten();
        released.values.push(value.unwrap_or_default());
        released.valid.push(value.is_some());
    }
    released
}

/// Labels of cell `cell`, row-major, the first dimension outermost.
fn labels(dimensions: &[Vec<String>], cell: usize) -> Vec<String> {
    let mut rest = cell;
    let mut labels: Vec<_> = dimensions
        .iter()
        .rev()
        .filter_map(|dimension| {
            let label = dimension.get(rest % dimension.len().max(1)).cloned();
            rest /= dimension.len().max(1);
            label
        })
        .collect();
    labels.reverse();
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_named_row_major() {
        let dimensions = [vec!["a".to_owned(), "b".to_owned()], ["x", "y", "z"].map(str::to_owned).to_vec()];
        let all: Vec<_> = (0..6).map(|cell| labels(&dimensions, cell).concat()).collect();
        assert_eq!(all, ["ax", "ay", "az", "bx", "by", "bz"]);
        assert!(labels(&[], 0).is_empty());
    }
}
