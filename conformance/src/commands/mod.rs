//! The commands and their exit codes.

mod consent;
mod explain;
mod list;
mod run;
mod target;
mod up;

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use conformance::language::Library;

use target::TargetArguments;

/// All passed.
pub(crate) const PASSED: u8 = 0;
/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// The command line, or a file that it names, is wrong.
pub(crate) const WRONG_USAGE: u8 = 2;
/// The suite itself failed.
pub(crate) const HARNESS: u8 = 3;
/// Interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// Prints what `write` writes. Whoever stops reading, as `head` does, has seen enough.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> u8 {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("the standard output cannot be written to: {error}");
            HARNESS
        }
        _ => PASSED,
    }
}

/// Plays scenarios against an implementation of the documented behaviour and reports what holds.
#[derive(Debug, Parser)]
#[command(name = "conformance", version, about)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Play scenarios and report. Exit code 0: all passed; 1: something failed; 2: wrong usage; 3: the suite itself failed
    Run(RunArguments),
    /// Print the scenarios
    List {
        #[command(flatten)]
        library: LibraryArguments,
    },
    /// Tell what decides a behaviour and which steps verify it, or what a scenario does, in plain words
    Explain {
        /// A behaviour's id (ENTRY-029), a scenario's id or its file
        subject: String,
        #[command(flatten)]
        library: LibraryArguments,
    },
    /// Play a scenario, leave its world, cluster and gateway running, and print how to reach them
    Up {
        /// The scenario's id or its file
        scenario: String,
        #[command(flatten)]
        library: LibraryArguments,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, Args)]
struct LibraryArguments {
    /// Read the scenarios of this folder instead of those that are compiled in
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RunArguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    library: LibraryArguments,
    /// Only scenarios whose id matches, with * for anything; repeatable
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// Where report.json and the folders of failed scenarios go
    #[arg(long, value_name = "DIR", default_value = "target/conformance")]
    report: PathBuf,
    /// How many scenarios play at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Leave the namespaces of failed scenarios, and the cluster, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// A file that says which profiles the implementation claims: `profiles: [entry, virtual]`
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
}

/// Runs a command and returns its exit code.
pub(crate) async fn run(command: Command) -> u8 {
    match command.action {
        Action::Run(arguments) => run::run(arguments).await,
        Action::List { library } => with_library(&library, list::list),
        Action::Explain { subject, library } => with_library(&library, |library| explain::explain(library, &subject)),
        Action::Up { scenario, library, target } => up::up(&scenario, &library, target).await,
    }
}

fn with_library(arguments: &LibraryArguments, then: impl FnOnce(&Library) -> u8) -> u8 {
    match arguments.open() {
        Ok(library) => then(&library),
        Err(code) => code,
    }
}

impl LibraryArguments {
    fn open(&self) -> Result<Library, u8> {
        let library = match &self.scenarios {
            Some(folder) => Library::open(folder),
            None => Library::embedded(),
        };
        library.map_err(|errors| {
            eprintln!("{errors}");
            WRONG_USAGE
        })
    }
}
