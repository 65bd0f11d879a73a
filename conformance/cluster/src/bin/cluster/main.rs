//! `cluster`: a Kubernetes cluster for tests, in one process.

mod control;

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use embedded_cluster::cluster::{Cluster, ClusterOptions, Program};
use embedded_cluster::faults::RequestFault;
use tokio::signal::unix::{SignalKind, signal};

/// A Kubernetes cluster for tests, in one process and without anything installed.
#[derive(Debug, Parser)]
#[command(name = "cluster", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a cluster until interrupted.
    Serve(Serve),
    #[command(flatten)]
    Control(control::Control),
}

#[derive(Debug, Args)]
struct Serve {
    /// Write the administrator's kubeconfig to this file.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Run PROGRAM for containers of the image NAME; may be given several times.
    #[arg(long = "image", value_name = "NAME=PROGRAM", value_parser = image)]
    images: Vec<(String, PathBuf)>,
    /// Where the API server listens; port 0 chooses a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Serve node ports on 127.0.0.1 too, where they are free, and not only on the node's own address.
    #[arg(long)]
    node_ports_on_localhost: bool,
    /// Begin with a fault of requests; may be given several times.
    ///
    /// EFFECT is latency=DURATION, status=CODE[,retry-after=SECONDS] or hang. KEY=VALUE selects requests by verb, resource
    /// (pods, pods/status, deployments.apps), namespace, name, path, user-agent or user, or ends the fault: times=NUMBER,
    /// for=DURATION. While the cluster runs, `cluster fault` adds and ends faults.
    #[arg(long = "fault", value_name = "EFFECT[,KEY=VALUE]...")]
    faults: Vec<RequestFault>,
}

/// Parses NAME=PROGRAM; the program must be a file.
fn image(text: &str) -> Result<(String, PathBuf), String> {
    let (name, program) = text.split_once('=').ok_or("expected NAME=PROGRAM")?;
    if name.is_empty() || program.is_empty() {
        return Err("expected NAME=PROGRAM".to_owned());
    }
    // Links are kept: a command in a pod is compared with the name that was given.
    let path =
        std::path::absolute(program).map_err(|error| format!("failed to read the program {program}: {error}"))?;
    let metadata =
        std::fs::metadata(&path).map_err(|error| format!("failed to read the program {program}: {error}"))?;
    if !metadata.is_file() {
        return Err(format!("the program {program} is not a file"));
    }
    Ok((name.to_owned(), path))
}

/// The exit code of wrong usage.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            // One sentence; the rest of clap's message is for `--help`.
            let message = error.to_string();
            let what: Vec<&str> = message.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            eprintln!("{}; see `cluster --help`", what.join(" "));
            return ExitCode::from(WRONG_USAGE);
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    // Fails only if a provider is installed already, which serves as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let options = match cli.command {
        Command::Serve(options) => options,
        Command::Control(command) => return ended(control::run(command)),
    };
    // Before anything starts: a kubeconfig that cannot be written is wrong usage.
    let kubeconfig = match open_private(&options.kubeconfig) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("error: failed to write {}: {error}", options.kubeconfig.display());
            return ExitCode::from(WRONG_USAGE);
        }
    };
    ended(run(options, kubeconfig))
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(options: Serve, mut kubeconfig: File) -> anyhow::Result<()> {
    // Registered first, so that an early signal is not lost.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let images = options.images.into_iter().map(|(name, path)| (name, Program::new(path))).collect();
    let cluster = Cluster::start(ClusterOptions {
        images,
        listen: options.listen,
        node_ports_on_localhost: options.node_ports_on_localhost,
        ..ClusterOptions::default()
    })
    .await?;
    for fault in options.faults {
        cluster.faults().add(fault).keep();
    }
    kubeconfig
        .write_all(cluster.kubeconfig().as_bytes())
        .with_context(|| format!("failed to write {}", options.kubeconfig.display()))?;
    println!("ready {}", cluster.url());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    cluster.shutdown().await;
    Ok(())
}

/// Opens an empty file that only its owner may read: it will hold a token.
fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}
