//! What the gateway costs: latency, time of the processor, memory, and what a backend that hangs takes from the others.
//!
//! `cargo bench -p vmcp [-- --calls N --rate N --seconds N --connections N --sessions N,N --streams N --hanging N]
//! [--gateway PROGRAM] [--calls-only]`. The gateway is the program, in
//! a process of its own, before backends of the simulator, which is another one. Load generator, gateway and backends share the
//! machine: times of the processor are the gateway's own, latencies are everybody's.

mod load;
mod program;
mod relay;
mod session;
mod setting;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Parser;

use load::{Latencies, at_once, at_rate};
use program::Program;
use session::{Session, Target};
use setting::{Access, BACKENDS, HANGING, Setting, backend, through};

/// Measures the gateway.
#[derive(Debug, Parser)]
#[command(name = "cargo bench -p vmcp --")]
struct Cli {
    /// How many tools are called to measure the processor's time.
    #[arg(long, default_value_t = 100_000)]
    calls: usize,
    /// Calls per second where latency is measured.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// For so many seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Over how many connections, each with a session.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// With how many idle sessions memory is measured.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
    sessions: Vec<usize>,
    /// With how many open streams memory is measured.
    #[arg(long, default_value_t = 1000)]
    streams: usize,
    /// How many calls wait for the backend that hangs.
    #[arg(long, default_value_t = 100)]
    hanging: usize,
    /// The program to measure, to compare builds; without it the one that cargo has just built.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Latency and the processor's time of calls alone.
    #[arg(long)]
    calls_only: bool,
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
    let setting = Setting::start(cli.gateway.clone())?;
    floor(&cli, &setting)?;
    for (access, what) in
        [(Access::Open, "anonymous"), (Access::Oidc, "OIDC"), (Access::Exchange, "OIDC and exchanged token")]
    {
        calls(&cli, &setting, access, what)?;
    }
    if cli.calls_only {
        return Ok(());
    }
    memory(&cli, &setting)?;
    one_hangs(&cli, &setting)
}

/// The latency that any intermediary adds.
fn floor(cli: &Cli, setting: &Setting) -> anyhow::Result<()> {
    let direct = setting.backend(Access::Open);
    let relayed = Target { address: relay::start(&direct.address)?, ..direct.clone() };
    let (_, without) = warm(cli, |_| direct.clone())?;
    let (_, with) = warm(cli, |_| relayed.clone())?;
    for percent in [50, 99] {
        let added = with.percentile(percent) - without.percentile(percent);
        report(&format!("a relay of bytes: latency p{percent}, added"), added, "ms", Aim::None);
    }
    Ok(())
}

/// Added latency, and calls per second of the gateway's processor time.
fn calls(cli: &Cli, setting: &Setting, access: Access, what: &str) -> anyhow::Result<()> {
    let gateway = setting.gateway(access)?;
    let (_, without) = warm(cli, |_| setting.backend(access))?;
    let (mut through, with) = warm(cli, |_| setting.through(&gateway, access))?;
    for (percent, aim) in [(50, 0.15), (99, 0.8)] {
        let (without, with) = (without.percentile(percent), with.percentile(percent));
        report(&format!("{what}: latency p{percent}, directly"), without, "ms", Aim::None);
        report(&format!("{what}: latency p{percent}, added"), with - without, "ms", Aim::AtMost(aim));
    }
    let each = cli.calls / cli.connections.max(1);
    let before = gateway.processor()?;
    at_once(&mut through, each)?;
    let rate = number(each * cli.connections) / (gateway.processor()? - before);
    report(&format!("{what}: calls per second of the processor"), rate, "/s", Aim::AtLeast(15_000.0));
    Ok(())
}

/// Memory with sessions that have called a tool and do nothing any more, and with streams.
fn memory(cli: &Cli, setting: &Setting) -> anyhow::Result<()> {
    let gateway = setting.gateway(Access::Open)?;
    report("memory at the start", gateway.resident()?, "MiB", Aim::None);
    let mut opened = 0;
    for wanted in &cli.sessions {
        while opened < *wanted {
            // The connection ends, the session does not.
            drop(called(&gateway, opened)?);
            opened += 1;
        }
        let aim = if *wanted == 10_000 { Aim::AtMost(100.0) } else { Aim::None };
        report(&format!("memory with {wanted} idle sessions"), gateway.resident()?, "MiB", aim);
    }
    let gateway = setting.gateway(Access::Open)?;
    let streams: Vec<_> =
        (0..cli.streams).map(|number| called(&gateway, number)?.listen()).collect::<anyhow::Result<_>>()?;
    let what = format!("memory with {} sessions that have a stream open", streams.len());
    report(&what, gateway.resident()?, "MiB", Aim::None);
    Ok(())
}

/// A session with one of the backends that has been used.
fn called(gateway: &Program, number: usize) -> anyhow::Result<Session> {
    let mut session = Session::open(&through(gateway, &backend(number % BACKENDS)))?;
    session.call()?;
    Ok(session)
}

/// The latency of nine backends while calls of a tenth wait.
fn one_hangs(cli: &Cli, setting: &Setting) -> anyhow::Result<()> {
    let gateway = setting.gateway(Access::Open)?;
    let (mut others, quiet) = warm(cli, |number| through(&gateway, &backend(number % 9)))?;
    let waiting = sessions(cli.hanging, |_| through(&gateway, HANGING))?;
    for mut session in waiting {
        // It ends with the gateway; an answer in the meantime, that the time is up, makes room for the next call.
        thread::spawn(move || while session.call().is_err_and(|error| !error.is::<std::io::Error>()) {});
    }
    // They get to where they hang first: opening their sessions is work of another kind.
    at_rate(&mut others, cli.rate, Duration::from_secs(2))?;
    let disturbed = at_rate(&mut others, cli.rate, Duration::from_secs(cli.seconds))?;
    for percent in [50, 99] {
        report(&format!("nine backends: latency p{percent}"), quiet.percentile(percent), "ms", Aim::None);
        let what = format!("nine backends, {} calls hang at a tenth: latency p{percent}", cli.hanging);
        report(&what, disturbed.percentile(percent), "ms", Aim::None);
    }
    Ok(())
}

/// Sessions that have been used, and the latency of calls over them at the rate that was asked for.
fn warm(cli: &Cli, target: impl Fn(usize) -> Target) -> anyhow::Result<(Vec<Session>, Latencies)> {
    let mut sessions = sessions(cli.connections, target)?;
    at_once(&mut sessions, 50)?;
    let latencies = at_rate(&mut sessions, cli.rate, Duration::from_secs(cli.seconds))?;
    Ok((sessions, latencies))
}

fn sessions(count: usize, target: impl Fn(usize) -> Target) -> anyhow::Result<Vec<Session>> {
    (0..count).map(|number| Session::open(&target(number))).collect()
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
            println!("{what:<64} {value:>10.3} {unit}");
            return;
        }
    };
    let reached = if reached { "reached" } else { "missed" };
    println!("{what:<64} {value:>10.3} {unit:<3} (aim {aim} {unit}: {reached})");
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 of anything")]
fn number(count: usize) -> f64 {
    count as f64
}
