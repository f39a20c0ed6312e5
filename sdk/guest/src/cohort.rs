//! A `cohort` job: tables with a claimed number of persons for each row, and partials as bytes.

use alloc::vec::Vec;

/// Numbers as a partial's bytes.
#[must_use]
pub fn encode(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The numbers of a partial made by [`encode`].
#[must_use]
pub fn decode(partial: &[u8]) -> Vec<f64> {
    let (words, _) = partial.as_chunks::<8>();
    words.iter().map(|word| f64::from_le_bytes(*word)).collect()
}

/// What `job!` writes for a `cohort` job: the trait that its accumulator implements, and a method per table.
#[macro_export]
#[doc(hidden)]
macro_rules! __cohort {
    ($outputs:tt) => {
        /// What sees the cohort, a stretch of rows at a time. It starts as its default.
        pub trait Cohort: Default {
            /// Takes some rows, whole persons.
            fn batch(&mut self, rows: &Batch<'_>, parameters: &Parameters);
            /// What it holds of its rows. Nothing is called after it.
            fn partial(self) -> Vec<u8>;
            /// Takes what one held before, in the order of the rows.
            fn merge(&mut self, partial: &[u8]);
            /// Gives the tables, after the last merge.
            fn finish(self, parameters: &Parameters, tables: &mut Tables);
        }

        /// Takes rows of tables: one method per output, with the number of the row, the number of persons behind it, and
        /// a value for each column (for a code its place in the list), none to leave it empty.
        #[derive(Debug, Default)]
        pub struct Tables {
            /// What was taken.
            pub records: Vec<$crate::Record>,
        }

        $crate::__cohort! { @outputs $outputs
            [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
             32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63] }
    };
    (@outputs {} $numbers:tt) => {};
    (
        @outputs
        { $output:ident : table($rows:literal; $($column:ident : $type:ident $arguments:tt),+ $(,)?); $($rest:tt)* }
        [$number:literal $($numbers:literal)*]
    ) => {
        impl Tables {
            #[allow(missing_docs)]
            pub fn $output(
                &mut self,
                row: u32,
                persons: u64,
                cells: [Option<f64>; <[&str]>::len(&[$(stringify!($column)),+])],
            ) {
                let first = row * (cells.len() as u32 + 1);
                let cells = core::iter::once(Some(persons as f64)).chain(cells);
                self.records.extend((first..).zip(cells).filter_map(|(cell, value)| {
                    Some($crate::Record { output: $number, cell, value: value? })
                }));
            }
        }
        $crate::__cohort! { @outputs { $($rest)* } [$($numbers)*] }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partials_round_trip() {
        let numbers = [0.0, -1.5, f64::MAX];
        assert_eq!(decode(&encode(&numbers)), numbers);
        assert_eq!(decode(&[]), [0.0; 0]);
    }
}
