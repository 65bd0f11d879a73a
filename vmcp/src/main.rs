//! The `vmcp` program.

use clap::Parser;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use vmcp::cli::{Cli, Command, Validate};
use vmcp::gateway::{Gateway, Options, StartError, workers};
use vmcp::proxy::{self, Proxy};
use vmcp::reload::{ConfigFile, SetLogLevel};
use vmcp_config::proxy::ProxyConfig;
use vmcp_config::{Config, LogLevel};

/// Wrong usage: flags or configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    match cli.command {
        Command::Version => told(print(concat!("vmcp ", env!("CARGO_PKG_VERSION"), "\n"))),
        Command::Validate(file) => validate(&file),
        Command::Serve(serve) => match ConfigFile::<Config>::open(&serve.config) {
            Ok((file, config)) => {
                let set_level = log(config.operational.as_ref().and_then(|operational| operational.log_level));
                run(async move {
                    let workers = workers(&serve.serving)?;
                    let gateway = Gateway::bind(Options { config, serve: *serve }).await?;
                    let gateway = gateway.following(file, set_level).on(workers);
                    Ok((gateway.address(), move |stop| gateway.serve(stop)))
                })
            }
            Err(error) => fail(&anyhow::Error::new(error), USAGE),
        },
        Command::Proxy(flags) => match ConfigFile::<ProxyConfig>::open(&flags.config) {
            Ok((file, config)) => {
                // The file of a proxy says nothing of it.
                drop(log(None));
                run(async move {
                    let workers = workers(&flags.serving)?;
                    let proxy =
                        Proxy::bind(proxy::Options { config, flags: *flags }).await?.following(file).on(workers);
                    Ok((proxy.address(), move |stop| proxy.serve(stop)))
                })
            }
            Err(error) => fail(&anyhow::Error::new(error), USAGE),
        },
    }
}

fn validate(file: &Validate) -> ExitCode {
    let judged = if file.proxy { ProxyConfig::validate(&file.config) } else { vmcp_config::validate(&file.config) };
    match judged {
        Ok(()) => told(print(&format!("{} is valid\n", file.config.display()))),
        Err(error) => fail(&anyhow::Error::new(error), USAGE),
    }
}

/// Help goes to stdout as it is; what is wrong with the flags becomes one sentence.
fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return told(error.print().and_then(|()| std::io::stdout().flush()));
    }
    let text = error.to_string();
    let sentence = text.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    fail(&anyhow::Error::msg(sentence), USAGE)
}

/// Starts what `bind` makes, says where it listens, and serves until a signal.
fn run<Serve, Ended>(bind: impl Future<Output = Result<(SocketAddr, Serve), StartError>>) -> ExitCode
where
    Serve: FnOnce(CancellationToken) -> Ended,
    Ended: Future<Output = ()>,
{
    vmcp::descriptors::raise_limit();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::warn!("a TLS provider was installed already");
    }
    // For what no client waits for: discovery, probes, files. Clients are served by workers.
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("failed to start"), 1),
    };
    runtime.block_on(async {
        let (address, serve) = match bind.await {
            Ok(bound) => bound,
            Err(error) => {
                let code = if error.is_usage() { USAGE } else { 1 };
                return fail(&anyhow::Error::new(error), code);
            }
        };
        let stop = CancellationToken::new();
        if let Err(error) = stop_on_signal(&stop) {
            return fail(&anyhow::Error::new(error).context("failed to listen for signals"), 1);
        }
        // Clients are served whether or not anybody reads this.
        if let Err(error) = print(&format!("ready http://{address}\n")) {
            tracing::debug!(%error, "nobody is told on standard output that the server is ready");
        }
        serve(stop).await;
        ExitCode::SUCCESS
    })
}

fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// How a command ends whose work is to print something. The other end of a pipe may have gone, a disk may be full.
fn told(printed: std::io::Result<()>) -> ExitCode {
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&anyhow::Error::new(error).context("failed to write to standard output"), 1),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    // Where that fails too, the exit code has to do.
    let _ = writeln!(std::io::stderr(), "{error:#}");
    ExitCode::from(code)
}

/// Logs are JSON lines on stderr; `RUST_LOG` refines what the configuration asks for. Returns what sets the level anew.
fn log(level: Option<LogLevel>) -> SetLogLevel {
    let filter = |level| {
        let level = if level == Some(LogLevel::Debug) { "info,vmcp=debug" } else { "info" };
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level))
    };
    let subscriber = tracing_subscriber::fmt().json().with_env_filter(filter(level)).with_writer(std::io::stderr);
    let subscriber = subscriber.with_filter_reloading();
    let handle = subscriber.reload_handle();
    subscriber.init();
    Box::new(move |level| {
        if let Err(error) = handle.reload(filter(level)) {
            tracing::warn!(%error, "the level of the log could not be changed");
        }
    })
}

fn stop_on_signal(stop: &CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending: waiting for calls that are under way");
        stop.cancel();
    });
    Ok(())
}
