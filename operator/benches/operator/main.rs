//! What the operator costs with many objects: time, memory and writes.
//!
//! `cargo bench -p operator [-- --entries N --groups N --changes N --quiet SECONDS]`. The operator is the program, in a process of
//! its own, against an embedded API server over TLS in this one: its memory is its own, and its requests are decoded and
//! encoded as with any API server.

mod cluster;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use futures::TryStreamExt;
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use operator_api::{EntryPhase, MCPServerEntry};
use serde_json::json;
use tokio::pin;

use cluster::{Cluster, NAMESPACE, entry_name};

/// Measures the operator.
#[derive(Debug, Parser)]
#[command(name = "cargo bench -p operator --")]
struct Cli {
    /// How many entries there are.
    #[arg(long, default_value_t = 10_000)]
    entries: usize,
    /// How many groups they are in.
    #[arg(long, default_value_t = 100)]
    groups: usize,
    /// How many changes are measured.
    #[arg(long, default_value_t = 200)]
    changes: usize,
    /// For how many seconds nothing is changed.
    #[arg(long, default_value_t = 60)]
    quiet: u64,
    /// What cargo passes to benchmarks, and not to tests.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if !cli.bench {
        // `cargo test --all-targets` arrives here, and tests measure no time.
        println!("nothing is measured without `cargo bench`");
        return Ok(());
    }
    // Clients take the process' default provider; a second one is not installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Runtime::new()?.block_on(measure(&cli))
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let operator = cluster.operator().await?;
    let empty = operator.resident()?;

    let begin = Instant::now();
    let (created, valid) = tokio::try_join!(
        async {
            cluster.fill(cli.entries, cli.groups).await?;
            Ok(begin.elapsed())
        },
        async {
            all_valid(&cluster, cli.entries).await?;
            anyhow::Ok(begin.elapsed())
        },
    )?;
    let filled = format!("{} entries in {} groups", cli.entries, cli.groups);
    report(&format!("{filled}, created"), created.as_secs_f64(), "s", None);
    report(&format!("{filled}, to Valid"), valid.as_secs_f64(), "s", Some(15.0));
    cluster.rest().await?;
    report("until nothing is written any more", begin.elapsed().as_secs_f64(), "s", None);
    report("memory of the operator before", empty, "MiB", None);
    report("memory of the operator after", operator.resident()?, "MiB", Some(50.0));

    let (renewed, others) = cluster.writes(Duration::from_secs(cli.quiet)).await?;
    report(&format!("writes in {} quiet seconds, but of the Lease", cli.quiet), count(others), "", Some(0.0));
    report(&format!("writes of the Lease in {} quiet seconds", cli.quiet), count(renewed), "", None);

    let mut times = Vec::new();
    for number in 0..cli.changes {
        times.push(change(&cluster, number % cli.entries, number).await?);
    }
    times.sort();
    let rank = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1));
    for (percent, aim) in [(50, None), (99, Some(100.0))] {
        let time = rank(percent).context("--changes is at least 1")?;
        report(&format!("one-field change to status, p{percent}"), time.as_secs_f64() * 1000.0, "ms", aim);
    }
    report("memory of the operator at the end", operator.resident()?, "MiB", None);
    operator.end().await
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 writes")]
fn count(writes: u64) -> f64 {
    writes as f64
}

fn report(what: &str, value: f64, unit: &str, aim: Option<f64>) {
    let aim = aim.map_or_else(String::new, |aim| {
        format!("  (aim {aim} {unit}: {})", if value <= aim { "reached" } else { "missed" })
    });
    println!("{what:<60} {value:>9.1} {unit:<3}{aim}");
}

/// Waits until `count` entries are Valid.
async fn all_valid(cluster: &Cluster, count: usize) -> anyhow::Result<()> {
    let entries: Api<MCPServerEntry> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let changes = watcher(entries, watcher::Config::default()).default_backoff().applied_objects();
    pin!(changes);
    let mut valid = std::collections::BTreeSet::new();
    while valid.len() < count {
        let entry = changes.try_next().await?.context("the watch of entries ended")?;
        if entry.status.is_some_and(|status| status.phase == Some(EntryPhase::Valid)) {
            valid.insert(entry.metadata.name);
        }
    }
    Ok(())
}

/// Changes the URL of an entry; returns how long it takes until the status speaks of that.
async fn change(cluster: &Cluster, entry: usize, number: usize) -> anyhow::Result<Duration> {
    let entries: Api<MCPServerEntry> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let name = entry_name(entry);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let changes = watcher(entries.clone(), config).applied_objects();
    pin!(changes);
    changes.try_next().await?.context("the entry is listed")?;
    let patch = Patch::Merge(json!({"spec": {"remoteUrl": format!("https://changed-{number}.example.com/mcp")}}));
    let begin = Instant::now();
    let generation = entries.patch(&name, &PatchParams::default(), &patch).await?.metadata.generation;
    ensure!(generation.is_some(), "an entry has a generation");
    while let Some(entry) = changes.try_next().await? {
        if entry.status.is_some_and(|status| status.observed_generation == generation) {
            return Ok(begin.elapsed());
        }
    }
    anyhow::bail!("the watch of {name} ended")
}
