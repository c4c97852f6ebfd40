//! What a run came to: progress on the way, a table and a line of JSON at the end.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::json;

use crate::Load;

/// The Cargo profile that this program was built with: the folder that Cargo put it in is called after it. A figure means little
/// without it, because `release` has no link-time optimization here.
fn profile() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().and_then(|folder| folder.file_name());
    folder.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Says what the figures after it are of.
pub(crate) fn print_profile() -> std::io::Result<()> {
    writeln!(
        std::io::stdout(),
        "Built with the Cargo profile {}.",
        profile()
    )
}

/// Says what is running.
pub(crate) fn say(what: &str) {
    // Progress that cannot be shown is no reason to stop.
    let _ = writeln!(std::io::stderr(), "… {what}");
}

/// Rates by what was measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: BTreeMap<(String, &'static str), Vec<(f64, f64)>>,
}

impl Report {
    /// One round: movements a second, and pgbench's just before.
    pub(crate) fn add(&mut self, what: &str, load: Load, rate: f64, yardstick: f64) {
        self.add_named(what, load.name(), rate, yardstick);
    }

    /// One round of something that is no movement.
    pub(crate) fn add_named(&mut self, what: &str, load: &'static str, rate: f64, yardstick: f64) {
        self.rows
            .entry((what.to_owned(), load))
            .or_default()
            .push((rate, yardstick));
    }

    /// The table and the line, with this name for the yardstick.
    pub(crate) fn print(&self, yardstick_name: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        writeln!(
            out,
            "\n| what | load | per second | {yardstick_name}, per second | ratio |\n|---|---|---|---|---|"
        )?;
        let mut lines = Vec::new();
        for ((what, load), rounds) in &self.rows {
            let rate = median(rounds.iter().map(|(rate, _)| *rate));
            let yardstick = median(rounds.iter().map(|(_, yardstick)| *yardstick));
            let ratio = median(rounds.iter().map(|(rate, yardstick)| rate / yardstick));
            writeln!(
                out,
                "| {what} | {load} | {rate:.0} | {yardstick:.0} | {ratio:.2} |"
            )?;
            lines.push(json!({"what": what, "load": load, "per_s": rate.round(), "yardstick": yardstick_name, "yardstick_per_s": yardstick.round(), "ratio": ratio}));
        }
        let line = json!({"profile": profile(), "results": lines});
        writeln!(out, "\n{line}")?;
        Ok(())
    }
}

/// The one in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
