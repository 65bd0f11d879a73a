//! What the embedded cluster costs: time to start, writes, watches, lists, memory and controllers.
//!
//! `cargo bench -p embedded-cluster [-- [NAME]... [--runs N] [--json FILE]]`. Each benchmark runs in a process of its own,
//! several times in turn with the others, so that none finds warm caches or a used heap, and a busy moment of the machine
//! meets all alike. The table shows the best run, which is nearest to what the code costs, and the median beside it.

mod controllers;
mod lists;
mod memory;
mod objects;
mod report;
mod start;
mod watches;
mod writes;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;

use report::{Figure, Report};

/// Measures the embedded cluster.
#[derive(Debug, Parser)]
#[command(name = "cargo bench -p embedded-cluster --")]
struct Cli {
    /// The benchmarks to run, all by default: start-api, start-tls, start-cluster, create, patch, tls, watch, watch-tls, list,
    /// memory-configmaps, memory-custom, memory-pods, controllers.
    names: Vec<String>,
    /// How often each one runs.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Write the figures to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run one benchmark here, once, and print its figures as JSON.
    #[arg(long, hide = true)]
    alone: Option<String>,
    /// What cargo passes to benchmarks, and not to tests.
    #[arg(long, hide = true)]
    bench: bool,
}

const NAMES: [&str; 13] = [
    "start-api",
    "start-tls",
    "start-cluster",
    "create",
    "patch",
    "tls",
    "watch",
    "watch-tls",
    "list",
    "memory-configmaps",
    "memory-custom",
    "memory-pods",
    "controllers",
];

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(name) = &cli.alone {
        println!("{}", serde_json::to_string(&alone(name)?)?);
        return Ok(());
    }
    if !cli.bench {
        // `cargo test --all-targets` arrives here, and tests measure no time.
        println!("nothing is measured without `cargo bench`");
        return Ok(());
    }
    for name in &cli.names {
        ensure!(NAMES.contains(&name.as_str()), "there is no benchmark {name}; there are {}", NAMES.join(", "));
    }
    let wanted = |name: &&str| cli.names.is_empty() || cli.names.iter().any(|wanted| wanted == name);
    let names: Vec<&str> = NAMES.into_iter().filter(wanted).collect();
    let mut report = Report::default();
    for run in 1..=cli.runs {
        for name in &names {
            eprintln!("run {run} of {}: {name}", cli.runs);
            report.add(in_a_process(name).with_context(|| format!("failed to run the benchmark {name}"))?);
        }
    }
    print!("{report}");
    if let Some(file) = &cli.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, json).with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(())
}

/// Runs one benchmark in a fresh process.
fn in_a_process(name: &str) -> anyhow::Result<Vec<Figure>> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).args(["--alone", name]).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "it ended with {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs one benchmark in this process.
fn alone(name: &str) -> anyhow::Result<Vec<Figure>> {
    // Clients take the process' default provider; a second one is not installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match name {
            "start-api" => start::api().await,
            "start-tls" => start::tls().await,
            "start-cluster" => start::cluster().await,
            "create" => writes::create().await,
            "patch" => writes::patch().await,
            "tls" => writes::tls().await,
            "watch" => watches::in_process().await,
            "watch-tls" => watches::tls().await,
            "list" => lists::list().await,
            "memory-configmaps" => memory::config_maps().await,
            "memory-custom" => memory::custom_objects().await,
            "memory-pods" => memory::pods().await,
            "controllers" => controllers::controllers().await,
            other => bail!("there is no benchmark {other}"),
        }
    })
}
