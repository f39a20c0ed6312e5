//! How the demo tells its steps: a number, a title, a line or more, and the time that the step took.

use std::time::Instant;

use serde_json::json;

use crate::output::Output;

/// Columns of a line, with the time at its end.
const WIDTH: usize = 100;
const TITLE_WIDTH: usize = 10;
/// Columns of a line of text, beside title and time.
pub(crate) const LINE_WIDTH: usize = 78;

/// Tells steps as they end.
pub(crate) struct Teller<'a> {
    output: &'a Output,
    start: Instant,
    step_start: Instant,
    steps: u32,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(output: &'a Output) -> Self {
        let now = Instant::now();
        Self { output, start: now, step_start: now, steps: 0 }
    }

    /// What comes before the steps.
    pub(crate) fn open(&self, text: &str) -> anyhow::Result<()> {
        if self.output.is_json() { Ok(()) } else { self.output.line(text) }
    }

    /// A step that has ended.
    pub(crate) fn step(&mut self, title: &str, lines: &[String]) -> anyhow::Result<()> {
        self.steps += 1;
        let milliseconds = self.step_start.elapsed().as_millis();
        self.step_start = Instant::now();
        let number = self.steps;
        let facts = json!({ "step": number, "title": title, "lines": lines, "milliseconds": milliseconds });
        self.output.show_one(&facts, || {
            let mut text = String::new();
            for (index, line) in lines.iter().enumerate() {
                let head =
                    if index == 0 { format!("{number:>2} {title:TITLE_WIDTH$} ") } else { " ".repeat(TITLE_WIDTH + 4) };
                let mut whole = format!("{head}{line}");
                if index == 0 {
                    let time = format!("{milliseconds} ms");
                    let gap = WIDTH.saturating_sub(whole.chars().count() + time.len()).max(1);
                    whole.push_str(&format!("{}{time}", " ".repeat(gap)));
                }
                text.push_str(whole.trim_end());
                text.push('\n');
            }
            text
        })
    }

    /// What comes after the steps.
    pub(crate) fn close(&self, text: &str) -> anyhow::Result<()> {
        let milliseconds = self.start.elapsed().as_millis();
        self.output.show_one(&json!({ "end": text, "milliseconds": milliseconds }), || {
            format!("{text} All in {:.1} s.", self.start.elapsed().as_secs_f64())
        })
    }
}
