//! The parity suite: what controllers rely on, asked of the embedded server and of a real one.
//!
//! Each case takes a [`World`](world::World): a client and a namespace of its own. It is one trial per server, named
//! `embedded/GROUP/RULE` and `real/GROUP/RULE`. The real server is the one of the kubeconfig in `KUBECONFIG`, or one that is
//! started from the executables in `KUBEBUILDER_ASSETS`, which goes first; without either its trials are ignored and say so.
//! What a case needs beyond an API server is a [`Need`](case::Need): a server that lacks it ignores the case with that reason.
#![allow(clippy::unwrap_used, clippy::panic)]

mod case;
mod cases;
mod documents;
#[path = "../shared/refusal.rs"]
mod refusal;
mod request;
mod server;
mod stand_in;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    // Only fails when a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::from_args();
    let real = Arc::new(server::real::Real::chosen());
    let mut trials = Vec::new();
    for case in cases::all() {
        trials.push(case::trial(&case, &Arc::new(server::Server::Embedded)));
        trials.push(case::trial(&case, &Arc::new(server::Server::Real(real.clone()))));
    }
    trials.extend(stand_in::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Err(error) = real.finish() {
        eprintln!("the real server was not left as it was found: {error}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
