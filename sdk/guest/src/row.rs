//! What `job!` writes for a `row` job: a kernel per output, and exports that take the row as scalars.
//!
//! Everything is inlined into the exports, so that they compile to code without a store, which the enclave proves.

/// `Job::<output>(&Row, &Parameters) -> Option<Contribution>` for each output.
#[macro_export]
#[doc(hidden)]
macro_rules! __row_kernels {
    (($row:ident, $given:pat_param) {}) => {};
    (
        ($row:ident, $given:pat_param)
        { $output:ident : $reducer:ident $(($($bound:tt)*))? $(by [$($key:ident : $place:expr),* $(,)?])?
            $(when $condition:expr)? $(=> $value:expr)?; $($rest:tt)* }
    ) => {
        impl Job {
            /// Where the row counts in this output, and with what value.
            #[inline(always)]
            #[allow(unused_variables)]
            pub fn $output($row: &Row, $given: &Parameters) -> Option<$crate::Contribution> {
                $(if !($condition) {
                    return None;
                })?
                let cell = 0;
                $($(let cell = cell * $crate::Key::len(&keys::$key) + $crate::Key::index(&keys::$key, $place)?;)*)?
                Some($crate::Contribution { cell, value: $crate::__value!($reducer $($value)?) })
            }
        }
        $crate::__row_kernels! { ($row, $given) { $($rest)* } }
    };
}

/// The value of a contribution, for the reducers that have one.
#[macro_export]
#[doc(hidden)]
macro_rules! __value {
    (count) => {
        0.0
    };
    (distinct_persons) => {
        0.0
    };
    (count $value:expr) => {
        compile_error!("`count` counts: drop the `=> value`")
    };
    (distinct_persons $value:expr) => {
        compile_error!("`distinct_persons` counts: drop the `=> value`")
    };
    ($reducer:ident $value:expr) => {
        $value
    };
    ($reducer:ident) => {
        compile_error!("this reducer needs a value: `=> row.column`")
    };
}

/// Exports `gb_cell_<i>` and `gb_value_<i>`. First the columns become arguments and fields, then outputs are numbered.
#[macro_export]
#[doc(hidden)]
macro_rules! __row_exports {
    (@columns { $input:ident : $kind:ident $([$($codes:tt)*])? or missing $(, $($rest:tt)*)? }
        [$($arguments:tt)*] [$($fields:tt)*] $outputs:tt $parameters:tt) => {
        $crate::__row_exports! { @columns { $($($rest)*)? }
            [$($arguments)* $input: <$crate::__type!($kind) as $crate::Element>::Scalar, present: i32,]
            [$($fields)* $input: $crate::Element::scalar($input, present != 0),]
            $outputs $parameters }
    };
    (@columns { $input:ident : $kind:ident $([$($codes:tt)*])? $(, $($rest:tt)*)? }
        [$($arguments:tt)*] [$($fields:tt)*] $outputs:tt $parameters:tt) => {
        $crate::__row_exports! { @columns { $($($rest)*)? }
            [$($arguments)* $input: <$crate::__type!($kind) as $crate::Element>::Scalar,]
            [$($fields)* $input: $crate::Element::scalar($input, true),]
            $outputs $parameters }
    };
    (@columns {} $arguments:tt $fields:tt $outputs:tt $parameters:tt) => {
        $crate::__row_exports! { @outputs $arguments $fields $parameters $outputs
            [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
             32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63] }
    };
    (@outputs $arguments:tt $fields:tt $parameters:tt {} $numbers:tt) => {};
    (@outputs $arguments:tt $fields:tt $parameters:tt
        { $output:ident : $reducer:ident $(($($bound:tt)*))? $(by [$($by:tt)*])?
            $(when $condition:expr)? $(=> $value:expr)?; $($rest:tt)* }
        [$number:literal $($numbers:literal)*]) => {
        $crate::__row_exports! { @cell $arguments $fields $parameters $output $number }
        $crate::__row_exports! { @value $reducer $arguments $fields $parameters $output $number }
        $crate::__row_exports! { @outputs $arguments $fields $parameters { $($rest)* } [$($numbers)*] }
    };
    (@cell [$($arguments:tt)*] [$($fields:tt)*]
        { $($parameter:ident = $default:literal in $min:literal ..= $max:literal),* $(,)? }
        $output:ident $number:literal) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = concat!("gb_cell_", stringify!($number)))]
            extern "C" fn cell($($arguments)* $($parameter: f64,)*) -> i32 {
                match Job::$output(&Row { $($fields)* }, &Parameters { $($parameter,)* }) {
                    Some(contribution) => contribution.cell as i32,
                    None => -1,
                }
            }
        };
    };
    (@value count $($rest:tt)*) => {};
    (@value distinct_persons $($rest:tt)*) => {};
    (@value $reducer:ident [$($arguments:tt)*] [$($fields:tt)*]
        { $($parameter:ident = $default:literal in $min:literal ..= $max:literal),* $(,)? }
        $output:ident $number:literal) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = concat!("gb_value_", stringify!($number)))]
            extern "C" fn value($($arguments)* $($parameter: f64,)*) -> f64 {
                match Job::$output(&Row { $($fields)* }, &Parameters { $($parameter,)* }) {
                    Some(contribution) => contribution.value,
                    None => 0.0,
                }
            }
        };
    };
}
