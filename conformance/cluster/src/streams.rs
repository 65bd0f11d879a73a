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
}
