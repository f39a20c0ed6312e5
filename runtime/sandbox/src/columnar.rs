//! The columnar door: a core module finds its input in its own memory, and answers with an address.

use wasmtime::{Engine, Global, Instance, InstancePre, Linker, Memory, Module, ModuleExport, Store, TypedFunc};
use wasmtime::{WasmParams, WasmResults};

use crate::door::{Entries, Entry, Rows, lost};
use crate::guest::{Ending, Guest, classify};
use crate::host::host;
use crate::layout::Input;
use crate::record::{RECORD_BYTES, Record, records};
use crate::update::UpdateInput;
use crate::{FailureClass, RunError, SandboxError};

/// A compiled core module, with all of instantiation done that does not depend on the input.
pub(crate) struct Columnar {
    instance: InstancePre<Guest>,
    memory: ModuleExport,
    alloc: ModuleExport,
    entries: Entries<ModuleExport>,
    /// Its mutable globals, when an instance can be put back by overwriting them and the memory.
    globals: Option<Vec<ModuleExport>>,
}

impl Columnar {
    /// `globals` names all mutable globals of a module that can be reset.
    pub(crate) fn new(engine: &Engine, module: &Module, globals: Option<&[String]>) -> Result<Self, SandboxError> {
        let instance = Linker::new(engine).instantiate_pre(module).map_err(host("link the module"))?;
        let export =
            |name: &str| module.get_export_index(name).ok_or(name).map_err(host("find an export that was inspected"));
        let entries = Entry::ALL.map(|entry| module.get_export_index(entry.core_name()));
        let globals = globals.map(|names| names.iter().map(|name| export(name)).collect()).transpose()?;
        Ok(Self { instance, memory: export("memory")?, alloc: export("gb_alloc")?, entries, globals })
    }

    pub(crate) fn instantiate(&self, store: &mut Store<Guest>) -> Result<LiveModule, Ending> {
        let instance = match self.instance.instantiate(&mut *store) {
            Ok(instance) => instance,
            Err(error) => return Err(classify(&error, store.data())),
        };
        let internal = |what: &str| Ending::Run(RunError::host("call the guest", format!("no export `{what}`")));
        let memory = instance.get_module_export(&mut *store, &self.memory).and_then(wasmtime::Extern::into_memory);
        let memory = memory.ok_or_else(|| internal("memory"))?;
        let alloc = instance.get_module_export(&mut *store, &self.alloc).and_then(wasmtime::Extern::into_func);
        let alloc = alloc.ok_or_else(|| internal("gb_alloc"))?;
        let alloc = alloc.typed(&mut *store).map_err(|_| internal("gb_alloc"))?;
        let mut global =
            |export| instance.get_module_export(&mut *store, export).and_then(wasmtime::Extern::into_global);
        let globals = self.globals.as_ref().map(|exports| exports.iter().map(&mut global).collect::<Option<_>>());
        let globals = globals.map(|globals| globals.ok_or_else(|| internal("a mutable global"))).transpose()?;
        Ok(LiveModule { instance, memory, alloc, entries: self.entries, globals })
    }
}

/// One instance of a core module.
pub(crate) struct LiveModule {
    instance: Instance,
    memory: Memory,
    alloc: TypedFunc<(u32, u32), u32>,
    entries: Entries<ModuleExport>,
    globals: Option<Vec<Global>>,
}

impl LiveModule {
    /// All mutable globals, when memory and these are all that can change; else none.
    pub(crate) fn mutable_globals(&self) -> Option<&[Global]> {
        self.globals.as_deref()
    }

    pub(crate) fn memory(&self) -> Memory {
        self.memory
    }

    pub(crate) fn map(
        &self,
        store: &mut Store<Guest>,
        entry: Entry,
        rows: &Rows<'_>,
        arguments: &[f64],
        records_max: usize,
    ) -> Result<Vec<Record>, Ending> {
        let input = self.place(store, Input::rows(rows, arguments))?;
        let answer = self.call(store, entry, input)?;
        self.records(store, answer, records_max)
    }

    pub(crate) fn batch(&self, store: &mut Store<Guest>, rows: &Rows<'_>, arguments: &[f64]) -> Result<(), Ending> {
        let input = self.place(store, Input::rows(rows, arguments))?;
        self.call(store, Entry::Batch, input)
    }

