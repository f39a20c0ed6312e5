//! Isolation `person` through the columnar door: a fresh instance for every person.

use wasmtime::{Engine, InstancePre, Linker, Module, ModuleExport, Store};

use crate::caps::{RECORD_FUEL_UNITS, RECORDS_PER_PERSON_MAX};
use crate::guest::{Ending, Guest, classify, store};
use crate::host::host;
use crate::record::{Record, contributions};
use crate::run::{Frame, Person};
use crate::{ContributionSink, FailureClass, RunError, SandboxError};

const RECORD_BYTES: usize = 16;

/// A compiled `person` job, with all of instantiation done that does not depend on the person.
pub(crate) struct PersonJob {
    instance: InstancePre<Guest>,
    memory: ModuleExport,
    alloc: ModuleExport,
    person: ModuleExport,
}

impl PersonJob {
    pub(crate) fn new(engine: &Engine, module: &Module) -> Result<Self, SandboxError> {
        let instance = Linker::new(engine).instantiate_pre(module).map_err(host("link the module"))?;
        let export =
            |name| module.get_export_index(name).ok_or(name).map_err(host("find an export that was inspected"));
        Ok(Self { instance, memory: export("memory")?, alloc: export("gb_alloc")?, person: export("gb_person")? })
    }
}

/// A `person` job under way.
pub(crate) struct PersonRun {
    parameters: Vec<u8>,
    /// Descriptor, parameters and columns of the person at hand.
    input: Vec<u8>,
}

impl PersonRun {
    pub(crate) fn start(parameters: &[f64]) -> Self {
        Self { parameters: parameters.iter().flat_map(|value| value.to_le_bytes()).collect(), input: Vec::new() }
    }

    pub(crate) fn person(
        &mut self,
        job: &PersonJob,
        frame: &mut Frame,
        person: &Person<'_>,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        let fuel = frame.fuel()?;
        let mut store = store(job.instance.module().engine(), frame.limits.memory_bytes, &frame.watch);
        store.set_fuel(fuel).map_err(|error| RunError::host("set fuel", error))?;
        let addresses = self.lay_out(person);
        let result = self.call(job, &mut store, &addresses);
        frame.close(&store, fuel, result, person.ordinal, sink)
    }

    /// Builds the input with addresses counted from its start; the words that hold one are the answer.
    fn lay_out(&mut self, person: &Person<'_>) -> Vec<usize> {
        let input = &mut self.input;
        let mut addresses = vec![2];
        input.clear();
        input.resize((3 + 3 * person.columns.len()) * 4, 0);
        let rows = person.end - person.start;
        set_word(input, 0, rows);
        set_word(input, 1, person.columns.len());
        let parameters = append(input, &self.parameters);
        set_word(input, 2, parameters);
        for (index, column) in person.columns.iter().enumerate() {
            let word = 3 + 3 * index;
            let values = append(input, column.values(person.start, person.end));
            set_word(input, word, column.kind as usize);
            set_word(input, word + 1, values);
            addresses.push(word + 1);
            if let Some(validity) = column.validity(person.start, person.end) {
                let validity = append(input, validity);
                set_word(input, word + 2, validity);
                addresses.push(word + 2);
            }
        }
        addresses
    }

