//! Rows of several persons, gathered over the batches of a view until there are enough for a guest.

use crate::columns::Kind;
use crate::door::{Rows, Slice};
use crate::run::Person;

/// Gathered rows. No `Debug`: they are values of persons.
#[derive(Default)]
pub(crate) struct Gathered {
    columns: Vec<GatheredColumn>,
    /// For each row the number of its person among those gathered.
    persons: Vec<u32>,
    person_count: u32,
}

struct GatheredColumn {
    kind: Kind,
    values: Vec<u8>,
    validity: Option<Vec<u8>>,
}

impl Gathered {
    /// Adds all rows of a person.
    pub(crate) fn push(&mut self, person: &Person<'_>) {
        let (start, end) = (person.start, person.end);
        if self.columns.is_empty() {
            self.columns.extend(person.columns.iter().map(|column| GatheredColumn {
                kind: column.kind,
                values: Vec::new(),
                validity: column.validity(0, 0).map(<[u8]>::to_vec),
            }));
        }
        for (gathered, column) in self.columns.iter_mut().zip(person.columns) {
            gathered.values.extend_from_slice(column.values(start, end));
            if let (Some(gathered), Some(validity)) = (&mut gathered.validity, column.validity(start, end)) {
                gathered.extend_from_slice(validity);
            }
        }
        self.persons.resize(self.persons.len() + end - start, self.person_count);
        self.person_count += 1;
    }

    pub(crate) fn rows(&self) -> Rows<'_> {
        let columns = self.columns.iter().map(|column| Slice {
            kind: column.kind,
            values: &column.values,
            validity: column.validity.as_deref(),
        });
        Rows { count: self.persons.len(), columns: columns.collect(), persons: Some(&self.persons) }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.persons.len()
    }

    /// Bytes that a guest's memory must have for them.
    pub(crate) fn bytes(&self) -> usize {
        let column = |column: &GatheredColumn| column.values.len() + column.validity.as_ref().map_or(0, Vec::len);
        self.columns.iter().map(column).sum::<usize>() + size_of_val(self.persons.as_slice())
    }

    /// Forgets the rows, keeps the room.
    pub(crate) fn clear(&mut self) {
        for column in &mut self.columns {
            column.values.clear();
            if let Some(validity) = &mut column.validity {
                validity.clear();
            }
        }
        self.persons.clear();
        self.person_count = 0;
    }
}
