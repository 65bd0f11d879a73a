//! The program `operator`.

use std::process::ExitCode;

use clap::Parser;
use operator::{
    cli::{Arguments, Command},
    manifests, run,
};

fn main() -> ExitCode {
    // Parsing errors end here, with one message on standard error and exit code 2.
    let arguments = Arguments::parse();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("error: a TLS provider is already installed in this process");
        return ExitCode::FAILURE;
    }
    let result = match arguments.command {
        Command::Crds => print(manifests::crds()),
        Command::Manifests(install) => print(manifests::install(&install)),
        Command::Run(options) => {
            let runtime = match tokio::runtime::Runtime::new() {
                Ok(runtime) => runtime,
                Err(error) => {
                    eprintln!("error: failed to start: {error}");
                    return ExitCode::FAILURE;
                }
            };
            let result = match runtime.block_on(run::prepare(options)) {
                Ok(prepared) => runtime.block_on(prepared.run()),
                Err(error) => {
                    eprintln!("error: failed to {error:#}");
                    return ExitCode::from(2);
                }
            };
            // A name that is being looked up keeps a thread for many seconds; nobody needs the answer.
            runtime.shutdown_background();
            result
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(yaml: Result<String, manifests::RenderError>) -> anyhow::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(yaml?.as_bytes())?;
    Ok(())
}