    fn call(&mut self, job: &PersonJob, store: &mut Store<Guest>, addresses: &[usize]) -> Result<Vec<Record>, Ending> {
        let instance = match job.instance.instantiate(&mut *store) {
            Ok(instance) => instance,
            Err(error) => return Err(classify(&error, store.data())),
        };
        let internal = |what: &str| Ending::Run(RunError::host("call the guest", format!("no export `{what}`")));
        let memory = instance.get_module_export(&mut *store, &job.memory).and_then(wasmtime::Extern::into_memory);
        let memory = memory.ok_or_else(|| internal("memory"))?;
        let function = |store: &mut Store<Guest>, export, name| {
            let function = instance.get_module_export(store, export).and_then(wasmtime::Extern::into_func);
            function.ok_or_else(|| internal(name))
        };
        let alloc = function(store, &job.alloc, "gb_alloc")?;
        let alloc = alloc.typed::<(u32, u32), u32>(&mut *store).map_err(|_| internal("gb_alloc"))?;
        let run = function(store, &job.person, "gb_person")?;
        let run = run.typed::<u32, u64>(&mut *store).map_err(|_| internal("gb_person"))?;

        let bad_output = || Ending::Fault(FailureClass::BadOutput);
        // More than 4 GiB fits no guest.
        let size = u32::try_from(self.input.len()).map_err(|_| Ending::Fault(FailureClass::Memory))?;
        let base = alloc.call(&mut *store, (size, 16)).map_err(|error| classify(&error, store.data()))?;
        if base == 0 {
            return Err(Ending::Fault(FailureClass::Memory));
        }
        if base % 16 != 0 {
            return Err(bad_output());
        }
        for word in addresses {
            add_to_word(&mut self.input, *word, base);
        }
        memory.write(&mut *store, base as usize, &self.input).map_err(|_| bad_output())?;
        let answer = run.call(&mut *store, base).map_err(|error| classify(&error, store.data()))?;
        records(memory.data(&*store), answer).ok_or_else(bad_output)
    }
}

/// The records that `answer`, (address << 32) | count, points to; none if it points outside or to too many.
fn records(memory: &[u8], answer: u64) -> Option<Vec<Record>> {
    let (address, count) = ((answer >> 32) as usize, (answer & u64::from(u32::MAX)) as usize);
    if count == 0 {
        return Some(Vec::new());
    }
    if count > RECORDS_PER_PERSON_MAX || address % 8 != 0 {
        return None;
    }
    let bytes = memory.get(address..address.checked_add(count * RECORD_BYTES)?)?;
    let (words, _) = bytes.as_chunks::<4>();
    let (records, _) = words.as_chunks::<4>();
    let record = |[output, cell, low, high]: &[[u8; 4]; 4]| Record {
        output: u32::from_le_bytes(*output),
        cell: u32::from_le_bytes(*cell),
        value: f64::from_bits(u64::from(u32::from_le_bytes(*high)) << 32 | u64::from(u32::from_le_bytes(*low))),
    };
    Some(records.iter().map(record).collect())
}

/// Appends an 8-aligned array and says where it starts.
fn append(input: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let start = input.len().next_multiple_of(8);
    input.resize(start, 0);
    input.extend_from_slice(bytes);
    start
}

fn set_word(input: &mut [u8], word: usize, value: usize) {
    // The whole input is checked to be below 4 GiB before it is used.
    let value = value as u32;
    if let Some(slot) = input.get_mut(4 * word..4 * word + 4) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
}

fn add_to_word(input: &mut [u8], word: usize, base: u32) {
    if let Some(slot) = input.get_mut(4 * word..4 * word + 4).and_then(|slot| <&mut [u8; 4]>::try_from(slot).ok()) {
        *slot = u32::from_le_bytes(*slot).wrapping_add(base).to_le_bytes();
    }
}

impl Frame {
    /// Counts what a person's instance used, then passes its contributions on: all of them, or after a fault none.
    pub(crate) fn close(
        &mut self,
        store: &Store<Guest>,
        fuel: u64,
        result: Result<Vec<Record>, Ending>,
        unit: u32,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        let left = store.get_fuel().map_err(|error| RunError::host("read fuel", error))?;
        let charged = result.as_ref().map_or(0, |records| RECORD_FUEL_UNITS.saturating_mul(records.len() as u64));
        self.meters.fuel_units =
            self.meters.fuel_units.saturating_add(fuel.saturating_sub(left)).saturating_add(charged);
        self.meters.instances += 1;
        self.meters.memory_peak_bytes = self.meters.memory_peak_bytes.max(store.data().memory_bytes());
        let records = match result {
            Ok(_) if charged > left => return self.fault(Ending::Fault(FailureClass::OutOfFuel)),
            Ok(records) => records,
            Err(ending) => return self.fault(ending),
        };
        match contributions(&self.shapes, &records) {
            None => self.fault(Ending::Fault(FailureClass::BadOutput)),
            Some(contributions) => contributions.pass_on(unit, sink),
        }
    }
}
