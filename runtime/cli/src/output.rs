//! The one place that prints: results on standard output, messages on standard error, JSON on request.

use std::io::{ErrorKind, IsTerminal as _, Write};

use serde::Serialize;

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
        let mut json = serde_json::to_string_pretty(value)?;
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
        let mut json = serde_json::to_string(value)?;
        json.push('\n');
        self.bytes(json.as_bytes())
    }

    /// Text for people on standard output.
    pub(crate) fn line(&self, text: &str) -> anyhow::Result<()> {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.bytes(format!("{text}{end}").as_bytes())
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
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
