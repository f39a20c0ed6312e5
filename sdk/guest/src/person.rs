//! What a job gives back: contributions of one person to cells of outputs.

/// Where a row counts, and with what value. The value means nothing for the reducers that only count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    /// Cell number, row-major over the output's keys.
    pub cell: u32,
    /// The value.
    pub value: f64,
}

/// A contribution of a person to one of several outputs, laid out as the interface wants it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Record {
    /// Index of the output in the manifest.
    pub output: u32,
    /// Cell number, row-major over the output's keys.
    pub cell: u32,
    /// The value.
    pub value: f64,
}

const _: () = assert!(size_of::<Record>() == 16 && align_of::<Record>() == 8);

/// What `job!` writes for a `person` job: the columns of a person, and a method per output that takes keys and value.
#[macro_export]
#[doc(hidden)]
macro_rules! __person_types {
    (
        { $($input:ident : $kind:ident $([$($codes:tt)*])? $(or $missing:ident)?),* $(,)? }
        { $($parameter:ident = $default:literal in $min:literal ..= $max:literal),* $(,)? }
        $outputs:tt
    ) => {
        /// All rows of one person.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy)]
        pub struct Person<'a> {
            $(pub $input: $crate::Column<'a, $crate::__type!($kind $($missing)?)>,)*
        }

        impl<'a> Person<'a> {
            /// The rows in their order.
            pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row> + 'a {
                let person = *self;
                let rows = [$(person.$input.len()),*].into_iter().min().unwrap_or(0);
                (0..rows).filter_map(move |row| Some(Row { $($input: person.$input.at(row)?,)* }))
            }
        }

        /// Takes contributions: one method per output, with its keys in order and, where the reducer has one, the
        /// value. A key outside its domain leaves the contribution out.
        #[derive(Debug)]
        pub struct Contribute {
            records: Vec<$crate::Record>,
        }

        $crate::__contribute! { $outputs
            [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
             32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63] }

        #[cfg(target_arch = "wasm32")]
        fn __run(raw: &$crate::raw::RawPerson<'_>) -> Vec<$crate::Record> {
            let mut column = 0..;
            let mut parameter = 0..;
            let mut next = || column.next().unwrap_or(usize::MAX);
            // SAFETY: the host lays the columns out in the order and with the types of the manifest, which
            // `Description` wrote from the same declaration.
            let person = unsafe { Person { $($input: raw.column(next()),)* } };
            let mut next = || parameter.next().unwrap_or(usize::MAX);
            let _ = &mut next;
            Job::person(&person, &Parameters { $($parameter: raw.parameter(next()),)* })
        }
        $crate::__person_exports! { Job::DESCRIPTION.parameters.len(), __run }
    };
}

/// The methods of `Contribute`.
#[macro_export]
#[doc(hidden)]
macro_rules! __contribute {
    ({} $numbers:tt) => {};
    (
        { $output:ident : $reducer:ident $(($($bound:tt)*))? $(by [$($key:ident),* $(,)?])?; $($rest:tt)* }
        [$number:literal $($numbers:literal)*]
    ) => {
        $crate::__contribute! { @method $reducer $output $number [$($($key)*)?] }
        $crate::__contribute! { { $($rest)* } [$($numbers)*] }
    };
    (@method count $output:ident $number:literal [$($key:ident)*]) => {
        impl Contribute {
            #[allow(missing_docs)]
            pub fn $output(&mut self, $($key: impl $crate::KeyValue),*) {
                $crate::__contribute! { @push self $number 0.0, [$($key)*] }
            }
        }
    };
    (@method distinct_persons $output:ident $number:literal [$($key:ident)*]) => {
        $crate::__contribute! { @method count $output $number [$($key)*] }
    };
    (@method $reducer:ident $output:ident $number:literal [$($key:ident)*]) => {
        impl Contribute {
            #[allow(missing_docs)]
            pub fn $output(&mut self, $($key: impl $crate::KeyValue,)* value: f64) {
                $crate::__contribute! { @push self $number value, [$($key)*] }
            }
        }
    };
    (@push $self:ident $number:literal $value:expr, [$($key:ident)*]) => {
        let cell = || {
            let cell = 0;
            $(let cell = cell * $crate::Key::len(&keys::$key) + $crate::Key::index(&keys::$key, $key)?;)*
            Some(cell)
        };
        if let Some(cell) = cell() {
            $self.records.push($crate::Record { output: $number, cell, value: $value });
        }
    };
}
