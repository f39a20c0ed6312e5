//! What a job gives back: contributions of a row, a person or a block to cells of outputs.

/// Where a row counts, and with what value: a number, or an array for reducers that take several. The value means nothing
/// for the reducers that only count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution<V = f64> {
    /// Cell number, row-major over the output's keys.
    pub cell: u32,
    /// The value.
    pub value: V,
}

/// A value for one of several outputs, laid out as the interface wants it. A contribution of n > 1 values is n records,
/// with cells `cell * n`, `cell * n + 1`, …
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Record {
    /// Index of the output in the manifest.
    pub output: u32,
    /// Cell number, row-major over the output's keys, times the number of values, plus the number of this one.
    pub cell: u32,
    /// The value.
    pub value: f64,
}

const _: () = assert!(size_of::<Record>() == 16 && align_of::<Record>() == 8);

/// What `job!` writes for jobs that get columns: their type, named after the unit.
#[macro_export]
#[doc(hidden)]
macro_rules! __unit_type {
    (
        $unit:ident, $what:literal,
        { $($input:ident : $kind:ident $([$($codes:tt)*])? $(or $missing:ident)?),* $(,)? }
        { $($extra:ident)? }
    ) => {
        #[doc = $what]
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy)]
        pub struct $unit<'a> {
            $(pub $input: $crate::Column<'a, $crate::__type!($kind $($missing)?)>,)*
            $(
                /// For each row the number of its person, from 0, ascending.
                pub $extra: &'a [u32],
            )?
        }

        impl<'a> $unit<'a> {
            /// The rows in their order.
            pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row> + 'a {
                let unit = *self;
                let rows = [$(unit.$input.len()),*].into_iter().min().unwrap_or(0);
                (0..rows).filter_map(move |row| Some(Row { $($input: unit.$input.at(row)?,)* }))
            }
        }

        #[cfg(target_arch = "wasm32")]
        impl<'a> $unit<'a> {
            fn from_raw(raw: &$crate::raw::RawRows<'a>) -> Self {
                let mut column = 0..;
                let mut next = || column.next().unwrap_or(usize::MAX);
                // SAFETY: the host lays the columns out in the order and with the types of the manifest, which
                // `Description` wrote from the same declaration.
                unsafe { Self { $($input: raw.column(next()),)* $($extra: raw.persons(),)? } }
            }
        }
    };
}

/// What `job!` writes for `person` and `block` jobs: a method per output that takes keys and value.
#[macro_export]
#[doc(hidden)]
macro_rules! __contribute {
    ($outputs:tt) => {
        /// Takes contributions: one method per output, with its keys in order and, where the reducer has one, the
        /// value. A key outside its domain leaves the contribution out.
        #[derive(Debug)]
        pub struct Contribute {
            records: Vec<$crate::Record>,
        }

        $crate::__contribute! { @outputs $outputs
            [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
             32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63] }
    };
    (@outputs {} $numbers:tt) => {};
    (
        @outputs
        { $output:ident : $reducer:ident $(($($bound:tt)*))? $(by [$($key:ident),* $(,)?])?; $($rest:tt)* }
        [$number:literal $($numbers:literal)*]
    ) => {
        $crate::__contribute! { @method $reducer [$($($bound)*)?] $output $number [$($($key)*)?] }
        $crate::__contribute! { @outputs { $($rest)* } [$($numbers)*] }
    };
    (@method count $bound:tt $output:ident $number:literal [$($key:ident)*]) => {
        impl Contribute {
            #[allow(missing_docs)]
            pub fn $output(&mut self, $($key: impl $crate::KeyValue),*) {
                $crate::__contribute! { @push self $number $crate::Values::values(&0.0), [$($key)*] }
            }
        }
    };
    (@method distinct_persons $($rest:tt)*) => {
        $crate::__contribute! { @method count $($rest)* }
    };
    (@method contingency_table $($rest:tt)*) => {
        $crate::__contribute! { @method count $($rest)* }
    };
    (@method $reducer:ident [$($bound:tt)*] $output:ident $number:literal [$($key:ident)*]) => {
        impl Contribute {
            #[allow(missing_docs)]
            pub fn $output(
                &mut self,
                $($key: impl $crate::KeyValue,)*
                value: $crate::__value_type!($reducer $($bound)*),
            ) {
                $crate::__contribute! { @push self $number $crate::Values::values(&value), [$($key)*] }
            }
        }
    };
    (@push $self:ident $number:literal $values:expr, [$($key:ident)*]) => {
        let cell = || {
            let cell = 0;
            $(let cell = cell * $crate::Key::len(&keys::$key) + $crate::Key::index(&keys::$key, $key)?;)*
            Some(cell)
        };
        if let Some(cell) = cell() {
            let values = $values;
            let first = cell * values.as_ref().len() as u32;
            $self.records.extend(
                (first..).zip(values).map(|(cell, value)| $crate::Record { output: $number, cell, value }),
            );
        }
    };
}

/// A value of a contribution: one number, or several.
pub trait Values {
    /// Them, as an array.
    type Array: IntoIterator<Item = f64> + AsRef<[f64]>;
    /// The numbers in their order.
    fn values(&self) -> Self::Array;
}

impl Values for f64 {
    type Array = [f64; 1];
    fn values(&self) -> [f64; 1] {
        [*self]
    }
}

impl<const N: usize> Values for [f64; N] {
    type Array = Self;
    fn values(&self) -> Self {
        *self
    }
}
