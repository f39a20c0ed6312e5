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
            pub fn $output(
                $row: &Row,
                $given: &Parameters,
            ) -> Option<$crate::Contribution<$crate::__value_type!($reducer $($($bound)*)?)>> {
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

/// Type of the value of a contribution: an array for reducers that take several.
#[macro_export]
#[doc(hidden)]
macro_rules! __value_type {
    (ratio $($bound:tt)*) => { [f64; 2] };
    (survival_table $($edge:tt)*) => { [f64; 2] };
    (cross_product $($name:ident in $lower:literal ..= $upper:literal),+ $(,)?) => {
        [f64; <[&str]>::len(&[$(stringify!($name)),+])]
    };
    (gradient $norm:literal; $($component:ident),+ $(,)?) => { [f64; <[&str]>::len(&[$(stringify!($component)),+])] };
    ($reducer:ident $($bound:tt)*) => { f64 };
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
    (contingency_table) => {
        0.0
    };
    (count $value:expr) => {
        compile_error!("`count` counts: drop the `=> value`")
    };
    (distinct_persons $value:expr) => {
        compile_error!("`distinct_persons` counts: drop the `=> value`")
    };
    (contingency_table $value:expr) => {
        compile_error!("`contingency_table` counts: drop the `=> value`")
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
        $crate::__row_exports! { @reducer $reducer [$($($bound)*)?] $arguments $fields $parameters $output $number }
        $crate::__row_exports! { @outputs $arguments $fields $parameters { $($rest)* } [$($numbers)*] }
    };
    (@cell [$($arguments:tt)*] [$($fields:tt)*] [$($parameter:ident)*] $output:ident $number:literal) => {
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
    (@reducer count $($rest:tt)*) => {};
    (@reducer distinct_persons $($rest:tt)*) => {};
    (@reducer contingency_table $($rest:tt)*) => {};
    (@reducer ratio [$($bound:tt)*] $($rest:tt)*) => {
        $crate::__row_exports! { @values [numerator denominator] [0 1] $($rest)* }
    };
    (@reducer survival_table [$($edge:tt)*] $($rest:tt)*) => {
        $crate::__row_exports! { @values [time event] [0 1] $($rest)* }
    };
    (@reducer cross_product [$($name:ident in $lower:literal ..= $upper:literal),+ $(,)?] $($rest:tt)*) => {
        $crate::__row_exports! { @values [$($name)+] [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] $($rest)* }
    };
    (@reducer gradient [$norm:literal; $($component:ident),+ $(,)?] $($rest:tt)*) => {
        $crate::__row_exports! { @values [$($component)+]
            [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
             32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63]
            $($rest)* }
    };
    (@reducer $reducer:ident $bound:tt $arguments:tt $fields:tt $parameters:tt $output:ident $number:literal) => {
        $crate::__row_exports! { @value $arguments $fields $parameters $output
            (concat!("gb_value_", stringify!($number))) |value| value }
    };
    (@values [] $indices:tt $($rest:tt)*) => {};
    (@values [$name:ident $($names:ident)*] [$index:literal $($indices:literal)*]
        $arguments:tt $fields:tt $parameters:tt $output:ident $number:literal) => {
        $crate::__row_exports! { @value $arguments $fields $parameters $output
            (concat!("gb_value_", stringify!($number), "_", stringify!($index))) |value| value[$index] }
        $crate::__row_exports! { @values [$($names)*] [$($indices)*] $arguments $fields $parameters $output $number }
    };
    (@value [$($arguments:tt)*] [$($fields:tt)*] [$($parameter:ident)*] $output:ident ($name:expr)
        |$value:ident| $component:expr) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = $name)]
            extern "C" fn value($($arguments)* $($parameter: f64,)*) -> f64 {
                match Job::$output(&Row { $($fields)* }, &Parameters { $($parameter,)* }) {
                    Some(contribution) => {
                        let $value = contribution.value;
                        $component
                    }
                    None => 0.0,
                }
            }
        };
    };
}
