//! What a guest of the columnar door finds in its memory: descriptors of `u32` words, and 8-aligned arrays behind them.

use crate::door::{Rows, Slice};
use crate::update::UpdateInput;

/// One input under construction: addresses count from its start until it has a place in the guest's memory.
#[derive(Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// The words that hold an address.
    addresses: Vec<usize>,
}

impl Input {
    /// Rows and arguments (sdk/wit/README.md, "The descriptor").
    pub(crate) fn rows(rows: &Rows<'_>, arguments: &[f64]) -> Self {
        let columns = rows.columns.len();
        let words = 3 + 3 * columns + usize::from(rows.persons.is_some());
        let size = |column: &Slice<'_>| column.values.len() + column.validity.map_or(0, <[u8]>::len) + 16;
        let arrays = rows.columns.iter().map(size).sum::<usize>() + size_of_val(arguments) + 4 * rows.count + 24;
        let mut input = Self::with_words(words, arrays);
        input.set(0, rows.count);
        input.set(1, columns);
        input.append(2, &numbers(arguments.iter().copied()));
        for (index, column) in rows.columns.iter().enumerate() {
            let word = 3 + 3 * index;
            input.set(word, column.kind as usize);
            input.append(word + 1, column.values);
            if let Some(validity) = column.validity {
                input.append(word + 2, validity);
            }
        }
        if let Some(persons) = rows.persons {
            let persons: Vec<u8> = persons.iter().flat_map(|person| person.to_le_bytes()).collect();
            input.append(words - 1, &persons);
        }
        input
    }

    /// What was released of a round (sdk/wit/README.md, "Rounds").
    pub(crate) fn released(parameters: &[f64], released: &UpdateInput<'_>) -> Self {
        let figures: usize = released.outputs.iter().map(|output| 9 * output.values.len() + 16).sum();
        let mut input = Self::with_words(4 + 3 * released.outputs.len(), figures);
        input.set(0, released.round as usize);
        input.set(1, released.outputs.len());
        input.append(2, &numbers(parameters.iter().copied()));
        input.append(3, &numbers(released.state.iter().copied()));
        for (index, output) in released.outputs.iter().enumerate() {
            let word = 4 + 3 * index;
            input.set(word, output.values.len());
            let valid: Vec<u8> = output.valid.iter().map(|valid| u8::from(*valid)).collect();
            input.append(word + 1, &numbers(output.figures()));
            input.append(word + 2, &valid);
        }
        input
    }

    /// Length in bytes; none beyond what a guest can address.
    pub(crate) fn size(&self) -> Option<u32> {
        u32::try_from(self.bytes.len()).ok()
    }

    /// The bytes as they stand at address `base`.
    pub(crate) fn at(mut self, base: u32) -> Vec<u8> {
        for word in &self.addresses {
            if let Some(slot) = slot(&mut self.bytes, *word) {
                *slot = u32::from_le_bytes(*slot).wrapping_add(base).to_le_bytes();
            }
        }
        self.bytes
    }

    /// A descriptor of zeros, with room for `arrays_bytes` behind it.
    fn with_words(words: usize, arrays_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(4 * words + arrays_bytes);
        bytes.resize(4 * words, 0);
        Self { bytes, addresses: Vec::with_capacity(words) }
    }

    fn set(&mut self, word: usize, value: usize) {
        // The whole input is checked to be below 4 GiB before it is used.
        let value = value as u32;
        if let Some(slot) = slot(&mut self.bytes, word) {
            *slot = value.to_le_bytes();
        }
    }

    /// Appends an 8-aligned array, whose address stands in `word`.
    fn append(&mut self, word: usize, bytes: &[u8]) {
        let start = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(bytes);
        self.set(word, start);
        self.addresses.push(word);
    }
}

fn numbers(numbers: impl Iterator<Item = f64>) -> Vec<u8> {
    numbers.flat_map(f64::to_le_bytes).collect()
}

fn slot(bytes: &mut [u8], word: usize) -> Option<&mut [u8; 4]> {
    bytes.get_mut(4 * word..4 * word + 4)?.try_into().ok()
}
