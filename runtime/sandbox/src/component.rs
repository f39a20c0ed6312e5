//! Isolation `person` through the component door: the same columns and records, by the canonical ABI.

use wasmtime::component::{Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, Lower, WasmList};
use wasmtime::{Engine, Store};

use crate::caps::RECORDS_PER_PERSON_MAX;
use crate::columns;
use crate::guest::{Ending, Guest, classify, store};
use crate::host::host;
use crate::record::Record;
use crate::run::{Frame, Person};
use crate::{ContributionSink, FailureClass, RunError, SandboxError};

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

type Arguments<'a> = (Table<'a>, &'a [f64]);
type Results = (WasmList<Contribution>,);

/// A compiled component.
pub(crate) struct ComponentJob {
    instance: InstancePre<Guest>,
    person: ComponentExportIndex,
}

impl ComponentJob {
    pub(crate) fn new(engine: &Engine, component: &Component) -> Result<Self, SandboxError> {
        let instance = Linker::new(engine).instantiate_pre(component).map_err(host("link the component"))?;
        let person = component.get_export_index(None, "person");
        let person = person.ok_or("person").map_err(host("find an export that was inspected"))?;
        Ok(Self { instance, person })
    }
}

/// A component under way.
pub(crate) struct ComponentRun {
    parameters: Vec<f64>,
}

impl ComponentRun {
    pub(crate) fn start(parameters: &[f64]) -> Self {
        Self { parameters: parameters.to_vec() }
    }

    pub(crate) fn person(
        &mut self,
        job: &ComponentJob,
        frame: &mut Frame,
        person: &Person<'_>,
        sink: &mut dyn ContributionSink,
    ) -> Result<(), RunError> {
        let fuel = frame.fuel()?;
        let mut store = store(job.instance.engine(), frame.limits.memory_bytes, &frame.watch);
        store.set_fuel(fuel).map_err(|error| RunError::host("set fuel", error))?;
        let result = self.call(job, &mut store, person);
        frame.close(&store, fuel, result, person.ordinal, sink)
    }

    fn call(&self, job: &ComponentJob, store: &mut Store<Guest>, person: &Person<'_>) -> Result<Vec<Record>, Ending> {
        let instance = match job.instance.instantiate(&mut *store) {
            Ok(instance) => instance,
            Err(error) => return Err(classify(&error, store.data())),
        };
        let function = instance.get_typed_func::<Arguments<'_>, Results>(&mut *store, job.person);
        let function = function.map_err(|error| Ending::Run(RunError::host("call the guest", error)))?;
        let columns = person.columns.iter().map(|column| Column {
            kind: column.kind.into(),
            values: column.values(person.start, person.end),
            validity: column.validity(person.start, person.end),
        });
        let rows = u32::try_from(person.end - person.start).map_err(|_| Ending::Fault(FailureClass::Memory))?;
        let table = Table { rows, columns: columns.collect() };
        let called = function.call(&mut *store, (table, self.parameters.as_slice()));
        let (records,) = called.map_err(|error| abi_fault(&error, store.data()))?;
        if records.len() > RECORDS_PER_PERSON_MAX {
            return Err(Ending::Fault(FailureClass::BadOutput));
        }
        let records = (0..records.len()).map(|index| match records.get(&mut *store, index) {
            Some(Ok(Contribution { output, cell, value })) => Ok(Record { output, cell, value }),
            _ => Err(Ending::Fault(FailureClass::BadOutput)),
        });
        records.collect()
    }
}

/// Besides trapping, a component can break the canonical ABI: an address outside its memory, a bad enum. That is its fault.
fn abi_fault(error: &wasmtime::Error, guest: &Guest) -> Ending {
    match classify(error, guest) {
        Ending::Run(RunError::Host { .. }) => Ending::Fault(FailureClass::BadOutput),
        ending => ending,
    }
}
