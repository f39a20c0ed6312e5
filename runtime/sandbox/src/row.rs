//! Isolation `row`: one instance for the whole run, which is as good as a fresh one for every row, because inspection has
//! proven that the guest keeps no state.

use glovebox_catalog::JobManifest;
use wasmtime::{Engine, Extern, Global, Instance, Memory, Module, Store, TypedFunc};

use crate::caps::ROWS_PER_BLOCK;
use crate::columns::Column;
use crate::driver::{Layout, imported, module, run_export};
use crate::guest::{Ending, Guest, classify, store};
use crate::host::host;
use crate::run::{Frame, canonical};
use crate::{ContributionSink, FailureClass, RunError, SandboxError};

/// A compiled `row` job: the guest, and the driver made for its signature.
pub(crate) struct RowJob {
    guest: Module,
    driver: Module,
    layout: Layout,
    outputs: Vec<RowOutput>,
}

/// What the host needs to know of an output.
struct RowOutput {
    cell_count: i32,
    value_count: usize,
}

impl RowJob {
    pub(crate) fn new(engine: &Engine, guest: Module, manifest: &JobManifest) -> Result<Self, SandboxError> {
        let layout = Layout::new(manifest);
        let driver = Module::from_binary(engine, &module(manifest, &layout)).map_err(host("compile the driver"))?;
        let outputs = manifest.outputs.iter().map(|output| RowOutput {
            cell_count: i32::try_from(manifest.guest_cell_count(output)).unwrap_or(i32::MAX),
            value_count: output.reducer.value_count(),
        });
        let outputs = outputs.collect();
        Ok(Self { guest, driver, layout, outputs })
    }
}

/// A `row` job under way.
pub(crate) struct RowRun {
    store: Store<Guest>,
    memory: Memory,
    row: Global,
    loops: Vec<TypedFunc<(u32, u32), ()>>,
    cells: Vec<i32>,
    values: Vec<f64>,
}

impl RowRun {
    pub(crate) fn start(
        engine: &Engine,
        job: &RowJob,
        manifest: &JobManifest,
        frame: &mut Frame,
    ) -> Result<Self, RunError> {
        let mut store = store(engine, frame.limits.memory_bytes, &frame.watch);
        store.set_fuel(frame.fuel()?).map_err(|error| RunError::host("set fuel", error))?;
        // Data segments beyond the memory trap here, on every data set alike.
        let guest =
            Instance::new(&mut store, &job.guest, &[]).map_err(|error| match classify(&error, store.data()) {
                Ending::Fault(class) => RunError::Failed(class),
                Ending::Run(error) => error,
            })?;
        frame.meters.instances += 1;
        frame.meters.memory_peak_bytes = store.data().memory_bytes();
        store.data_mut().allow_more(job.layout.pages * 65_536);
        let missing = |what: &str| RunError::host("link the driver", format!("no export `{what}`"));
        let functions = imported(manifest)
            .map(|name| guest.get_func(&mut store, &name).map(Extern::Func).ok_or_else(|| missing(&name)));
        let functions = functions.collect::<Result<Vec<_>, _>>()?;
        let driver = Instance::new(&mut store, &job.driver, &functions);
        let driver = driver.map_err(|error| RunError::host("start the driver", error))?;
        let memory = driver.get_memory(&mut store, "memory").ok_or_else(|| missing("memory"))?;
        let row = driver.get_global(&mut store, "row").ok_or_else(|| missing("row"))?;
        let loops = (0..job.outputs.len()).map(|index| {
            driver
                .get_typed_func(&mut store, &run_export(index))
                .map_err(|error| RunError::host("link the driver", error))
        });
        let loops = loops.collect::<Result<Vec<_>, _>>()?;
        let mut run = Self { store, memory, row, loops, cells: Vec::new(), values: Vec::new() };
        let arguments: Vec<u8> = frame.arguments.iter().flat_map(|value| value.to_le_bytes()).collect();
        run.write(job.layout.arguments, &arguments)?;
        Ok(run)
    }

