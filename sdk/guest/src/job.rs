//! The macro `job!`: manifest, types and exports of a job from one declaration.

/// Declares the job of this crate. See the [crate's page](crate) for a `row` job and README.md for the whole syntax.
///
/// ```
/// glovebox_guest::job! {
///     name: "visits",
///     version: "1.0.0",
///     description: "Visits per person and year",
///     isolation: person,
///     contributions_per_person_max: 1,
///     inputs {
///         sex: code["male", "female"],
///         visits: int64 or missing,
///     }
///     keys { sex: codes["male", "female"] }
///     outputs {
///         persons: distinct_persons by [sex];
///         visits:  mean(0.0, 100.0) by [sex];
///     }
///     person |person, parameters, contribute| {
///         let _ = parameters;
///         let sex = person.sex.first()?;
///         contribute.persons(sex);
///         contribute.visits(sex, glovebox_guest::mean(person.visits.present().map(|visits| visits as f64))?);
///     }
/// }
///
/// use glovebox_guest::{Column, Record};
/// let person = Person {
///     sex: Column::new(&[1, 1]),
///     visits: Column::with_validity(&[4, 0], &[1, 0]),
/// };
/// let expected = [Record { output: 0, cell: 1, value: 0.0 }, Record { output: 1, cell: 1, value: 4.0 }];
/// assert_eq!(Job::person(&person, &Parameters::default()), expected);
/// ```
#[macro_export]
macro_rules! job {
    (
        name: $name:literal,
        version: $version:literal,
        description: $description:literal,
        $(purpose: $purpose:literal,)?
        isolation: row,
        contributions_per_person_max: $max:literal,
        inputs { $($inputs:tt)* }
        $(parameters { $($parameter:ident = $default:literal in $min:literal ..= $pmax:literal),* $(,)? })?
        $(keys { $($keys:tt)* })?
        outputs |$row:ident, $given:pat_param| $outputs:tt
        $(rounds $rounds_max:literal {
            state { $($state:ident = $sdefault:literal in $smin:literal ..= $smax:literal),* $(,)? }
            update |$released:ident| $update:block
        })?
    ) => {
        $crate::__declare! {
            [$name, $version, $description, "row", $max, $($purpose)?] []
            { $($inputs)* }
            { $($($parameter = $default in $min ..= $pmax),*)? }
            { $($rounds_max $($state = $sdefault in $smin ..= $smax),*)? }
            { $($($keys)*)? } $outputs
        }
        $crate::__row_kernels! { ($row, $given) $outputs }
        $crate::__row_exports! { @columns { $($inputs)* } [] [] $outputs [$($($parameter)*)? $($($state)*)?] }
        $(
            $crate::__memory_exports! {}
            $crate::__rounds! { [$($state)*] $outputs |$released| $update }
            $crate::__update_exports! { __update }
        )?
    };
    (
        name: $name:literal,
        version: $version:literal,
        description: $description:literal,
        $(purpose: $purpose:literal,)?
        isolation: person,
        contributions_per_person_max: $max:literal,
        inputs { $($inputs:tt)* }
        $(parameters { $($parameter:ident = $default:literal in $min:literal ..= $pmax:literal),* $(,)? })?
        $(keys { $($keys:tt)* })?
        outputs $outputs:tt
        person |$person:ident, $given:pat_param, $contribute:ident| $body:block
        $(rounds $rounds_max:literal {
            state { $($state:ident = $sdefault:literal in $smin:literal ..= $smax:literal),* $(,)? }
            update |$released:ident| $update:block
        })?
    ) => {
        $crate::__declare! {
            [$name, $version, $description, "person", $max, $($purpose)?] []
            { $($inputs)* }
            { $($($parameter = $default in $min ..= $pmax),*)? }
            { $($rounds_max $($state = $sdefault in $smin ..= $smax),*)? }
            { $($($keys)*)? } $outputs
        }
        $crate::__unit_type! { Person, "All rows of one person.", { $($inputs)* } {} }
        $crate::__contribute! { $outputs }

        impl Job {
            /// The contributions of one person.
            pub fn person(person: &Person<'_>, parameters: &Parameters) -> Vec<$crate::Record> {
                fn body($person: &Person<'_>, $given: &Parameters, $contribute: &mut Contribute) -> Option<()> {
                    $body
                    Some(())
                }
                let mut contribute = Contribute { records: Vec::new() };
                let _ = body(person, parameters, &mut contribute);
                contribute.records
            }
        }

        $crate::__memory_exports! {}
        $crate::__map_exports! { person, |raw| Job::person(&Person::from_raw(raw), &Parameters::from_raw(raw)) }
        $(
            $crate::__rounds! { [$($state)*] $outputs |$released| $update }
            $crate::__update_exports! { __update }
        )?
    };
    (
        name: $name:literal,
        version: $version:literal,
        description: $description:literal,
        $(purpose: $purpose:literal,)?
        isolation: block,
        blocks: $blocks:literal,
        inputs { $($inputs:tt)* }
        $(parameters { $($parameter:ident = $default:literal in $min:literal ..= $pmax:literal),* $(,)? })?
        outputs $outputs:tt
        block |$block:ident, $given:pat_param, $estimate:ident| $body:block
    ) => {
        $crate::__declare! {
            [$name, $version, $description, "block", 1, $($purpose)?] [$blocks]
            { $($inputs)* } { $($($parameter = $default in $min ..= $pmax),*)? } {} {} $outputs
        }
        $crate::__unit_type! { Block, "All rows of a block of persons.", { $($inputs)* } { person_of_row } }
        $crate::__contribute! { $outputs }

        impl Job {
            /// The estimates of one block.
            pub fn block(block: &Block<'_>, parameters: &Parameters) -> Vec<$crate::Record> {
                fn body($block: &Block<'_>, $given: &Parameters, $estimate: &mut Contribute) -> Option<()> {
                    $body
                    Some(())
                }
                let mut contribute = Contribute { records: Vec::new() };
                let _ = body(block, parameters, &mut contribute);
                contribute.records
            }
        }

        $crate::__memory_exports! {}
        $crate::__map_exports! { block, |raw| Job::block(&Block::from_raw(raw), &Parameters::from_raw(raw)) }
    };
    (
        name: $name:literal,
        version: $version:literal,
        description: $description:literal,
        $(purpose: $purpose:literal,)?
        isolation: cohort,
        inputs { $($inputs:tt)* }
        $(parameters { $($parameter:ident = $default:literal in $min:literal ..= $pmax:literal),* $(,)? })?
        outputs $outputs:tt
        cohort $cohort:ident;
    ) => {
        $crate::__declare! {
            [$name, $version, $description, "cohort", 1, $($purpose)?] []
            { $($inputs)* } { $($($parameter = $default in $min ..= $pmax),*)? } {} {} $outputs
        }
        $crate::__unit_type! { Batch, "Some rows of the cohort, whole persons.", { $($inputs)* } { person_of_row } }
        $crate::__cohort! { $outputs }
        $crate::__memory_exports! {}
        $crate::__cohort_exports! { $cohort }
    };
}

