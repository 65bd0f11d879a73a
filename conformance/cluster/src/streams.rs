//! Where the API server's streams to containers lead: whoever runs the containers is a [`PodStreams`].

use std::fmt;

use futures::future::BoxFuture;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A connection to a port of a pod.
pub type Connection = Box<dyn ByteStream>;

/// Where the input of a process is written.
pub type Input = Box<dyn AsyncWrite + Send + Unpin>;

/// What a process writes.
pub type Output = Box<dyn AsyncRead + Send + Unpin>;

/// A process in a container. Dropping it ends what `exec` started.
pub struct Execution {
    /// Its stdin, if it was asked for.
    pub stdin: Option<Input>,
    /// Its stdout.
    pub stdout: Option<Output>,
    /// Its stderr, where it is not part of stdout.
    pub stderr: Option<Output>,
    /// Its exit code (128 and the number for a signal), or why there is none.
    pub exit: BoxFuture<'static, Result<i32, String>>,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").finish_non_exhaustive()
    }
}

/// A pod by its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Why there is no stream; the message is what the client reads.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StreamError {
    /// The pod is not running, or nothing answers there.
    #[error("{0}")]
    NotAvailable(String),
}

/// Opens streams to running containers.
pub trait PodStreams: Send + Sync {
    /// Connects to a port of a pod, as a program in the pod would by `localhost`.
    fn connect<'a>(&'a self, pod: &'a PodName, port: u16) -> BoxFuture<'a, Result<Connection, StreamError>>;

    /// Starts a command beside the process of a container, which ends with the container.
    fn exec<'a>(
        &'a self,
        pod: &'a PodName,
        container: &'a str,
        command: &'a [String],
        stdin: bool,
    ) -> BoxFuture<'a, Result<Execution, StreamError>>;

    /// What the process of a container writes from now on, until it ends.
    fn attach<'a>(&'a self, pod: &'a PodName, container: &'a str) -> BoxFuture<'a, Result<Execution, StreamError>>;
}