    pub(crate) fn batch(
        &mut self,
        job: &RowJob,
        frame: &mut Frame,
        ordinals: &[u32],
        columns: &[Column<'_>],
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        let mut start = 0;
        for persons in ordinals.chunks(ROWS_PER_BLOCK) {
            let end = start + persons.len();
            for (column, place) in columns.iter().zip(&job.layout.columns) {
                self.write(place.values, column.values(start, end))?;
                if let (Some(offset), Some(validity)) = (place.validity, column.validity(start, end)) {
                    self.write(offset, validity)?;
                }
            }
            for (index, output) in job.outputs.iter().enumerate() {
                self.run_output(job, frame, index, output, persons.len())?;
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                sink.contribute_rows(index, persons, &self.cells, &self.values)?;
            }
            frame.meters.rows += persons.len() as u64;
            frame.progress.show(&frame.meters);
            start = end;
        }
        frame.meters.persons += ordinals.chunk_by(|a, b| a == b).count() as u64;
        Ok(())
    }

    /// Fills `cells` and `values` for one output over the `rows` in the driver's memory.
    fn run_output(
        &mut self,
        job: &RowJob,
        frame: &mut Frame,
        index: usize,
        output: &RowOutput,
        rows: usize,
    ) -> Result<(), RunError> {
        let faulty = self.run_loop(frame, index, rows)?;
        self.read_cells(job.layout.cells, rows)?;
        self.read_values(&job.layout, output.value_count, rows)?;
        for row in faulty {
            if let Some(cell) = self.cells.get_mut(row) {
                *cell = -1;
            }
        }
        for cell in &mut self.cells {
            if *cell < -1 || *cell >= output.cell_count {
                *cell = -1;
                frame.fault(Ending::Fault(FailureClass::BadOutput))?;
            }
        }
        Ok(())
    }

    /// Runs the driver's loop over all rows; the rows on which the guest faulted are the answer.
    ///
    /// Fuel is a row's own: a stretch of rows gets as much as one row may use. Runs it out in the middle, the row at hand
    /// starts over with a full measure; only a row that uses up a full measure alone is at fault. So no row can spend
    /// another's fuel, which would be a way to tell it something.
    fn run_loop(&mut self, frame: &mut Frame, index: usize, rows: usize) -> Result<Vec<usize>, RunError> {
        let Some(function) = self.loops.get(index).cloned() else { return Ok(Vec::new()) };
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let mut faulty = Vec::new();
        let mut start = 0;
        while start < rows {
            let fuel = frame.fuel()?;
            self.store.set_fuel(fuel).map_err(|error| RunError::host("set fuel", error))?;
            let result = function.call(&mut self.store, (start, rows));
            let left = self.store.get_fuel().map_err(|error| RunError::host("read fuel", error))?;
            frame.meters.fuel_units = frame.meters.fuel_units.saturating_add(fuel.saturating_sub(left));
            let ending = match result {
                Ok(()) if left > 0 => break,
                Ok(()) => Ending::Fault(FailureClass::OutOfFuel),
                Err(error) => classify(&error, self.store.data()),
            };
            let row = self.row.get(&mut self.store).i32().and_then(|row| u32::try_from(row).ok()).unwrap_or(start);
            if matches!(ending, Ending::Fault(FailureClass::OutOfFuel)) && row > start {
                start = row;
                continue;
            }
            frame.fault(ending)?;
            faulty.push(row as usize);
            start = row.saturating_add(1);
        }
        Ok(faulty)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), RunError> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.memory.write(&mut self.store, offset, bytes).map_err(|error| RunError::host("write columns", error))
    }

    fn read(&self, offset: u64, bytes: usize) -> Result<&[u8], RunError> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let data = self.memory.data(&self.store);
        data.get(offset..offset.saturating_add(bytes)).ok_or_else(|| RunError::host("read cells", "beyond the memory"))
    }

    fn read_cells(&mut self, offset: u64, rows: usize) -> Result<(), RunError> {
        let mut cells = std::mem::take(&mut self.cells);
        cells.clear();
        let (words, _) = self.read(offset, 4 * rows)?.as_chunks::<4>();
        cells.extend(words.iter().map(|word| i32::from_le_bytes(*word)));
        self.cells = cells;
        Ok(())
    }

    /// Values of the rows, one stretch for each value of a contribution.
    fn read_values(&mut self, layout: &Layout, count: usize, rows: usize) -> Result<(), RunError> {
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        for index in 0..count {
            let (words, _) = self.read(layout.values(index), 8 * rows)?.as_chunks::<8>();
            values.extend(words.iter().map(|word| canonical(f64::from_le_bytes(*word))));
        }
        self.values = values;
        Ok(())
    }
}
