//! `simulator`: serves a world file, or checks it.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match cli::Cli::try_parse() {
        Ok(options) => options,
        Err(error) => return cli::usage(&error),
    };
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("simulator: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    match cli::run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
