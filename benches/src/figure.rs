//! Figures with their aims and peers, as a table.

use crate::clock;

/// A measured number with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// The number.
    pub value: f64,
    /// What it counts.
    pub unit: &'static str,
}

/// What a figure should reach. Units are the figure's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// Nothing was promised.
    None,
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Ours.
    pub ours: Measure,
    /// What ours should reach.
    pub aim: Aim,
    /// Who did the same work in the same run, and what that one took.
    pub peer: Option<(String, Measure)>,
}

impl Figure {
    /// A figure without aim and peer.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), ours: Measure { value, unit }, aim: Aim::None, peer: None }
    }

    /// With an aim.
    #[must_use]
    pub fn aiming(mut self, aim: Aim) -> Self {
        self.aim = aim;
        self
    }

    /// Beside a peer, whose unit is the same.
    #[must_use]
    pub fn beside(mut self, peer: impl Into<String>, value: f64) -> Self {
        self.peer = Some((peer.into(), Measure { value, unit: self.ours.unit }));
        self
    }

    /// Ours divided by the peer's.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        self.peer.as_ref().map(|(_, peer)| self.ours.value / peer.value)
    }

    fn cells(&self) -> [String; 5] {
        let aim = match self.aim {
            Aim::None => String::new(),
            Aim::AtMost(most) => format!("≤ {} {}", digits(most), verdict(self.ours.value <= most)),
            Aim::AtLeast(least) => format!("≥ {} {}", digits(least), verdict(self.ours.value >= least)),
        };
        let peer = self.peer.as_ref().map(|(name, measure)| format!("{name}: {}", shown(*measure)));
        let ratio = self.ratio().map(|ratio| format!("{} ×", digits(ratio)));
        [self.name.clone(), ratio.unwrap_or_default(), shown(self.ours), aim, peer.unwrap_or_default()]
    }
}

/// The figures as a Markdown table with aligned columns.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let head = ["figure", "ours / peer", "ours", "aim", "peer"].map(str::to_owned);
    let rule = std::array::from_fn(|_| "---".to_owned());
    let lines: Vec<[String; 5]> = [head, rule].into_iter().chain(figures.iter().map(Figure::cells)).collect();
    let widths: [usize; 5] = std::array::from_fn(|column| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let line = |cells: &[String; 5]| {
        let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("| {} |\n", padded.join(" | "))
    };
    lines.iter().map(line).collect()
}

/// Machine and load, to be printed beside every table: a figure without them says little.
#[must_use]
pub fn surroundings() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = clock::load().unwrap_or(f64::NAN);
    let profile = if cfg!(debug_assertions) { "DEBUG BUILD" } else { "optimised build" };
    format!("{}, {cores} cores, load {load:.1}, {profile}", model.trim_start_matches([' ', '\t', ':']))
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

fn shown(measure: Measure) -> String {
    format!("{} {}", digits(measure.value), measure.unit)
}

/// Three significant digits, and no more: the rest is noise.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