/// What every kind of job has: types, keys, description, manifest.
#[macro_export]
#[doc(hidden)]
macro_rules! __declare {
    (
        [$name:literal, $version:literal, $description:literal, $isolation:literal, $max:literal, $($purpose:literal)?]
        [$($blocks:literal)?]
        { $($input:ident : $kind:ident $([$($codes:tt)*])? $(or $missing:ident)?),* $(,)? }
        { $($parameter:ident = $default:literal in $min:literal ..= $pmax:literal),* }
        { $($rounds_max:literal $($state:ident = $sdefault:literal in $smin:literal ..= $smax:literal),*)? }
        { $($key:ident : $domain:ident [$($entry:literal),* $(,)?]),* $(,)? }
        { $($output:ident : $reducer:ident $(($($bound:tt)*))?
            $(by [$($by:ident $(: $place:expr)?),* $(,)?])? $(when $condition:expr)? $(=> $value:expr)?;)* }
    ) => {
        /// One row of the inputs.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct Row {
            $(pub $input: $crate::__type!($kind $($missing)?),)*
        }

        /// The parameters of the job, and the state of its rounds.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct Parameters {
            $(pub $parameter: f64,)*
            $($(pub $state: f64,)*)?
        }

        impl Default for Parameters {
            fn default() -> Self {
                Self { $($parameter: $default as f64,)* $($($state: $sdefault as f64,)*)? }
            }
        }

        #[cfg(target_arch = "wasm32")]
        impl Parameters {
            #[allow(dead_code, unused_mut, unused_variables)]
            fn from_raw(raw: &$crate::raw::RawRows<'_>) -> Self {
                let mut argument = 0..;
                let mut next = || raw.argument(argument.next().unwrap_or(usize::MAX));
                Self { $($parameter: next(),)* $($($state: next(),)*)? }
            }
        }

        $($crate::__codes! { $input $([$($codes)*])? })*

        /// The key dimensions.
        #[allow(missing_docs, non_upper_case_globals)]
        pub mod keys {
            $(pub const $key: $crate::__key!($domain) = $crate::__key!($domain [$($entry),*]);)*
        }

        /// The job.
        #[derive(Debug)]
        pub struct Job;

        impl Job {
            /// What the manifest says.
            pub const DESCRIPTION: $crate::Description = $crate::Description {
                name: $name,
                version: $version,
                description: $description,
                purpose: $crate::__optional!($($purpose)?),
                isolation: $isolation,
                inputs: &[$($crate::Input {
                    name: stringify!($input),
                    kind: $crate::__kind!($kind $([$($codes)*])?),
                    nullable: $crate::__nullable!($($missing)?),
                }),*],
                parameters: &[$($crate::__parameter!($parameter $default, $min, $pmax)),*],
                keys: &[$((stringify!($key), $crate::__domain!($domain [$($entry),*]))),*],
                outputs: &[$($crate::Output {
                    name: stringify!($output),
                    reducer: $crate::__reducer!($reducer $($($bound)*)?),
                    keys: &[$($(stringify!($by)),*)?],
                }),*],
                contributions_per_person_max: $max,
                blocks: $crate::__optional!($($blocks)?),
                rounds: $crate::__optional!($($crate::Rounds {
                    rounds_max: $rounds_max,
                    state: &[$($crate::__parameter!($state $sdefault, $smin, $smax)),*],
                })?),
            };
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[used]
            #[unsafe(link_section = "glovebox.job")]
            static MANIFEST: [u8; $crate::manifest_len(&Job::DESCRIPTION)] = $crate::manifest_json(&Job::DESCRIPTION);
        };
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __parameter {
    ($name:ident $default:literal, $min:literal, $max:literal) => {
        $crate::Parameter {
            name: stringify!($name),
            default: $crate::__number!($default),
            min: $crate::__number!($min),
            max: $crate::__number!($max),
        }
    };
}

