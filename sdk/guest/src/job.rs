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
        $(parameters { $($parameters:tt)* })?
        $(keys { $($keys:tt)* })?
        outputs |$row:ident, $given:pat_param| { $($outputs:tt)* }
    ) => {
        $crate::__declare! {
            [$name, $version, $description, "row", $max, $($purpose)?]
            { $($inputs)* } { $($($parameters)*)? } { $($($keys)*)? } { $($outputs)* }
        }
        $crate::__row_kernels! { ($row, $given) { $($outputs)* } }
        $crate::__row_exports! { @columns { $($inputs)* } [] [] { $($outputs)* } { $($($parameters)*)? } }
    };
    (
        name: $name:literal,
        version: $version:literal,
        description: $description:literal,
        $(purpose: $purpose:literal,)?
        isolation: person,
        contributions_per_person_max: $max:literal,
        inputs { $($inputs:tt)* }
        $(parameters { $($parameters:tt)* })?
        $(keys { $($keys:tt)* })?
        outputs { $($outputs:tt)* }
        person |$person:ident, $given:pat_param, $contribute:ident| $body:block
    ) => {
        $crate::__declare! {
            [$name, $version, $description, "person", $max, $($purpose)?]
            { $($inputs)* } { $($($parameters)*)? } { $($($keys)*)? } { $($outputs)* }
        }
        $crate::__person_types! { { $($inputs)* } { $($($parameters)*)? } { $($outputs)* } }

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
    };
}

/// What both kinds of job have: types, keys, description, manifest.
#[macro_export]
#[doc(hidden)]
macro_rules! __declare {
    (
        [$name:literal, $version:literal, $description:literal, $isolation:literal, $max:literal, $($purpose:literal)?]
        { $($input:ident : $kind:ident $([$($codes:tt)*])? $(or $missing:ident)?),* $(,)? }
        { $($parameter:ident = $default:literal in $min:literal ..= $pmax:literal),* $(,)? }
        { $($key:ident : $domain:ident [$($entry:literal),* $(,)?]),* $(,)? }
        { $($output:ident : $reducer:ident $(($($bound:literal),* $(,)?))?
            $(by [$($by:ident $(: $place:expr)?),* $(,)?])? $(when $condition:expr)? $(=> $value:expr)?;)* }
    ) => {
        /// One row of the inputs.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct Row {
            $(pub $input: $crate::__type!($kind $($missing)?),)*
        }

        /// The parameters of the job.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct Parameters {
            $(pub $parameter: f64,)*
        }

        impl Default for Parameters {
            fn default() -> Self {
                Self { $($parameter: $default as f64,)* }
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
                parameters: &[$($crate::Parameter {
                    name: stringify!($parameter),
                    default: $crate::__number!($default),
                    min: $crate::__number!($min),
                    max: $crate::__number!($pmax),
                }),*],
                keys: &[$((stringify!($key), $crate::__domain!($domain [$($entry),*]))),*],
                outputs: &[$($crate::Output {
                    name: stringify!($output),
                    reducer: $crate::__reducer!($reducer $($($bound),*)?),
                    keys: &[$($(stringify!($by)),*)?],
                }),*],
                contributions_per_person_max: $max,
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
    (codes [$($entry:literal),*]) => { $crate::Codes(&[$($entry),*]) };
    (bands [$($entry:literal),*]) => { $crate::Bands(&[$($crate::__number!($entry)),*]) };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __domain {
    (codes [$($entry:literal),*]) => { $crate::Domain::Codes(&[$($entry),*]) };
    (bands [$($entry:literal),*]) => { $crate::Domain::Bands(&[$($crate::__number!($entry)),*]) };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __reducer {
    (count) => { $crate::Reducer::Count };
    (distinct_persons) => { $crate::Reducer::DistinctPersons };
    (sum $lower:literal, $upper:literal) => {
        $crate::Reducer::Sum { lower: $crate::__number!($lower), upper: $crate::__number!($upper) }
    };
    (mean $lower:literal, $upper:literal) => {
        $crate::Reducer::Mean { lower: $crate::__number!($lower), upper: $crate::__number!($upper) }
    };
    (histogram $($edge:literal),+) => { $crate::Reducer::Histogram(&[$($crate::__number!($edge)),+]) };
}
