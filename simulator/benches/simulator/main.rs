//! What the simulator costs: tool calls, servers, tokens and certificates.
//!
//! `cargo bench -p simulator [-- --calls N --servers N --tokens N --certificates N]`. For calls and servers the simulator is the
//! program, in a process of its own: time of the processor and memory are its own. Where a rate is told per core, it is per second
//! of the processor's time, so that what else the machine does counts little.

mod calls;
mod program;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use futures::future::try_join_all;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use simulator::{Simulator, SimulatorOptions, TokenRequest, World};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use calls::Session;
use program::{Program, processor};

/// Measures the simulator.
#[derive(Debug, Parser)]
#[command(name = "cargo bench -p simulator --")]
struct Cli {
    /// How many tools are called.
    #[arg(long, default_value_t = 200_000)]
    calls: usize,
    /// Over how many connections.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How many servers there are in a world.
    #[arg(long, default_value_t = 1000)]
    servers: usize,
    /// How many tokens are signed.
    #[arg(long, default_value_t = 20_000)]
    tokens: usize,
    /// How many certificates are made.
    #[arg(long, default_value_t = 1000)]
    certificates: usize,
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
    // The simulator and the client take the process' default provider; a second one is not installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(&cli))
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("simulator-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = async {
        tool_calls(cli, &folder.join("calls.yaml")).await?;
        many_servers(cli, &folder.join("servers.yaml")).await?;
        tokens(cli).await?;
        certificates(cli).await
    }
    .await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn tool_calls(cli: &Cli, file: &std::path::Path) -> anyhow::Result<()> {
    std::fs::write(file, "servers: [{url: 'http://mcp.example.com/mcp', tools: [{name: echo}]}]")?;
    let program = Program::serve(file).await?;
    let mut sessions = try_join_all((0..cli.connections).map(|_| Session::open(&program.address))).await?;
    let each = cli.calls / cli.connections.max(1);
    let (before, empty) = (program.processor()?, program.resident()?);
    try_join_all(sessions.iter_mut().map(|session| session.call(each))).await?;
    let taken = program.processor()? - before;
    report(
        "tool calls per second of one core, with the journal",
        number(each * cli.connections) / taken,
        "/s",
        Aim::AtLeast(15_000.0),
    );
    report("memory of a full journal", program.resident()? - empty, "MiB", Aim::AtMost(64.0));
    Ok(())
}

async fn many_servers(cli: &Cli, file: &std::path::Path) -> anyhow::Result<()> {
    let world = format!(
        "servers: [{{repeat: {{count: {}, as: n}}, item: {{url: 'https://mcp-${{n}}.example.com/mcp', tools: [{{name: echo}}]}}}}]",
        cli.servers
    );
    std::fs::write(file, world)?;
    let program = Program::serve(file).await?;
    report(
        &format!("start with {} servers", cli.servers),
        program.start.as_secs_f64() * 1000.0,
        "ms",
        Aim::AtMost(100.0),
    );
    report("processor's time of that start", program.processor()? * 1000.0, "ms", Aim::None);
    report(&format!("memory with {} servers", cli.servers), program.resident()?, "MiB", Aim::AtMost(100.0));
    Ok(())
}

async fn tokens(cli: &Cli) -> anyhow::Result<()> {
    let world = World::from_yaml("world", "authorizationServers: [{host: idp.example.com, users: [alice]}]")?;
    let simulator = Simulator::start(SimulatorOptions::default()).await?;
    let handle = simulator.add_world(world).await?;
    let request = TokenRequest::new("idp.example.com", "alice", "https://mcp.example.com");
    let before = processor("self")?;
    for _ in 0..cli.tokens {
        handle.token(&request)?;
    }
    let taken = processor("self")? - before;
    report("tokens signed with ES256 per second of one core", number(cli.tokens) / taken, "/s", Aim::AtLeast(5_000.0));
    handle.remove().await;
    Ok(())
}

/// The first handshake for a host makes its certificate, the second does not.
async fn certificates(cli: &Cli) -> anyhow::Result<()> {
    let world = World::from_yaml(
        "world",
        &format!(
            "servers: [{{repeat: {{count: {}, as: n}}, item: {{url: 'https://mcp-${{n}}.example.com/mcp'}}}}]",
            cli.certificates
        ),
    )?;
    let simulator = Simulator::start(SimulatorOptions::default()).await?;
    let handle = simulator.add_world(world).await?;
    let mut roots = rustls::RootCertStore::empty();
    let root = handle.ca_pem("public").context("there is a public authority")?;
    roots.add(CertificateDer::from_pem_slice(root.as_bytes())?)?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    // Every handshake is a whole one.
    config.resumption = rustls::client::Resumption::disabled();
    let connector = TlsConnector::from(Arc::new(config));
    let hosts: Vec<(String, SocketAddr)> =
        handle.names().into_iter().filter_map(|name| Some((name.host, *name.ports.get(&443)?))).collect();
    let mut rounds = Vec::new();
    for _ in 0..2 {
        let before = processor("self")?;
        for (host, address) in &hosts {
            let stream = TcpStream::connect(address).await?;
            connector.connect(ServerName::try_from(host.clone())?, stream).await?;
        }
        rounds.push((processor("self")? - before) * 1000.0 / number(hosts.len()));
    }
    if let [first, second] = rounds[..] {
        report("handshake, client and server, with a known certificate", second, "ms", Aim::None);
        report("certificate of a host, made at its first handshake", first - second, "ms", Aim::AtMost(1.0));
    }
    handle.remove().await;
    Ok(())
}

/// What is wanted of a figure.
#[derive(Clone, Copy)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
    None,
}

fn report(what: &str, value: f64, unit: &str, aim: Aim) {
    let (aim, reached) = match aim {
        Aim::AtLeast(aim) => (aim, value >= aim),
        Aim::AtMost(aim) => (aim, value <= aim),
        Aim::None => {
            println!("{what:<60} {value:>10.2} {unit}");
            return;
        }
    };
    let reached = if reached { "reached" } else { "missed" };
    println!("{what:<60} {value:>10.2} {unit:<3} (aim {aim} {unit}: {reached})");
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 of anything")]
fn number(count: usize) -> f64 {
    count as f64
}
