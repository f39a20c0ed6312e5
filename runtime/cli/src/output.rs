//! The one place that prints: results on standard output, messages on standard error, JSON on request.
//!
//! Much of what is printed was written by others, so all text goes through [`clean`] here, whoever made it, and JSON is
//! written with escapes for what a terminal would act on. Only bytes of results (a table, a key) go out as they are.

use std::io::{ErrorKind, IsTerminal as _, Write};

use glovebox_catalog::text::is_plain;
use serde::Serialize;

use crate::text::clean;

/// Where results and messages go, and in which form.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody watches: then there is progress to show.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// A result: as JSON, or as `text` for people.
    pub(crate) fn show<T: Serialize + ?Sized>(&self, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        if !self.json {
            return self.line(&text());
        }
        let mut json = escaped(&serde_json::to_string_pretty(value)?);
        json.push('\n');
        self.bytes(json.as_bytes())
    }

    /// One of many results that come one by one: a line of JSON, or a line for people.
    pub(crate) fn show_one<T: Serialize + ?Sized>(
        &self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        if !self.json {
            return self.line(&text());
        }
        let mut json = escaped(&serde_json::to_string(value)?);
        json.push('\n');
        self.bytes(json.as_bytes())
    }

    /// Text for people on standard output.
    pub(crate) fn line(&self, text: &str) -> anyhow::Result<()> {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.bytes(format!("{}{end}", clean(text)).as_bytes())
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            // Whoever reads us has read enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
            done => Ok(done?),
        }
    }

    /// A message beside the result. That nobody can read it is no failure.
    pub(crate) fn note(&self, text: &str) {
        let text = if self.json { escaped(text) } else { clean(text) };
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

/// JSON that means the same, without characters that a terminal acts on or that can't be seen.
pub(crate) fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_plain(c) {
            escaped.push(c);
        } else {
            // Outside of its texts JSON has nothing but ASCII, and controls in texts are escaped already.
            let mut units = [0; 2];
            escaped.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_and_does_nothing_to_a_terminal() {
        let hostile = "a\u{202e}b\u{200b}c\u{1b}[2Jd\u{9b}e\u{e0041}f\u{7f}g\nh=HYPERLINK(1) 糖尿病";
        for text in [serde_json::to_string(hostile), serde_json::to_string_pretty(&[hostile])] {
            let text = text.unwrap();
            let escaped = escaped(&text);
            assert!(escaped.chars().all(|c| c == '\n' || is_plain(c)), "{escaped:?}");
            let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(same(&escaped), same(&text));
            assert!(escaped.contains("糖尿病"));
        }
    }
}
