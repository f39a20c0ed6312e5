//! The component door: the same rows, records and figures, lifted and lowered by the canonical ABI.

use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, ComponentType, Instance, InstancePre, Lift, Linker, Lower,
    WasmList,
};
use wasmtime::{Engine, Store};

use crate::columns;
use crate::door::{Entries, Entry, Rows, lost};
use crate::guest::{Ending, Guest, classify};
use crate::host::host;
use crate::record::Record;
use crate::update::UpdateInput;
use crate::{FailureClass, RunError, SandboxError};

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
enum Kind {
    #[component(name = "boolean")]
    Boolean,
    #[component(name = "int64")]
    Int64,
    #[component(name = "float64")]
    Float64,
    #[component(name = "date")]
    Date,
    #[component(name = "code")]
    Code,
}

impl From<columns::Kind> for Kind {
    fn from(kind: columns::Kind) -> Self {
        match kind {
            columns::Kind::Boolean => Self::Boolean,
            columns::Kind::Int64 => Self::Int64,
            columns::Kind::Float64 => Self::Float64,
            columns::Kind::Date => Self::Date,
            columns::Kind::Code => Self::Code,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Column<'a> {
    kind: Kind,
    values: &'a [u8],
    validity: Option<&'a [u8]>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Table<'a> {
    rows: u32,
    columns: Vec<Column<'a>>,
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(record)]
struct Contribution {
    output: u32,
    cell: u32,
    value: f64,
}

/// The figures of one output.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Figures {
    values: Vec<f64>,
    valid: Vec<u8>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Released<'a> {
    round: u32,
    parameters: &'a [f64],
    state: &'a [f64],
    outputs: Vec<Figures>,
}

type Contributions = WasmList<Contribution>;

/// A compiled component.
pub(crate) struct ComponentJob {
    instance: InstancePre<Guest>,
    entries: Entries<ComponentExportIndex>,
}

impl ComponentJob {
    pub(crate) fn new(engine: &Engine, component: &Component) -> Result<Self, SandboxError> {
        let instance = Linker::new(engine).instantiate_pre(component).map_err(host("link the component"))?;
        let entries = Entry::ALL.map(|entry| component.get_export_index(None, entry.component_name()));
        Ok(Self { instance, entries })
    }

    pub(crate) fn instantiate(&self, store: &mut Store<Guest>) -> Result<LiveComponent, Ending> {
        match self.instance.instantiate(&mut *store) {
            Ok(instance) => Ok(LiveComponent { instance, entries: self.entries }),
            Err(error) => Err(classify(&error, store.data())),
        }
    }
}

/// One instance of a component.
pub(crate) struct LiveComponent {
    instance: Instance,
    entries: Entries<ComponentExportIndex>,
}

impl LiveComponent {
    pub(crate) fn map(
        &self,
        store: &mut Store<Guest>,
        entry: Entry,
        rows: &Rows<'_>,
        arguments: &[f64],
        records_max: usize,
    ) -> Result<Vec<Record>, Ending> {
        let table = table(rows)?;
        let (records,): (Contributions,) = match rows.persons {
            None => self.call(store, entry, (table, arguments))?,
            Some(persons) => self.call(store, entry, (table, persons, arguments))?,
        };
        lift(store, &records, records_max)
    }

    pub(crate) fn batch(&self, store: &mut Store<Guest>, rows: &Rows<'_>, arguments: &[f64]) -> Result<(), Ending> {
        let persons = rows.persons.unwrap_or_default();
        self.call::<_, ()>(store, Entry::Batch, (table(rows)?, persons, arguments))
    }

    pub(crate) fn partial(&self, store: &mut Store<Guest>, bytes_max: usize) -> Result<Vec<u8>, Ending> {
        let (bytes,): (WasmList<u8>,) = self.call(store, Entry::Partial, ())?;
        let bytes = bytes.as_le_slice(&*store);
        if bytes.len() <= bytes_max { Ok(bytes.to_vec()) } else { Err(bad_output()) }
    }

    pub(crate) fn merge(&self, store: &mut Store<Guest>, partial: &[u8]) -> Result<(), Ending> {
        self.call::<_, ()>(store, Entry::Merge, (partial,))
    }

    pub(crate) fn finish(
        &self,
        store: &mut Store<Guest>,
        arguments: &[f64],
        records_max: usize,
    ) -> Result<Vec<Record>, Ending> {
        let (records,): (Contributions,) = self.call(store, Entry::Finish, (arguments,))?;
        lift(store, &records, records_max)
    }

    pub(crate) fn update(
        &self,
        store: &mut Store<Guest>,
        parameters: &[f64],
        input: &UpdateInput<'_>,
        numbers_max: usize,
    ) -> Result<Vec<f64>, Ending> {
        let outputs = input.outputs.iter().map(|output| Figures {
            values: output.figures().collect(),
            valid: output.valid.iter().map(|valid| u8::from(*valid)).collect(),
        });
        let released = Released { round: input.round, parameters, state: input.state, outputs: outputs.collect() };
        let (numbers,): (WasmList<f64>,) = self.call(store, Entry::Update, (released,))?;
        if numbers.len() > numbers_max {
            return Err(bad_output());
        }
        (0..numbers.len())
            .map(|index| numbers.get(&mut *store, index).and_then(Result::ok).ok_or_else(bad_output))
            .collect()
    }

    fn call<P, R>(&self, store: &mut Store<Guest>, entry: Entry, parameters: P) -> Result<R, Ending>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let export = self.entries.get(entry as usize).and_then(Option::as_ref).ok_or_else(|| lost(entry))?;
        let function = self.instance.get_typed_func::<P, R>(&mut *store, export);
        let function = function.map_err(|error| Ending::Run(RunError::host("call the guest", error)))?;
        function.call(&mut *store, parameters).map_err(|error| abi_fault(&error, store.data()))
    }
}

fn table<'a>(rows: &Rows<'a>) -> Result<Table<'a>, Ending> {
    let columns = rows.columns.iter().map(|column| Column {
        kind: column.kind.into(),
        values: column.values,
        validity: column.validity,
    });
    let count = u32::try_from(rows.count).map_err(|_| Ending::Fault(FailureClass::Memory))?;
    Ok(Table { rows: count, columns: columns.collect() })
}

fn lift(store: &mut Store<Guest>, records: &Contributions, records_max: usize) -> Result<Vec<Record>, Ending> {
    if records.len() > records_max {
        return Err(bad_output());
    }
    let record = |index| match records.get(&mut *store, index) {
        Some(Ok(Contribution { output, cell, value })) => Ok(Record { output, cell, value }),
        _ => Err(bad_output()),
    };
    (0..records.len()).map(record).collect()
}

fn bad_output() -> Ending {
    Ending::Fault(FailureClass::BadOutput)
}

/// Besides trapping, a component can break the canonical ABI: an address outside its memory, a bad enum. That is its fault.
fn abi_fault(error: &wasmtime::Error, guest: &Guest) -> Ending {
    match classify(error, guest) {
        Ending::Run(RunError::Host { .. }) => Ending::Fault(FailureClass::BadOutput),
        ending => ending,
    }
}
