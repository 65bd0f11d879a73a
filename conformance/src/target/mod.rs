//! Where scenarios are played: a cluster with an implementation installed, and a simulated world that it can reach.

mod embedded;
mod existing;
mod interruption;
mod kind;
mod machine;
mod outside;
mod programs;
mod provision;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::language::{Image, Moment, Scenario};
use crate::objects::{ApiError, Objects};
use crate::world::{World, WorldHandle};

pub use embedded::{Embedded, EmbeddedOptions};
pub use existing::{Connection, Existing};
pub use interruption::Interruption;
pub use kind::{KindOptions, dry_run, start_kind};
pub use programs::{ProgramError, Programs};
pub use provision::install;

/// A cluster to play scenarios on.
///
/// A target installs the implementation when it starts. Everything else that scenarios need of it is here.
pub trait Target: Send + Sync {
    /// The name in reports.
    fn name(&self) -> &'static str;

    /// Access to its API server, as cluster-admin.
    fn objects(&self) -> &Objects;

    /// The namespace of the operator.
    fn operator_namespace(&self) -> &str;

    /// How long something may take here.
    fn allows(&self, moment: Moment) -> Duration;

    /// What tells the namespaces of this run from those of others on the cluster; `None` where there are no others.
    fn run(&self) -> Option<&str> {
        None
    }

    /// Why a scenario cannot be played here, if so.
    fn cannot_play(&self, _scenario: &Scenario) -> Option<String> {
        None
    }

    /// Makes a namespace, whose pods reach a world by its names and trust its public authority, and where containers of
    /// `images` run what these hold.
    fn make_namespace<'a>(
        &'a self,
        name: &'a str,
        world: Option<&'a WorldHandle>,
        images: &'a BTreeMap<String, Image>,
    ) -> BoxFuture<'a, Result<(), TargetError>>;

    /// Removes a namespace and everything in it, without waiting for the end.
    fn remove_namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TargetError>>;

    /// Brings a world to life.
    fn start_world(&self, world: World) -> BoxFuture<'_, Result<WorldHandle, TargetError>>;

    /// Tells a namespace again how its world is reached, after a change of the world.
    fn reconnect_world<'a>(
        &'a self,
        namespace: &'a str,
        world: &'a WorldHandle,
    ) -> BoxFuture<'a, Result<(), TargetError>>;

    /// Where a host and port listen, for a request from the runner.
    fn dial<'a>(&'a self, namespace: &'a str, host: &'a str, port: u16) -> BoxFuture<'a, Option<SocketAddr>>;

    /// What the containers of a pod wrote, also of one that has ended.
    fn logs<'a>(&'a self, namespace: &'a str, pod: &'a str) -> BoxFuture<'a, String>;

    /// How people reach the API server: the text of a kubeconfig file.
    fn kubeconfig(&self) -> String;

    /// Ends what the target started, and removes what is left of the run.
    fn end(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A temporary folder for files of the run.
fn folder() -> Result<tempfile::TempDir, TargetError> {
    tempfile::tempdir().map_err(|source| TargetError::File { file: std::env::temp_dir().display().to_string(), source })
}

/// The target itself failed: never the implementation's fault.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A cluster of the user's does not answer.
    #[error("{cluster} does not answer: {reason}")]
    Unanswered {
        /// Its URL and context.
        cluster: String,
        /// Why.
        reason: String,
    },
    /// A program of others fails.
    #[error("`{command}` failed: {reason}")]
    Tool {
        /// The program and its subcommand.
        command: String,
        /// How it ended, and its last words.
        reason: String,
    },
    /// Ctrl-C; everything that was started has ended.
    #[error("interrupted")]
    Interrupted,
    /// What the user named cannot be used: the sentence says what to do.
    #[error("{0}")]
    Usage(String),
    /// The programs are not there.
    #[error(transparent)]
    Programs(#[from] ProgramError),
    /// The cluster does not start.
    #[error("failed to start the embedded cluster: {0}")]
    Cluster(String),
    /// The simulator does not start, or refuses a world.
    #[error("failed to simulate the world: {0}")]
    World(String),
    /// A file of the run cannot be written.
    #[error("failed to write {file}: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The API server does not do what the suite itself needs.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// What was installed does not come up.
    #[error("{what} was not ready within {within:?}: {state}")]
    NotReady {
        /// What.
        what: String,
        /// How long was waited.
        within: Duration,
        /// What is known.
        state: String,
    },
}
