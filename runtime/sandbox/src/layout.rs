//! What a guest of the columnar door finds in its memory: descriptors of `u32` words, and 8-aligned arrays behind them.

use crate::door::Rows;
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
        let mut input = Self::with_words(words);
        input.set(0, rows.count);
        input.set(1, columns);
        input.append(2, numbers(arguments));
        for (index, column) in rows.columns.iter().enumerate() {
            let word = 3 + 3 * index;
            input.set(word, column.kind as usize);
            input.append(word + 1, column.values.iter().copied());
            if let Some(validity) = column.validity {
                input.append(word + 2, validity.iter().copied());
            }
        }
        if let Some(persons) = rows.persons {
            input.append(words - 1, persons.iter().flat_map(|person| person.to_le_bytes()));
        }
        input
    }

    /// What was released of a round (sdk/wit/README.md, "Rounds").
    pub(crate) fn released(parameters: &[f64], released: &UpdateInput<'_>) -> Self {
        let mut input = Self::with_words(4 + 3 * released.outputs.len());
        input.set(0, released.round as usize);
        input.set(1, released.outputs.len());
        input.append(2, numbers(parameters));
        input.append(3, numbers(released.state));
        for (index, output) in released.outputs.iter().enumerate() {
            let word = 4 + 3 * index;
            input.set(word, output.values.len());
            input.append(word + 1, output.figures().flat_map(f64::to_le_bytes));
            input.append(word + 2, output.valid.iter().map(|valid| u8::from(*valid)));
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

    fn with_words(words: usize) -> Self {
        Self { bytes: vec![0; 4 * words], addresses: Vec::new() }
    }

    fn set(&mut self, word: usize, value: usize) {
        // The whole input is checked to be below 4 GiB before it is used.
        let value = value as u32;
        if let Some(slot) = slot(&mut self.bytes, word) {
            *slot = value.to_le_bytes();
        }
    }

    /// Appends an 8-aligned array, whose address stands in `word`.
    fn append(&mut self, word: usize, bytes: impl Iterator<Item = u8>) {
        let start = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(start, 0);
        self.bytes.extend(bytes);
        self.set(word, start);
        self.addresses.push(word);
    }
}

fn numbers(numbers: &[f64]) -> impl Iterator<Item = u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes())
}

fn slot(bytes: &mut [u8], word: usize) -> Option<&mut [u8; 4]> {
    bytes.get_mut(4 * word..4 * word + 4)?.try_into().ok()
}