    pub(crate) fn partial(&self, store: &mut Store<Guest>, bytes_max: usize) -> Result<Vec<u8>, Ending> {
        let answer: u64 = self.call(store, Entry::Partial, ())?;
        let bytes = answered(self.memory.data(&*store), answer, 1, bytes_max).ok_or_else(bad_output)?;
        Ok(bytes.to_vec())
    }

    pub(crate) fn merge(&self, store: &mut Store<Guest>, partial: &[u8]) -> Result<(), Ending> {
        let address = if partial.is_empty() { 0 } else { self.write(store, partial)? };
        // It came out of a guest's memory.
        self.call(store, Entry::Merge, (address, partial.len() as u32))
    }

    pub(crate) fn finish(
        &self,
        store: &mut Store<Guest>,
        arguments: &[f64],
        records_max: usize,
    ) -> Result<Vec<Record>, Ending> {
        let nothing = Rows { count: 0, columns: Vec::new(), persons: None };
        let input = self.place(store, Input::rows(&nothing, arguments))?;
        let answer = self.call(store, Entry::Finish, input)?;
        self.records(store, answer, records_max)
    }

    pub(crate) fn update(
        &self,
        store: &mut Store<Guest>,
        parameters: &[f64],
        input: &UpdateInput<'_>,
        numbers_max: usize,
    ) -> Result<Vec<f64>, Ending> {
        let input = self.place(store, Input::released(parameters, input))?;
        let answer: u64 = self.call(store, Entry::Update, input)?;
        let bytes = answered(self.memory.data(&*store), answer, size_of::<f64>(), numbers_max);
        let (words, _) = bytes.ok_or_else(bad_output)?.as_chunks::<8>();
        Ok(words.iter().map(|word| f64::from_le_bytes(*word)).collect())
    }

    fn records(&self, store: &Store<Guest>, answer: u64, records_max: usize) -> Result<Vec<Record>, Ending> {
        answered(self.memory.data(store), answer, RECORD_BYTES, records_max).map(records).ok_or_else(bad_output)
    }

    /// Writes an input into memory that the guest allocates.
    fn place(&self, store: &mut Store<Guest>, input: Input) -> Result<u32, Ending> {
        // More than 4 GiB fits no guest.
        let size = input.size().ok_or(Ending::Fault(FailureClass::Memory))?;
        let base = self.allocate(store, size)?;
        self.memory.write(&mut *store, base as usize, &input.at(base)).map_err(|_| bad_output())?;
        Ok(base)
    }

    fn write(&self, store: &mut Store<Guest>, bytes: &[u8]) -> Result<u32, Ending> {
        let size = u32::try_from(bytes.len()).map_err(|_| Ending::Fault(FailureClass::Memory))?;
        let base = self.allocate(store, size)?;
        self.memory.write(&mut *store, base as usize, bytes).map_err(|_| bad_output())?;
        Ok(base)
    }

    fn allocate(&self, store: &mut Store<Guest>, size: u32) -> Result<u32, Ending> {
        match self.alloc.call(&mut *store, (size, 16)) {
            Ok(0) => Err(Ending::Fault(FailureClass::Memory)),
            Ok(base) if base % 16 == 0 => Ok(base),
            Ok(_) => Err(bad_output()),
            Err(error) => Err(classify(&error, store.data())),
        }
    }

    fn call<P: WasmParams, R: WasmResults>(
        &self,
        store: &mut Store<Guest>,
        entry: Entry,
        parameters: P,
    ) -> Result<R, Ending> {
        let export = self.entries.get(entry as usize).and_then(Option::as_ref).ok_or_else(|| lost(entry))?;
        let function = self.instance.get_module_export(&mut *store, export).and_then(wasmtime::Extern::into_func);
        let function = function.ok_or_else(|| lost(entry))?.typed::<P, R>(&mut *store).map_err(|_| lost(entry))?;
        function.call(&mut *store, parameters).map_err(|error| classify(&error, store.data()))
    }
}

fn bad_output() -> Ending {
    Ending::Fault(FailureClass::BadOutput)
}

/// The bytes that `answer`, (address << 32) | count, points to; none if they lie outside, unaligned, or are too many.
fn answered(memory: &[u8], answer: u64, size_bytes: usize, count_max: usize) -> Option<&[u8]> {
    let (address, count) = ((answer >> 32) as usize, (answer & u64::from(u32::MAX)) as usize);
    if count == 0 {
        return Some(&[]);
    }
    if count > count_max || address % size_bytes.min(8) != 0 {
        return None;
    }
    memory.get(address..address.checked_add(count.checked_mul(size_bytes)?)?)
}
