//! Rows of the tables, one after the other, without ever holding a table.

use std::vec;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

use crate::columns::{Cell, REGION_CODES};
use crate::draw::{DEPARTMENTS, Encounter, KINDS, Person, SEXES, Shapes};
use crate::hospital::{Hospital, SyntheticError, Table};
use crate::icd10::ICD10;

/// Encounters of so many persons are shuffled together, as a hospital's log would mix them. Bounds the memory too.
const PERSONS_PER_BLOCK: u64 = 1 << 15;

/// Iterator over the rows of one table.
pub(crate) struct Rows {
    hospital: Hospital,
    table: Table,
    shapes: Shapes,
    next_person: u64,
    block: Vec<Person>,
    /// Pairs of a person's place in `block` and an encounter's number, in the order in which they come.
    visits: vec::IntoIter<(usize, u32)>,
    /// Diagnoses of the present encounter that are still to come.
    pending: vec::IntoIter<Vec<Cell>>,
}

impl Rows {
    pub(crate) fn new(hospital: Hospital, table: Table) -> Result<Self, SyntheticError> {
        Ok(Self {
            hospital,
            table,
            shapes: Shapes::new()?,
            next_person: 0,
            block: Vec::new(),
            visits: Vec::new().into_iter(),
            pending: Vec::new().into_iter(),
        })
    }

    fn person(&mut self) -> Option<Person> {
        if self.next_person >= self.hospital.persons {
            return None;
        }
        let person = Person::draw(&self.shapes, self.hospital.seed, self.next_person);
        self.next_person += 1;
        Some(person)
    }

    fn fill_block(&mut self) -> Option<()> {
        let first = self.next_person;
        self.block.clear();
        while self.next_person < first + PERSONS_PER_BLOCK {
            match self.person() {
                Some(person) => self.block.push(person),
                None => break,
            }
        }
        let mut visits: Vec<_> = (self.block.iter().enumerate())
            .flat_map(|(place, person)| (0..person.encounters).map(move |number| (place, number)))
            .collect();
        visits.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(self.hospital.seed ^ first));
        self.visits = visits.into_iter();
        (!self.block.is_empty()).then_some(())
    }

    fn visit(&mut self) -> Option<(Person, Encounter)> {
        if self.visits.len() == 0 {
            self.fill_block()?;
        }
        let (place, number) = self.visits.next()?;
        let person = self.block.get(place)?;
        Some((person.clone(), person.encounter(&self.shapes, number)))
    }
}

impl Iterator for Rows {
    type Item = Vec<Cell>;

    fn next(&mut self) -> Option<Vec<Cell>> {
        match self.table {
            Table::Persons => self.person().map(|person| person_row(&person)),
            Table::Encounters => self.visit().map(|(person, encounter)| encounter_row(&person, &encounter)),
            Table::Diagnoses => {
                if self.pending.len() == 0 {
                    let (person, encounter) = self.visit()?;
                    self.pending = diagnosis_rows(&person, &encounter).into_iter();
                }
                self.pending.next()
            }
        }
    }
}

fn person_row(person: &Person) -> Vec<Cell> {
    vec![
        person_id(person),
        Cell::Date(person.birth_day),
        code(&SEXES, person.sex),
        REGION_CODES.get(person.region).map_or(Cell::Missing, |region| Cell::Code(region)),
        Cell::Boolean(person.insured),
        Cell::Number(person.height_cm, 1),
        person.weight_kg.map_or(Cell::Missing, |weight| Cell::Number(weight, 1)),
    ]
}

fn encounter_row(person: &Person, encounter: &Encounter) -> Vec<Cell> {
    let principal = encounter.diagnoses.first().copied().flatten();
    vec![
        person_id(person),
        Cell::Date(encounter.day),
        age(person, encounter),
        code(&SEXES, person.sex),
        code(&KINDS, encounter.kind),
        code(&DEPARTMENTS, encounter.department),
        principal.map_or(Cell::Missing, |diagnosis| code(&ICD10, diagnosis)),
        Cell::Integer(encounter.stay_days),
        Cell::Number(encounter.cost_cny, 2),
        encounter.systolic_mmhg.map_or(Cell::Missing, |pressure| Cell::Number(pressure, 0)),
        Cell::Boolean(encounter.died),
    ]
}

fn diagnosis_rows(person: &Person, encounter: &Encounter) -> Vec<Vec<Cell>> {
    let present = encounter.diagnoses.iter().flatten();
    let row = |(diagnosis, rank): (&usize, i64)| {
        vec![
            person_id(person),
            Cell::Date(encounter.day),
            age(person, encounter),
            code(&SEXES, person.sex),
            code(&ICD10, *diagnosis),
            Cell::Integer(rank),
        ]
    };
    present.zip(1..).map(row).collect()
}

fn person_id(person: &Person) -> Cell {
    Cell::Text(format!("p-{:010}", person.number))
}

fn age(person: &Person, encounter: &Encounter) -> Cell {
    Cell::Integer(i64::from(encounter.day - person.birth_day) * 4 / 1_461)
}

fn code(list: &[(&'static str, &str)], index: usize) -> Cell {
    list.get(index).map_or(Cell::Missing, |(value, _)| Cell::Code(value))
}
