//! The two doors behind one face: what a guest exports, and what it is called with.

use wasmtime::Store;

use crate::RunError;
use crate::columnar::{Columnar, LiveModule};
use crate::columns::{Column, Kind};
use crate::component::{ComponentJob, LiveComponent};
use crate::guest::{Ending, Guest};
use crate::record::Record;
use crate::update::UpdateInput;

/// A function of the job interface other than those of `row` jobs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Person,
    Block,
    Batch,
    Partial,
    Merge,
    Finish,
    Update,
}

/// Something for each entry, in the order of [`Entry::ALL`].
pub(crate) type Entries<T> = [Option<T>; Entry::ALL.len()];

impl Entry {
    pub(crate) const ALL: [Self; 7] =
        [Self::Person, Self::Block, Self::Batch, Self::Partial, Self::Merge, Self::Finish, Self::Update];

    /// The export of a component.
    pub(crate) fn component_name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Block => "block",
            Self::Batch => "batch",
            Self::Partial => "partial",
            Self::Merge => "merge",
            Self::Finish => "finish",
            Self::Update => "update",
        }
    }

    /// The export of a core module.
    pub(crate) fn core_name(self) -> &'static str {
        match self {
            Self::Person => "gb_person",
            Self::Block => "gb_block",
            Self::Batch => "gb_batch",
            Self::Partial => "gb_partial",
            Self::Merge => "gb_merge",
            Self::Finish => "gb_finish",
            Self::Update => "gb_update",
        }
    }
}

/// A compiled guest of either door, of which fresh instances are made.
pub(crate) enum Door {
    Columnar(Columnar),
    Component(ComponentJob),
}

/// One instance. It lives in a store of its own.
pub(crate) enum Live {
    Columnar(LiveModule),
    Component(LiveComponent),
}

/// Rows as a guest is given them. No `Debug`: they are values of persons.
pub(crate) struct Rows<'a> {
    pub(crate) count: usize,
    pub(crate) columns: Vec<Slice<'a>>,
    /// For each row the number of its person, counted from 0; only where a guest sees more than one person.
    pub(crate) persons: Option<&'a [u32]>,
}

/// The part of a column that belongs to these rows.
pub(crate) struct Slice<'a> {
    pub(crate) kind: Kind,
    pub(crate) values: &'a [u8],
    pub(crate) validity: Option<&'a [u8]>,
}

impl<'a> Rows<'a> {
    /// Rows `start..end` of a batch, all of one person.
    pub(crate) fn of_person(columns: &'a [Column<'a>], start: usize, end: usize) -> Self {
        let columns = columns.iter().map(|column| Slice {
            kind: column.kind,
            values: column.values(start, end),
            validity: column.validity(start, end),
        });
        Self { count: end - start, columns: columns.collect(), persons: None }
    }
}

impl Door {
    pub(crate) fn instantiate(&self, store: &mut Store<Guest>) -> Result<Live, Ending> {
        match self {
            Self::Columnar(module) => module.instantiate(store).map(Live::Columnar),
            Self::Component(component) => component.instantiate(store).map(Live::Component),
        }
    }
}

impl Live {
    /// Calls `person` or `block`.
    pub(crate) fn map(
        &mut self,
        store: &mut Store<Guest>,
        entry: Entry,
        rows: &Rows<'_>,
        arguments: &[f64],
        records_max: usize,
    ) -> Result<Vec<Record>, Ending> {
        match self {
            Self::Columnar(guest) => guest.map(store, entry, rows, arguments, records_max),
            Self::Component(guest) => guest.map(store, entry, rows, arguments, records_max),
        }
    }

    pub(crate) fn batch(&mut self, store: &mut Store<Guest>, rows: &Rows<'_>, arguments: &[f64]) -> Result<(), Ending> {
        match self {
            Self::Columnar(guest) => guest.batch(store, rows, arguments),
            Self::Component(guest) => guest.batch(store, rows, arguments),
        }
    }

    /// What the guest holds of the rows of its batches, at most `bytes_max` long.
    pub(crate) fn partial(&mut self, store: &mut Store<Guest>, bytes_max: usize) -> Result<Vec<u8>, Ending> {
        match self {
            Self::Columnar(guest) => guest.partial(store, bytes_max),
            Self::Component(guest) => guest.partial(store, bytes_max),
        }
    }

    pub(crate) fn merge(&mut self, store: &mut Store<Guest>, partial: &[u8]) -> Result<(), Ending> {
        match self {
            Self::Columnar(guest) => guest.merge(store, partial),
            Self::Component(guest) => guest.merge(store, partial),
        }
    }

    pub(crate) fn finish(
        &mut self,
        store: &mut Store<Guest>,
        arguments: &[f64],
        records_max: usize,
    ) -> Result<Vec<Record>, Ending> {
        match self {
            Self::Columnar(guest) => guest.finish(store, arguments, records_max),
            Self::Component(guest) => guest.finish(store, arguments, records_max),
        }
    }

    pub(crate) fn update(
        &mut self,
        store: &mut Store<Guest>,
        parameters: &[f64],
        input: &UpdateInput<'_>,
        numbers_max: usize,
    ) -> Result<Vec<f64>, Ending> {
        match self {
            Self::Columnar(guest) => guest.update(store, parameters, input, numbers_max),
            Self::Component(guest) => guest.update(store, parameters, input, numbers_max),
        }
    }
}

/// A function that inspection found and that is not there after all.
pub(crate) fn lost(entry: Entry) -> Ending {
    Ending::Run(RunError::host("call the guest", format!("no export `{}`", entry.core_name())))
}
