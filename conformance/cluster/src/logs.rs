//! Where the API server gets the logs of pods from: whoever runs the containers is a [`LogSource`].

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use jiff::Timestamp;
use thiserror::Error;

/// What `GET .../pods/NAME/log` asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Keep the stream open and send what is written from now on, until the container ends.
    pub follow: bool,
    /// Only so many lines from the end of what is there.
    pub tail_lines: Option<usize>,
    /// The container's previous run, before its last restart.
    pub previous: bool,
    /// Only what was written at or after this time.
    pub since: Option<Timestamp>,
    /// At most so many bytes.
    pub limit_bytes: Option<usize>,
    /// Begin each line with its RFC 3339 time.
    pub timestamps: bool,
}

/// A container's log, chunk by chunk.
pub type LogStream = BoxStream<'static, Bytes>;

/// Why there is no log; the message is what the client reads.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogError {
    /// The container is not there, or has not begun to run (400).
    #[error("{0}")]
    NotAvailable(String),
    /// Nothing runs pods on this server (501).
    #[error("no node runs pods on this server")]
    NoNode,
}

/// Gives out the logs of containers.
pub trait LogSource: Send + Sync {
    /// The log of a container; without a name, of the pod's only container.
    fn logs<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        container: Option<&'a str>,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, LogError>>;
}
