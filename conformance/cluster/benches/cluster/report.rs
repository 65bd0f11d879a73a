//! Figures, and the table and the document that show them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One measured value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured.
    name: String,
    value: f64,
    unit: Unit,
    /// What it should be, where an aim is set.
    aim: Option<f64>,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    /// Less is better.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Less is better.
    #[serde(rename = "MiB")]
    Mebibytes,
    /// More is better.
    #[serde(rename = "1/s")]
    PerSecond,
}

impl Figure {
    /// A value for which there is no aim.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { name: name.into(), value, unit, aim: None }
    }

    /// The same with an aim.
    pub(crate) fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }
}

/// The figures of all runs.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

/// One figure over all runs.
#[derive(Debug)]
struct Row {
    figure: Figure,
    /// The values of the runs, the best one first.
    values: Vec<f64>,
}

impl Row {
    fn insert(&mut self, value: f64) {
        self.values.push(value);
        self.values.sort_by(f64::total_cmp);
        if self.figure.unit == Unit::PerSecond {
            self.values.reverse();
        }
    }

    fn best(&self) -> f64 {
        self.values.first().copied().unwrap_or_default()
    }

    fn median(&self) -> f64 {
        self.values.get(self.values.len() / 2).copied().unwrap_or_default()
    }

    fn is_reached(&self) -> Option<bool> {
        let aim = self.figure.aim?;
        Some(if self.figure.unit == Unit::PerSecond { self.best() >= aim } else { self.best() <= aim })
    }
}

impl Report {
    /// Takes in the figures of one run of a benchmark.
    pub(crate) fn add(&mut self, figures: Vec<Figure>) {
        for figure in figures {
            let value = figure.value;
            if let Some(row) = self.rows.iter_mut().find(|row| row.figure.name == figure.name) {
                row.insert(value);
            } else {
                self.rows.push(Row { figure, values: vec![value] });
            }
        }
    }
}

impl fmt::Display for Report {
    /// A table in Markdown, aligned for reading as text.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.figure.name.len()).max().unwrap_or_default();
        writeln!(
            formatter,
            "| {:width$} | {:>9} | {:>9} | {:4} | {:>7} |   |",
            "figure", "best", "median", "unit", "aim"
        )?;
        let rule = "-".repeat(width);
        writeln!(formatter, "|-{rule}-|-{0:->9}:|-{0:->9}:|-{0:->4}-|-{0:->7}:|---|", "")?;
        for row in &self.rows {
            let unit = match row.figure.unit {
                Unit::Milliseconds => "ms",
                Unit::Mebibytes => "MiB",
                Unit::PerSecond => "1/s",
            };
            let aim = row.figure.aim.map(shown).unwrap_or_default();
            let verdict = match row.is_reached() {
                Some(true) => "✓",
                Some(false) => "✗",
                None => " ",
            };
            let (best, median) = (shown(row.best()), shown(row.median()));
            let name = &row.figure.name;
            writeln!(formatter, "| {name:width$} | {best:>9} | {median:>9} | {unit:4} | {aim:>7} | {verdict} |")?;
        }
        Ok(())
    }
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| {
            serde_json::json!({
                "name": row.figure.name,
                "best": row.best(),
                "median": row.median(),
                "unit": row.figure.unit,
                "aim": row.figure.aim,
            })
        }))
    }
}

/// A value with the digits that mean something.
fn shown(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