/// Type of a field of `Row`.
#[macro_export]
#[doc(hidden)]
macro_rules! __type {
    (boolean) => { bool };
    (int64) => { i64 };
    (float64) => { f64 };
    (date) => { $crate::Date };
    (code) => { $crate::Code };
    ($kind:ident missing) => { Option<$crate::__type!($kind)> };
}

/// Constants for named codes, in a module of the input's name.
#[macro_export]
#[doc(hidden)]
macro_rules! __codes {
    ($input:ident) => {};
    ($input:ident [$($code:literal),* $(,)?]) => {};
    ($input:ident [$($constant:ident = $code:literal),* $(,)?]) => {
        #[allow(missing_docs)]
        pub mod $input {
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Place { $($constant),* }
            $(pub const $constant: $crate::Code = $crate::Code(Place::$constant as u32);)*
        }
    };
}

/// Type of an input in the description.
#[macro_export]
#[doc(hidden)]
macro_rules! __kind {
    (boolean) => { $crate::Kind::Boolean };
    (int64) => { $crate::Kind::Int64 };
    (float64) => { $crate::Kind::Float64 };
    (date) => { $crate::Kind::Date };
    (code [$($($constant:ident =)? $code:literal),* $(,)?]) => { $crate::Kind::Code(&[$($code),*]) };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __nullable {
    () => {
        false
    };
    (missing) => {
        true
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __optional {
    () => {
        None
    };
    ($some:expr) => {
        Some($some)
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __number {
    ($number:literal) => {
        $crate::Number::new($number as f64, stringify!($number))
    };
}

/// A key dimension: its type, or its value.
#[macro_export]
#[doc(hidden)]
macro_rules! __key {
    (codes) => { $crate::Codes };
    (bands) => { $crate::Bands };
    (integers) => { $crate::Integers };
    (codes [$($entry:literal),*]) => { $crate::Codes(&[$($entry),*]) };
    (bands [$($entry:literal),*]) => { $crate::Bands(&[$($crate::__number!($entry)),*]) };
    (integers [$first:literal, $last:literal]) => { $crate::Integers { first: $first, last: $last } };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __domain {
    (codes [$($entry:literal),*]) => { $crate::Domain::Codes(&[$($entry),*]) };
    (bands [$($entry:literal),*]) => { $crate::Domain::Bands(&[$($crate::__number!($entry)),*]) };
    (integers [$first:literal, $last:literal]) => {
        $crate::Domain::Integers { first: $crate::__number!($first), last: $crate::__number!($last) }
    };
}

/// A reducer in the description.
#[macro_export]
#[doc(hidden)]
macro_rules! __reducer {
    (count) => { $crate::Reducer::Count };
    (distinct_persons) => { $crate::Reducer::DistinctPersons };
    (contingency_table) => { $crate::Reducer::ContingencyTable };
    (sum $lower:literal, $upper:literal) => { $crate::Reducer::Sum($crate::__bounds!($lower, $upper)) };
    (mean $lower:literal, $upper:literal) => { $crate::Reducer::Mean($crate::__bounds!($lower, $upper)) };
    (variance $lower:literal, $upper:literal) => { $crate::Reducer::Variance($crate::__bounds!($lower, $upper)) };
    (ratio $nlower:literal, $nupper:literal; $dlower:literal, $dupper:literal) => {
        $crate::Reducer::Ratio {
            numerator: $crate::__bounds!($nlower, $nupper),
            denominator: $crate::__bounds!($dlower, $dupper),
        }
    };
    (histogram $($edge:literal),+ $(,)?) => { $crate::Reducer::Histogram(&[$($crate::__number!($edge)),+]) };
    (survival_table $($edge:literal),+ $(,)?) => { $crate::Reducer::SurvivalTable(&[$($crate::__number!($edge)),+]) };
    (quantile $lower:literal, $upper:literal, $steps:literal; $($probability:literal),+ $(,)?) => {
        $crate::Reducer::Quantile {
            bounds: $crate::__bounds!($lower, $upper),
            steps: $steps,
            probabilities: &[$($crate::__number!($probability)),+],
        }
    };
    (cross_product $($name:ident in $lower:literal ..= $upper:literal),+ $(,)?) => {
        $crate::Reducer::CrossProduct(&[$((stringify!($name), $crate::__bounds!($lower, $upper))),+])
    };
    (gradient $norm_max:literal; $($component:ident),+ $(,)?) => {
        $crate::Reducer::Gradient {
            length: <[&str]>::len(&[$(stringify!($component)),+]) as u32,
            norm_max: $crate::__number!($norm_max),
        }
    };
    (block_mean $lower:literal, $upper:literal) => { $crate::Reducer::BlockMean($crate::__bounds!($lower, $upper)) };
    (block_median $lower:literal, $upper:literal, $steps:literal) => {
        $crate::Reducer::BlockMedian { bounds: $crate::__bounds!($lower, $upper), steps: $steps }
    };
    (table $rows_max:literal; $($column:ident : $type:ident $arguments:tt),+ $(,)?) => {
        $crate::Reducer::Table {
            rows_max: $rows_max,
            columns: &[$((stringify!($column), $crate::__column_type!($type $arguments))),+],
        }
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __bounds {
    ($lower:literal, $upper:literal) => {
        $crate::Bounds { lower: $crate::__number!($lower), upper: $crate::__number!($upper) }
    };
}

/// Type of a column of a table.
#[macro_export]
#[doc(hidden)]
macro_rules! __column_type {
    (code [$($code:literal),+ $(,)?]) => { $crate::ColumnType::Code(&[$($code),+]) };
    (number ($lower:literal, $upper:literal, $step:literal)) => {
        $crate::ColumnType::Number { bounds: $crate::__bounds!($lower, $upper), step: $crate::__number!($step) }
    };
}
