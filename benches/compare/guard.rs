//! What guarding the ten-thousandth release costs: 20 cells over a million persons, 200,000 cohorts before it.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use glovebox_benches::clock::{cpu_best, peak_bytes, thread_cpu};
use glovebox_benches::figure::{Aim, Figure};
use glovebox_gate::{Endless, Guard as _, GuardIndex, NewCohort, PersonIds, read_cohort};
use roaring::RoaringBitmap;

const PERSONS: u32 = 1_000_000;
const RELEASES: u64 = 10_000;
const CELLS: usize = 20;
/// Releases that are judged by the guard, the last ones; those before are put into the index by their sketches.
const JUDGED: u64 = 20;
const K: u32 = 10;
const KEY: [u8; 16] = *b"a key of a bench";
/// Yes-or-no traits and numbers of a hundred values that questions filter and group by.
const TRAITS: usize = 12;

pub(crate) fn figures() -> Result<Vec<Figure>> {
    let population = Population::new();
    let mut index = GuardIndex::new(KEY);
    let mut cells = Vec::new();
    for release in 0..RELEASES - JUDGED {
        population.table(release, &mut cells);
        for (cell, persons) in cells.iter().enumerate() {
            let persons = RoaringBitmap::from_sorted_iter(persons.iter().copied())?;
            index.insert(number(release, cell), index.sketch(&persons))?;
        }
    }
    let index_mib = peak_bytes()? as f64 / f64::from(1 << 20);
    let mut judged = Judged::default();
    for release in RELEASES - JUDGED..RELEASES {
        judged.judge(&mut index, &population, release)?;
    }
    let per_release = |sum: f64| sum / JUDGED as f64;
    let taken_ms = judged.taken.iter().map(|taken| taken.as_secs_f64() * 1e3);
    let worst_ms = taken_ms.clone().fold(0.0, f64::max);
    let sketches = index.len();
    let load = || {
        let bytes: Vec<Vec<u8>> = judged.fresh.iter().map(|cohort| cohort.sketch.to_bytes()).collect();
        let mut fresh = GuardIndex::new(KEY);
        for (number, bytes) in (0..).zip(&bytes) {
            fresh.insert(number, glovebox_gate::Sketch::from_bytes(bytes)?)?;
        }
        Ok(fresh.len())
    };
    let loading = cpu_best(3, load)?.as_secs_f64() / judged.fresh.len() as f64 * sketches as f64;
    let name = |what: &str| format!("release of {CELLS} cells after {sketches} cohorts: {what}");
    Ok(vec![
        Figure::new(name("judged"), per_release(taken_ms.sum()), "ms").aiming(Aim::AtMost(1_000.0)),
        Figure::new(name("judged, the slowest"), worst_ms, "ms"),
        Figure::new(name("cells admitted"), per_release(judged.admitted as f64), "cells"),
        Figure::new(name("cohorts read"), per_release(judged.read as f64), "cohorts"),
        Figure::new(name("bytes read"), per_release(judged.read_bytes as f64) / 1024.0, "KiB"),
        Figure::new(name("cohorts kept"), per_release(judged.fresh.len() as f64), "cohorts"),
        Figure::new("index of all cohorts, and a million persons' traits", index_mib, "MiB"),
        Figure::new("index made from sketches at start", loading * 1e3, "ms"),
    ])
}

fn number(release: u64, cell: usize) -> u64 {
    release * CELLS as u64 + cell as u64
}

/// What the judged releases took. Reading is counted apart: the enclave unseals what a store holds, the bench computes it.
#[derive(Default)]
struct Judged {
    taken: Vec<Duration>,
    admitted: usize,
    read: usize,
    read_bytes: usize,
    fresh: Vec<NewCohort>,
    kept: HashMap<u64, Vec<u8>>,
}

impl Judged {
    fn judge(&mut self, index: &mut GuardIndex, population: &Population, release: u64) -> Result<()> {
        let mut cells = Vec::new();
        population.table(release, &mut cells);
        let cells = cells.iter().map(|cell| RoaringBitmap::from_sorted_iter(cell.iter().copied()));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        let (reading, read, bytes) = (Cell::new(Duration::ZERO), Cell::new(0), Cell::new(0));
        let load = |number: u64| {
            let before = thread_cpu();
            let persons = match self.kept.get(&number) {
                Some(kept) => read_cohort(kept)?,
                None => population.cohort(number),
            };
            read.set(read.get() + 1);
            bytes.set(bytes.get() + persons.serialized_size());
            reading.set(reading.get() + thread_cpu().saturating_sub(before));
            Ok(persons)
        };
        let before = thread_cpu();
        let mut session = index.session(K, PersonIds::Identity, &load);
        self.admitted +=
            cells.iter().filter(|cell| session.admit(cell, &Endless).is_ok_and(|is_admitted| is_admitted)).count();
        let fresh = session.finish()?;
        self.taken.push(thread_cpu().saturating_sub(before).saturating_sub(reading.get()));
        (self.read, self.read_bytes) = (self.read + read.get(), self.read_bytes + bytes.get());
        for cohort in &fresh {
            let number = number(RELEASES, self.kept.len());
            index.insert(number, cohort.sketch.clone())?;
            self.kept.insert(number, cohort.persons.clone());
        }
        self.fresh.extend(fresh);
        Ok(())
    }
}

/// A million persons with traits, and the questions asked about them: everyone or those of one to three traits, grouped into 20
/// bands of one trait.
struct Population {
    traits: Vec<Vec<u8>>,
}

impl Population {
    fn new() -> Self {
        let mut numbers = Numbers(7);
        let column = |_| (0..PERSONS).map(|_| u8::try_from(numbers.next() % 100).unwrap_or(0)).collect();
        Self { traits: (0..TRAITS).map(column).collect() }
    }

    /// The cells of table number `release`, each in ascending order.
    fn table(&self, release: u64, cells: &mut Vec<Vec<u32>>) {
        let mut numbers = Numbers(release + 1);
        let mut pick = |below: usize| (numbers.next() % below as u64) as usize;
        let filters: Vec<(&[u8], u8, u8)> = (0..pick(4))
            .map(|_| (self.column(pick(TRAITS)), pick(60) as u8, 20 + pick(80) as u8))
            .map(|(column, from, width)| (column, from, from.saturating_add(width)))
            .collect();
        let (group, shift) = (self.column(pick(TRAITS)), pick(100));
        cells.resize_with(CELLS, Vec::new);
        cells.iter_mut().for_each(Vec::clear);
        for (person, value) in (0_u32..).zip(group) {
            let is_in = |(column, from, to): &(&[u8], u8, u8)| {
                column.get(person as usize).is_some_and(|value| (*from..*to).contains(value))
            };
            if filters.iter().all(is_in)
                && let Some(cell) = cells.get_mut((usize::from(*value) + shift) % 100 * CELLS / 100)
            {
                cell.push(person);
            }
        }
    }

    fn cohort(&self, number: u64) -> RoaringBitmap {
        let mut cells = Vec::new();
        self.table(number / CELLS as u64, &mut cells);
        let cell = cells.get((number % CELLS as u64) as usize).map(Vec::as_slice).unwrap_or_default();
        cell.iter().copied().collect()
    }

    fn column(&self, at: usize) -> &[u8] {
        self.traits.get(at).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Numbers that follow no pattern, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }
}
