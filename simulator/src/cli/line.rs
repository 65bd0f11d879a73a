//! One line per request, for people.

use std::fmt;
use std::io::IsTerminal;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use simulator::JournalEntry;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Whether people look at this, who may see colours.
pub(super) fn is_for_people(output: &impl IsTerminal) -> bool {
    output.is_terminal()
}

/// Whether colours are wanted (<https://no-color.org>).
fn colours_are_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What a line says of a request.
#[derive(Debug, Default)]
pub(super) struct Line {
    at: Timestamp,
    http: Option<String>,
    url: String,
    method: Option<String>,
    called: Option<String>,
    status: Option<u64>,
    faults: Option<String>,
    verdict: Option<String>,
    coloured: bool,
}

impl Line {
    /// The line of an entry.
    pub(super) fn of(entry: &JournalEntry) -> Self {
        Self {
            at: entry.at,
            http: entry.http.as_ref().map(|http| http.method.clone()),
            url: entry.url.clone(),
            method: entry.method.clone(),
            called: entry.called(),
            status: entry.response.as_ref().map(|response| response.status.into()),
            faults: (!entry.faults.is_empty()).then(|| entry.faults.join(",")),
            verdict: entry.verdict.clone(),
            coloured: colours_are_wanted(),
        }
    }

    /// `text` in a colour, which is an SGR parameter of ECMA-48.
    fn paint(&self, formatter: &mut fmt::Formatter<'_>, colour: u8, text: &str) -> fmt::Result {
        if self.coloured { write!(formatter, "\x1b[{colour}m{text}\x1b[0m") } else { formatter.write_str(text) }
    }
}

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const MAGENTA: u8 = 35;
const GREY: u8 = 90;

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.at.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string();
        self.paint(formatter, GREY, &time)?;
        // Queries for names have codes instead of a status.
        let answered_name = self.url.starts_with("dns:") && self.called.as_deref() == Some("NOERROR");
        let colour = match self.status {
            Some(..300) => GREEN,
            None if answered_name => GREEN,
            Some(300..500) => YELLOW,
            _ => RED,
        };
        formatter.write_str(" ")?;
        // Perhaps nothing was answered.
        let status = self.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
        self.paint(formatter, colour, &status)?;
        write!(formatter, " {:<6} {}", self.http.as_deref().unwrap_or("-"), self.url)?;
        for part in [&self.method, &self.called].into_iter().flatten() {
            write!(formatter, " {part}")?;
        }
        if let Some(faults) = &self.faults {
            formatter.write_str(" ")?;
            self.paint(formatter, MAGENTA, &format!("[{faults}]"))?;
        }
        if let Some(verdict) = &self.verdict {
            formatter.write_str(" ")?;
            self.paint(formatter, YELLOW, verdict)?;
        }
        Ok(())
    }
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = Some(value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value.to_owned();
        match field.name() {
            "http" => self.http = Some(value),
            "url" => self.url = value,
            "method" => self.method = Some(value),
            "called" => self.called = Some(value),
            "faults" => self.faults = Some(value),
            "verdict" => self.verdict = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Log events for people: requests as lines, everything else as usual.
pub(super) struct Readable(Format<Full, ()>);

impl Default for Readable {
    fn default() -> Self {
        Self(Format::default().without_time().with_target(false))
    }
}

impl<S, N> FormatEvent<S, N> for Readable
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if event.metadata().target() != simulator::TRAFFIC {
            return self.0.format_event(context, writer, event);
        }
        let mut line = Line { at: Timestamp::now(), coloured: colours_are_wanted(), ..Line::default() };
        event.record(&mut line);
        writeln!(writer, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_came_of_a_request() {
        let line = Line {
            http: Some("POST".to_owned()),
            url: "https://mcp.example.com/mcp".to_owned(),
            method: Some("tools/call".to_owned()),
            called: Some("echo".to_owned()),
            faults: Some("latency,reset".to_owned()),
            verdict: Some("a fault keeps the answer back".to_owned()),
            ..Line::default()
        };
        let text = line.to_string();
        assert!(
            text.ends_with(
                " --- POST   https://mcp.example.com/mcp tools/call echo [latency,reset] a fault keeps the answer back"
            ),
            "{text}"
        );
        let coloured = Line { status: Some(503), coloured: true, ..line }.to_string();
        assert!(coloured.contains("\x1b[31m503\x1b[0m"), "{coloured}");
        for (code, colour) in [("NOERROR", 32), ("NXDOMAIN", 31)] {
            let (url, called) = ("dns:mcp.example.com?type=A".to_owned(), Some(code.to_owned()));
            let query = Line { url, called, coloured: true, ..Line::default() }.to_string();
            assert!(query.contains(&format!("\x1b[{colour}m---\x1b[0m")) && query.ends_with(code), "{query}");
        }
    }
}
