//! Writes the manifest as JSON at compile time: once to learn its length, once to fill the bytes of the section.

use crate::{ABI, Bounds, ColumnType, Description, Domain, Input, Kind, Number, Output, Parameter, Reducer};

/// Length of the manifest in bytes.
#[must_use]
pub const fn manifest_len(description: &Description) -> usize {
    let mut writer = Writer::<0>::new();
    writer.description(description);
    writer.len
}

/// The manifest as JSON; `N` is [`manifest_len`].
#[must_use]
pub const fn manifest_json<const N: usize>(description: &Description) -> [u8; N] {
    let mut writer = Writer::<N>::new();
    writer.description(description);
    writer.bytes
}

/// Counts every byte and keeps the first `N`.
struct Writer<const N: usize> {
    bytes: [u8; N],
    len: usize,
    /// The next item is the first of its list or object.
    first: bool,
}

impl<const N: usize> Writer<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], len: 0, first: true }
    }

    const fn description(&mut self, job: &Description) {
        self.open(b'{');
        self.member("abi", ABI);
        self.member("name", job.name);
        self.member("version", job.version);
        self.member("description", job.description);
        if let Some(purpose) = job.purpose {
            self.member("purpose", purpose);
        }
        self.member("isolation", job.isolation);
        self.list("inputs");
        let mut i = 0;
        while i < job.inputs.len() {
            self.input(&job.inputs[i]);
            i += 1;
        }
        self.close(b']');
        self.list("parameters");
        let mut i = 0;
        while i < job.parameters.len() {
            self.parameter(&job.parameters[i]);
            i += 1;
        }
        self.close(b']');
        self.list("keys");
        let mut i = 0;
        while i < job.keys.len() {
            self.key(job.keys[i].0, &job.keys[i].1);
            i += 1;
        }
        self.close(b']');
        self.list("outputs");
        let mut i = 0;
        while i < job.outputs.len() {
            self.output(&job.outputs[i]);
            i += 1;
        }
        self.close(b']');
        self.name("contributions_per_person_max");
        self.count(job.contributions_per_person_max);
        if let Some(blocks) = job.blocks {
            self.name("blocks");
            self.count(blocks);
        }
        if let Some(rounds) = &job.rounds {
            self.name("rounds");
            self.open(b'{');
            self.name("rounds_max");
            self.count(rounds.rounds_max);
            self.list("state");
            let mut i = 0;
            while i < rounds.state.len() {
                self.parameter(&rounds.state[i]);
                i += 1;
            }
            self.close(b']');
            self.close(b'}');
        }
        self.close(b'}');
    }

    const fn input(&mut self, input: &Input) {
        self.separate();
        self.open(b'{');
        self.member("name", input.name);
        match input.kind {
            Kind::Boolean => self.member("type", "boolean"),
            Kind::Int64 => self.member("type", "int64"),
            Kind::Float64 => self.member("type", "float64"),
            Kind::Date => self.member("type", "date"),
            Kind::Code(codes) => {
                self.name("type");
                self.open(b'{');
                self.texts("code", codes);
                self.close(b'}');
            }
        }
        self.name("nullable");
        self.syntax(if input.nullable { "true" } else { "false" });
        self.close(b'}');
    }

    const fn parameter(&mut self, parameter: &Parameter) {
        self.separate();
        self.open(b'{');
        self.member("name", parameter.name);
        self.number("default", parameter.default);
        self.number("min", parameter.min);
        self.number("max", parameter.max);
        self.close(b'}');
    }

    const fn key(&mut self, name: &str, domain: &Domain) {
        self.separate();
        self.open(b'{');
        self.member("name", name);
        self.name("domain");
        self.open(b'{');
        match domain {
            Domain::Codes(codes) => self.texts("codes", codes),
            Domain::Bands(edges) => self.numbers("bands", edges),
            Domain::Integers { first, last } => {
                self.name("integers");
                self.open(b'{');
                self.number("first", *first);
                self.number("last", *last);
                self.close(b'}');
            }
        }
        self.close(b'}');
        self.close(b'}');
    }

    const fn output(&mut self, output: &Output) {
        self.separate();
        self.open(b'{');
        self.member("name", output.name);
        self.reducer(&output.reducer);
        self.texts("keys", output.keys);
        self.close(b'}');
    }

    const fn reducer(&mut self, reducer: &Reducer) {
        match reducer {
            Reducer::Count => self.member("reducer", "count"),
            Reducer::DistinctPersons => self.member("reducer", "distinct-persons"),
            Reducer::ContingencyTable => self.member("reducer", "contingency-table"),
            Reducer::Sum(bounds) => self.bounded("sum", bounds),
            Reducer::Mean(bounds) => self.bounded("mean", bounds),
            Reducer::Variance(bounds) => self.bounded("variance", bounds),
            Reducer::BlockMean(bounds) => self.bounded("block-mean", bounds),
            Reducer::Ratio { numerator, denominator } => {
                self.member("reducer", "ratio");
                self.name("numerator");
                self.object(numerator);
                self.name("denominator");
                self.object(denominator);
            }
            Reducer::Histogram(edges) => {
                self.member("reducer", "histogram");
                self.numbers("edges", edges);
            }
            Reducer::SurvivalTable(edges) => {
                self.member("reducer", "survival-table");
                self.numbers("edges", edges);
            }
            Reducer::Quantile { bounds, steps, probabilities } => {
                self.bounded("quantile", bounds);
                self.name("steps");
                self.count(*steps);
                self.numbers("probabilities", probabilities);
            }
            Reducer::BlockMedian { bounds, steps } => {
                self.bounded("block-median", bounds);
                self.name("steps");
                self.count(*steps);
            }
            Reducer::CrossProduct(variables) => self.variables(variables),
            Reducer::Gradient { length, norm_max } => {
                self.member("reducer", "gradient");
                self.name("length");
                self.count(*length);
                self.number("norm_max", *norm_max);
            }
            Reducer::Table { rows_max, columns } => self.table(*rows_max, columns),
        }
    }

    const fn variables(&mut self, variables: &[(&str, Bounds)]) {
        self.member("reducer", "cross-product");
        self.list("variables");
        let mut i = 0;
        while i < variables.len() {
            self.separate();
            self.open(b'{');
            self.member("name", variables[i].0);
            self.bounds(&variables[i].1);
            self.close(b'}');
            i += 1;
        }
        self.close(b']');
    }

    const fn table(&mut self, rows_max: u32, columns: &[(&str, ColumnType)]) {
        self.member("reducer", "table");
        self.list("columns");
        let mut i = 0;
        while i < columns.len() {
            self.separate();
            self.open(b'{');
            self.member("name", columns[i].0);
            match &columns[i].1 {
                ColumnType::Code(codes) => {
                    self.member("type", "code");
                    self.texts("codes", codes);
                }
                ColumnType::Number { bounds, step } => {
                    self.member("type", "number");
                    self.bounds(bounds);
                    self.number("step", *step);
                }
            }
            self.close(b'}');
            i += 1;
        }
        self.close(b']');
        self.name("rows_max");
        self.count(rows_max);
    }

    const fn bounded(&mut self, reducer: &str, bounds: &Bounds) {
        self.member("reducer", reducer);
        self.bounds(bounds);
    }

    const fn object(&mut self, bounds: &Bounds) {
        self.open(b'{');
        self.bounds(bounds);
        self.close(b'}');
    }

    const fn bounds(&mut self, bounds: &Bounds) {
        self.number("lower", bounds.lower);
        self.number("upper", bounds.upper);
    }

    const fn texts(&mut self, name: &str, texts: &[&str]) {
        self.list(name);
        let mut i = 0;
        while i < texts.len() {
            self.separate();
            self.text(texts[i]);
            i += 1;
        }
        self.close(b']');
    }

    const fn numbers(&mut self, name: &str, numbers: &[Number]) {
        self.list(name);
        let mut i = 0;
        while i < numbers.len() {
            self.separate();
            self.syntax(numbers[i].text);
            i += 1;
        }
        self.close(b']');
    }

    const fn number(&mut self, name: &str, number: Number) {
        self.name(name);
        self.syntax(number.text);
    }

    const fn list(&mut self, name: &str) {
        self.name(name);
        self.open(b'[');
    }

    const fn member(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text(value);
    }

    const fn name(&mut self, name: &str) {
        self.separate();
        self.text(name);
        self.byte(b':');
    }

    const fn open(&mut self, bracket: u8) {
        self.byte(bracket);
        self.first = true;
    }

    const fn close(&mut self, bracket: u8) {
        self.byte(bracket);
        self.first = false;
    }

    const fn separate(&mut self) {
        if !self.first {
            self.byte(b',');
        }
        self.first = false;
    }

    /// A text in quotes, escaped by RFC 8259 section 7; control characters become spaces.
    const fn text(&mut self, text: &str) {
        self.byte(b'"');
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            match bytes[i] {
                b'"' => self.syntax("\\\""),
                b'\\' => self.syntax("\\\\"),
                0..0x20 => self.byte(b' '),
                byte => self.byte(byte),
            }
            i += 1;
        }
        self.byte(b'"');
    }

    const fn count(&mut self, count: u32) {
        if count >= 10 {
            self.count(count / 10);
        }
        self.byte(b'0' + (count % 10) as u8);
    }

    const fn syntax(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            self.byte(bytes[i]);
            i += 1;
        }
    }

    const fn byte(&mut self, byte: u8) {
        if self.len < N {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Description = Description {
        name: "a-job",
        version: "1.0.0",
        description: "says \"体重\" \\ and\nmore",
        purpose: Some("public-health"),
        isolation: "row",
        inputs: &[
            Input { name: "sex", kind: Kind::Code(&["1", "2"]), nullable: false },
            Input { name: "bmi", kind: Kind::Float64, nullable: true },
        ],
        parameters: &[Parameter {
            name: "age_min",
            default: Number::new(18.0, "18.0"),
            min: Number::new(0.0, "0.0"),
            max: Number::new(120.0, "120"),
        }],
        keys: &[
            ("sex", Domain::Codes(&["male", "female"])),
            ("age", Domain::Bands(&[Number::new(0.0, "0"), Number::new(1e3, "1e3")])),
        ],
        outputs: &[
            Output { name: "n", reducer: Reducer::DistinctPersons, keys: &[] },
            Output { name: "m", reducer: Reducer::Mean(BOUNDS), keys: &["sex", "age"] },
            Output {
                name: "h",
                reducer: Reducer::Histogram(&[Number::new(1.0, "1"), Number::new(2.0, "2")]),
                keys: &["sex"],
            },
        ],
        contributions_per_person_max: 1204,
        blocks: None,
        rounds: None,
    };

    const BOUNDS: Bounds = Bounds { lower: Number::new(-1.5, "-1.5"), upper: Number::new(2.0, "2.0") };

    #[test]
    fn a_manifest_is_the_expected_json() {
        const JSON: [u8; manifest_len(&JOB)] = manifest_json(&JOB);
        let expected = concat!(
            r#"{"abi":"glovebox:job@0.1.0","name":"a-job","version":"1.0.0","#,
            r#""description":"says \"体重\" \\ and more","purpose":"public-health","isolation":"row","#,
            r#""inputs":[{"name":"sex","type":{"code":["1","2"]},"nullable":false},"#,
            r#"{"name":"bmi","type":"float64","nullable":true}],"#,
            r#""parameters":[{"name":"age_min","default":18.0,"min":0.0,"max":120}],"#,
            r#""keys":[{"name":"sex","domain":{"codes":["male","female"]}},"#,
            r#"{"name":"age","domain":{"bands":[0,1e3]}}],"#,
            r#""outputs":[{"name":"n","reducer":"distinct-persons","keys":[]},"#,
            r#"{"name":"m","reducer":"mean","lower":-1.5,"upper":2.0,"keys":["sex","age"]},"#,
            r#"{"name":"h","reducer":"histogram","edges":[1,2],"keys":["sex"]}],"#,
            r#""contributions_per_person_max":1204}"#,
        );
        assert_eq!(core::str::from_utf8(&JSON), Ok(expected));
    }
}
