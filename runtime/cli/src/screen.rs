//! The live view of `glovebox meter watch`: what runs and waits, fuel, budgets left, refusals.

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use glovebox_api::{GrantMeters, LiveJob, LiveMeters};
use glovebox_client::Client;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Sparkline, Table};
use tokio::sync::mpsc;

use crate::command::meter::limited;
use crate::text::{self, bar, clean, number, short_number};

/// Moments that the curve remembers.
const HISTORY_MAX: usize = 240;
/// Width of a budget's bar.
const BAR_WIDTH: usize = 14;
/// Width of a bar with its name and figures, and lines that a grant takes.
const METER_WIDTH: usize = 48;

/// Shows the enclave's live meters until `q`, Esc or Ctrl-C.
pub(crate) async fn watch(client: &Client, server: &str) -> anyhow::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, client, server).await;
    ratatui::restore();
    shown
}

async fn show(terminal: &mut ratatui::DefaultTerminal, client: &Client, server: &str) -> anyhow::Result<()> {
    let mut view = View::new(server);
    let mut moments = client.watch_meters();
    let mut keys = keys();
    loop {
        terminal.draw(|frame| view.draw(frame))?;
        tokio::select! {
            moment = moments.next() => match moment {
                Some(live) => view.take(live?),
                None => return Ok(()),
            },
            key = keys.recv() => match key {
                Some(Event::Key(key)) if ends(key.code, key.modifiers, key.kind) => return Ok(()),
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}

/// Reads the terminal on a thread of its own: reading blocks.
fn keys() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            let ready = crossterm::event::poll(Duration::from_millis(200));
            let event = match ready {
                Ok(true) => crossterm::event::read(),
                Ok(false) => continue,
                Err(_) => return,
            };
            let Ok(event) = event else { return };
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

fn ends(code: KeyCode, modifiers: KeyModifiers, kind: KeyEventKind) -> bool {
    let interrupt = code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL);
    kind == KeyEventKind::Press && (interrupt || matches!(code, KeyCode::Char('q') | KeyCode::Esc))
}

/// What the screen shows.
struct View {
    server: String,
    live: Option<LiveMeters>,
    /// Fuel and rows a second, the newest last.
    fuel_rates: VecDeque<u64>,
    row_rate: u64,
}

impl View {
    fn new(server: &str) -> Self {
        Self { server: clean(server), live: None, fuel_rates: VecDeque::new(), row_rate: 0 }
    }

    fn take(&mut self, live: LiveMeters) {
        if let Some(before) = &self.live {
            let elapsed_ms = u64::try_from(live.at.unix_ms() - before.at.unix_ms()).unwrap_or(0).max(1);
            // Counters begin anew when the server does.
            let rate = |now: u64, before: u64| now.saturating_sub(before).saturating_mul(1000) / elapsed_ms;
            self.fuel_rates.push_back(rate(live.fuel_units, before.fuel_units));
            self.row_rate = rate(live.rows_read, before.rows_read);
            if self.fuel_rates.len() > HISTORY_MAX {
                self.fuel_rates.pop_front();
            }
        }
        self.live = Some(live);
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let Some(live) = &self.live else {
            frame.render_widget(Paragraph::new(format!("connecting to {} …", self.server)), frame.area());
            return;
        };
        let [head, now, middle, foot] =
            Layout::vertical([Constraint::Length(1), Constraint::Length(5), Constraint::Min(6), Constraint::Length(1)])
                .areas(frame.area());
        self.draw_head(frame, head, live);
        self.draw_now(frame, now, live);
        let jobs = u16::try_from(live.running.len() + live.queued.len()).unwrap_or(u16::MAX).saturating_add(3);
        let refusals = u16::try_from(live.refusals.len()).unwrap_or(u16::MAX).saturating_add(2);
        let lower = if refusals > 2 { refusals.min(8) } else { 0 };
        let [upper, budgets, lower] =
            Layout::vertical([Constraint::Length(jobs.clamp(4, 12)), Constraint::Min(4), Constraint::Length(lower)])
                .areas(middle);
        draw_jobs(frame, upper, live);
        draw_budgets(frame, budgets, &live.grants);
        draw_refusals(frame, lower, live);
        let foot_text = Line::from(vec![" q".bold(), " ends it".into()]).dim();
        frame.render_widget(Paragraph::new(foot_text), foot);
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect, live: &LiveMeters) {
        let time: String = live.at.to_string().chars().take(19).collect();
        let left = format!(" Glovebox  {}", self.server);
        let right = format!("{}Z ", time.replace('T', " "));
        let gap = usize::from(area.width).saturating_sub(left.chars().count() + right.chars().count());
        let text = format!("{left}{}{right}", " ".repeat(gap));
        frame.render_widget(Paragraph::new(text).style(Style::new().reversed()), area);
    }

    fn draw_now(&self, frame: &mut Frame<'_>, area: Rect, live: &LiveMeters) {
        let [figures, curve] = Layout::horizontal([Constraint::Length(50), Constraint::Min(10)]).areas(area);
        let fuel_rate = self.fuel_rates.back().copied().unwrap_or(0);
        let lines = vec![
            Line::from(format!(
                "jobs   {:>10}   queued {}",
                format!("{} running", live.running.len()),
                live.queued.len()
            )),
            Line::from(format!(
                "rows   {:>10}   {} a second",
                short_number(live.rows_read),
                short_number(self.row_rate)
            )),
            Line::from(format!(
                "left   {:>10}   cells withheld {}",
                format!("{} tables", live.releases),
                number(live.cells_withheld)
            )),
        ];
        frame.render_widget(Paragraph::new(lines).block(framed(" Since start ")), figures);
        let width = usize::from(curve.width.saturating_sub(2));
        let rates: Vec<u64> = self.fuel_rates.iter().rev().take(width).rev().copied().collect();
        let title = format!(" Fuel {}, {} a second ", short_number(live.fuel_units), short_number(fuel_rate));
        frame.render_widget(Sparkline::default().data(rates).style(Color::Cyan).block(framed(&title)), curve);
    }
}

fn framed(title: &str) -> Block<'static> {
    Block::new().borders(Borders::ALL).border_style(Color::DarkGray).title(title.to_owned().bold())
}

fn draw_jobs(frame: &mut Frame<'_>, area: Rect, live: &LiveMeters) {
    let row = |state: &str, job: &LiveJob| {
        let seconds = job.started_at.map(|start| (live.at.unix_ms() - start.unix_ms()).max(0) / 1000);
        Row::new([
            state.to_owned(),
            clean(job.job.as_str()),
            clean(job.organisation.as_str()),
            text::name(&job.isolation),
            seconds.map_or_else(String::new, |seconds| format!("{seconds} s")),
        ])
    };
    let running = live.running.iter().map(|job| row("running", job).style(Color::Green));
    let rows: Vec<_> = running.chain(live.queued.iter().map(|job| row("queued", job))).collect();
    let widths = [
        Constraint::Length(8),
        Constraint::Length(31),
        Constraint::Min(12),
        Constraint::Length(9),
        Constraint::Length(8),
    ];
    let title = if rows.is_empty() { " Jobs: none runs or waits " } else { " Jobs " };
    let heading = Row::new(["state", "job", "organisation", "isolation", "time"]).dim();
    frame.render_widget(Table::new(rows, widths).header(heading).block(framed(title)), area);
}

/// The grants with the least left come first.
fn draw_budgets(frame: &mut Frame<'_>, area: Rect, grants: &[GrantMeters]) {
    let mut sorted: Vec<_> = grants.iter().map(|grant| (least_left_permille(grant), grant)).collect();
    sorted.sort_by_key(|(left, _)| *left);
    let columns = (usize::from(area.width.saturating_sub(2)) / METER_WIDTH).max(1);
    let mut lines = Vec::new();
    for (_, grant) in sorted {
        lines.push(Line::from(clean(grant.grant.as_str())).bold());
        for meters in limited(grant).chunks(columns) {
            lines.push(Line::from(
                meters.iter().flat_map(|(name, used, limit)| left(name, *used, *limit)).collect::<Vec<_>>(),
            ));
        }
    }
    let room = usize::from(area.height.saturating_sub(2));
    if lines.len() > room && room > 0 {
        lines.truncate(room - 1);
        lines.push(Line::from("… `glovebox meter show` lists all").dim());
    }
    let title = if grants.is_empty() { " Budgets: no grant is active " } else { " Budgets left " };
    frame.render_widget(Paragraph::new(lines).block(framed(title)), area);
}

fn permille(left: u64, limit: u64) -> u64 {
    u64::try_from(u128::from(left) * 1000 / u128::from(limit.max(1))).unwrap_or(1000)
}

fn least_left_permille(grant: &GrantMeters) -> u64 {
    let left = limited(grant).map(|(_, used, limit)| permille(limit.saturating_sub(used), limit));
    left.into_iter().min().unwrap_or(1000)
}

fn left(name: &str, used: u64, limit: u64) -> [Span<'static>; 3] {
    let left = limit.saturating_sub(used);
    let color = match permille(left, limit) {
        0..=99 => Color::Red,
        100..=299 => Color::Yellow,
        _ => Color::Green,
    };
    let figures = format!(" {} of {}", short_number(left), short_number(limit));
    let width = METER_WIDTH - BAR_WIDTH - 11;
    [
        Span::from(format!("  {name:<9}")),
        Span::styled(bar(left, limit, BAR_WIDTH), color),
        Span::from(format!("{figures:<width$}")),
    ]
}

fn draw_refusals(frame: &mut Frame<'_>, area: Rect, live: &LiveMeters) {
    let mut refusals: Vec<_> = live.refusals.iter().collect();
    refusals.sort_by_key(|(code, count)| (std::cmp::Reverse(**count), *code));
    let lines: Vec<_> =
        refusals.iter().map(|(code, count)| Line::from(format!("{:>8}  {}", number(**count), clean(code)))).collect();
    frame.render_widget(Paragraph::new(lines).block(framed(" Refusals since start ")), area);
}

#[cfg(test)]
mod tests {
    use glovebox_catalog::Timestamp;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn live(at_ms: i64, fuel_units: u64) -> LiveMeters {
        serde_json::from_value(serde_json::json!({
            "at": Timestamp::from_unix_ms(1_795_392_000_000 + at_ms),
            "running": [{ "job": "job-1", "organisation": "company-c", "isolation": "person",
                          "started_at": "2026-11-23T00:00:00Z" }],
            "queued": [{ "job": "job-2", "organisation": "company-d", "isolation": "row", }],
            "fuel_units": fuel_units, "rows_read": 20_190, "releases": 1,
            "cells_withheld": 7, "refusals": { "policy.not-permitted": 3 },
            "grants": [{
                "grant": "grt-1",
                "budget": { "jobs_max": 10, "releases_max": 10, "cells_max": 1000, "claims_max": 10_000, "bytes_out_max": 1_000_000,
                            "fuel_max_units": 1_000_000_000, "rows_max": 200_000, "leakage_bits_max": 8_000 },
                "committed": { "jobs": 9, "releases": 1, "cells": 100 },
                "reserved": { "jobs": 1 }
            }]
        }))
        .unwrap()
    }

    fn screen(view: &View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let cell = |x, y| buffer[(x, y)].symbol().to_owned();
        (0..height).map(|y| (0..width).map(|x| cell(x, y)).collect::<String>() + "\n").collect()
    }

    #[test]
    fn jobs_budgets_and_refusals_are_on_the_screen() {
        let mut view = View::new("https://127.0.0.1:8443");
        view.take(live(0, 1_000));
        view.take(live(2_000, 21_000));
        let screen = screen(&view, 110, 32);
        for expected in
            ["running", "job-1", "company-d", "10.0 k a second", "grt-1", "3  policy.not-permitted", "900 of 1.00 k"]
        {
            assert!(screen.contains(expected), "no `{expected}` in\n{screen}");
        }
        // All ten jobs are taken: nine used, one held.
        assert!(screen.contains("░░░░░░░░░░░░░░ 0 of 10"), "{screen}");
    }

    #[test]
    fn any_size_is_drawn() {
        let mut view = View::new("x");
        for (width, height) in [(1, 1), (10, 3), (40, 10), (300, 100)] {
            screen(&view, width, height);
        }
        view.take(live(0, 0));
        for (width, height) in [(1, 1), (10, 3), (40, 10), (300, 100)] {
            screen(&view, width, height);
        }
    }
}
