//! The terminal: a line per scenario as it ends, then a summary.

use std::time::Duration;

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

use super::json::{BehaviourVerdict, Report};
use crate::play::{Played, Verdict};

/// Shows how far a run is.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for so many scenarios; nothing but lines when this is no terminal.
    pub fn new(scenarios: usize) -> Self {
        let bar = ProgressBar::new(scenarios as u64);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} scenarios  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar }
    }

    /// Says what is being prepared.
    pub fn stage(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() {
            eprintln!("{what}");
        }
    }

    /// Leaves the terminal to something that asks the user.
    pub async fn suspended<T>(&self, asking: impl Future<Output = T>) -> T {
        self.bar.disable_steady_tick();
        self.bar.suspend(|| {});
        let answer = asking.await;
        self.bar.enable_steady_tick(Duration::from_millis(120));
        answer
    }

    /// A scenario has ended.
    pub fn ended(&self, played: &Played) {
        let line = line(played);
        self.bar.set_message("");
        self.bar.inc(1);
        if self.bar.is_hidden() {
            println!("{line}");
        } else {
            self.bar.suspend(|| println!("{line}"));
        }
    }

    /// The run is over.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn line(played: &Played) -> String {
    let seconds = played.took.as_secs_f64();
    match played.verdict {
        Verdict::Passed => format!("{:<11} {}  {seconds:.1} s", "passed", played.id),
        Verdict::Skipped | Verdict::Unsupported => {
            format!("{:<11} {}  {}", played.verdict.name(), played.id, played.message.as_deref().unwrap_or_default())
        }
        Verdict::Failed => format!("{:<11} {}  {seconds:.1} s", "FAILED", played.id),
        Verdict::Error => format!("{:<11} {}  {seconds:.1} s", "ERROR", played.id),
    }
}

/// Prints each failure with its first line, then the counts.
pub fn print_summary(report: &Report, played: &[Played]) {
    let troubled = |scenario: &&Played| matches!(scenario.verdict, Verdict::Failed | Verdict::Error);
    for scenario in played.iter().filter(troubled) {
        println!(
            "\n{} {}: {}",
            if scenario.verdict == Verdict::Failed { "failed" } else { "error" },
            scenario.id,
            scenario.message.as_deref().unwrap_or_default()
        );
        if let Some(bundle) = &scenario.bundle {
            println!("  see {}", bundle.display());
        }
    }
    let failed: Vec<&str> = report
        .catalogue
        .iter()
        .filter(|entry| entry.verdict == BehaviourVerdict::Failed)
        .map(|entry| entry.id.as_str())
        .collect();
    if !failed.is_empty() {
        println!("\nfailed behaviours: {}", failed.join(", "));
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let scenarios = &report.summary;
    let behaviours = &report.behaviours;
    table.add_row(vec![
        "scenarios".to_owned(),
        format!("{} passed", scenarios.passed),
        format!("{} failed", scenarios.failed),
        format!("{} skipped", scenarios.skipped),
        format!("{} unsupported", scenarios.unsupported),
        format!("{} error", scenarios.error),
    ]);
    table.add_row(vec![
        "behaviours".to_owned(),
        format!("{} verified", behaviours.verified),
        format!("{} failed", behaviours.failed),
        format!("{} untested", behaviours.untested),
        format!("of {}", behaviours.total),
        format!("{:.1} s", scenarios.seconds),
    ]);
    println!("\n{table}");
}
