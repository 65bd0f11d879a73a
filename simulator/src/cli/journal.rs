//! `simulator journal`: what arrived in a running world, as it comes or so far.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use futures::StreamExt as _;
use simulator::JournalEntry;
use simulator::control::JournalPage;

use super::Failure;
use super::control::{ControlClient, Running};
use super::line::{Line, is_for_people};

/// Options of `simulator journal`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    running: Running,
    /// Go on with what comes, until interrupted or the world ends.
    #[arg(long)]
    follow: bool,
    /// Only entries that hold this, e.g. `method=tools/call`, `response.status=503`, `token.subject!=alice`, `faults`.
    #[arg(long = "where", value_name = "PATH=VALUE")]
    conditions: Vec<String>,
    /// Only entries from this number on.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    since: u64,
    /// Wait so long for entries, e.g. `10s`; without enough of them the exit code is 1.
    #[arg(long, value_name = "DURATION", conflicts_with = "follow")]
    wait: Option<String>,
    /// For how many entries to wait.
    #[arg(long, value_name = "NUMBER", requires = "wait")]
    count: Option<usize>,
}

/// Prints entries: a line each on a terminal, else JSON, without the secrets that they hold.
pub(super) async fn journal(options: Options) -> Result<(), Failure> {
    let Options { running, follow, conditions, since, wait, count } = options;
    let client = ControlClient::new(running)?;
    let (since, count) = (since.to_string(), count.map(|count| count.to_string()));
    let mut query = vec![("since", since.as_str())];
    query.extend(conditions.iter().map(|condition| ("where", condition.as_str())));
    query.extend(wait.iter().map(|wait| ("wait", wait.as_str())));
    query.extend(count.iter().map(|count| ("count", count.as_str())));
    if !follow {
        let page: JournalPage = client.get("journal", &query).await?;
        return Ok(page.entries.iter().try_for_each(print)?);
    }
    query.push(("follow", "true"));
    let mut lines = client.lines("journal", &query).await?;
    while let Some(line) = lines.next().await {
        let entry = serde_json::from_str(&line?).context("a line is not an entry of this version")?;
        print(&entry)?;
    }
    Ok(())
}

fn print(entry: &JournalEntry) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if is_for_people(&out) {
        writeln!(out, "{}", Line::of(entry))?;
    } else {
        writeln!(out, "{}", serde_json::to_string(&entry.redacted())?)?;
    }
    Ok(out.flush()?)
}
