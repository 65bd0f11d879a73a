//! What the replicas of one gateway share, so that any of them serves any session.
//!
//! A [`SessionStore`] holds what a session is: whose it is, what was agreed on, what its client wants to hear of, the
//! ids of its sessions with backends, and for a while what its streams said. Each replica that a request of the session
//! reaches makes its own live session of that. What must reach the replica that holds a stream or a request of the client
//! travels as a [`Signal`]. Without a store the sessions are in the memory of one process, and nobody else knows them.
//!
//! [`RedisStore`] is the only store. Nothing readable leaves the process: values are sealed with the key of the gateway
//! and bound to their session, names are digests. Tokens and headers of clients are not shared at all: a request
//! is answered by the replica that it came to.

mod backends;
mod keys;
mod record;
mod redis;
mod session;
mod signal;
mod vault;

pub use backends::{BackendKey, BackendSessions, Entered, Entry, OpenedSession, SharedBackend, Ticket};
pub use record::{Handshake, Record, Stored};
pub(crate) use redis::Heard;
pub use redis::{RedisOptions, RedisStore};
pub use session::{SharedReader, SharedSession};
pub(crate) use signal::Letter;
pub use signal::Signal;
pub use vault::{SecretError, Vault};

use bytes::Bytes;
use futures::future::BoxFuture;
use std::fmt;

/// The stream of a session for what concerns no request.
pub const OUTBOX: u64 = 0;

/// Holds the sessions of all replicas of one gateway. Sessions are named by their ids.
pub trait SessionStore: BackendSessions + fmt::Debug {
    /// Notes a session.
    fn create<'a>(&'a self, id: &'a str, record: &'a Record) -> BoxFuture<'a, Result<(), CreateError>>;

    /// Adds what was agreed on to a session that was noted without. Fails with [`CreateError::Ended`] when it lives no more.
    fn initialize<'a>(&'a self, id: &'a str, handshake: &'a Handshake) -> BoxFuture<'a, Result<(), CreateError>>;

    /// A session that lives. It does not count as used.
    fn load<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Stored>, Away>>;

    /// Notes that a session is used. Returns whether it lives.
    fn touch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Away>>;

    /// Ends a session that was not used for too long.
    fn expire<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Expiry, Away>>;

    /// Ends a session, and tells the other replicas.
    fn end<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Away>>;

    /// What was said on a stream of a session, from message `from` on, or from the first that no client has read.
    fn read<'a>(&'a self, id: &'a str, stream: u64, from: Option<u64>) -> BoxFuture<'a, Result<Option<Page>, Away>>;

    /// Notes or tells something, some time soon, after what was noted before. Returns false when it is lost, because the store
    /// has been away or too slow for so long that too much waits.
    fn write(&self, id: &str, write: Write) -> bool;

    /// Waits until all that was given to [`write`](Self::write) before is noted, or lost.
    fn noted(&self) -> BoxFuture<'_, ()>;

    /// Whether this replica is known to be there by its name.
    fn is_alive<'a>(&'a self, replica: &'a str) -> BoxFuture<'a, Result<bool, Away>>;

    /// Whether the store was reached at least once.
    fn was_reached(&self) -> bool;
}

/// The store cannot be reached now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session storage cannot be reached, try again later")]
pub struct Away;

/// Why a session is not noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// There are as many sessions as may be, at all replicas together.
    #[error("there is no room for another session")]
    Full,
    /// It has ended since it was noted first.
    #[error("the session has ended")]
    Ended,
    /// The store cannot be reached.
    #[error(transparent)]
    Away(#[from] Away),
}

/// What became of a session that a replica has not seen used for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Another replica has seen it used.
    Used,
    /// It has just ended.
    Ended,
    /// It had ended before.
    Gone,
}

/// A part of what a stream said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages and their numbers.
    pub messages: Vec<(u64, Bytes)>,
    /// Whether nothing follows, ever.
    pub has_ended: bool,
    /// The replica that wrote last.
    pub writer: String,
}

/// Something to note or to tell about a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A message of a stream.
    Said {
        /// The stream.
        stream: u64,
        /// The number of the message; none where the store counts.
        number: Option<u64>,
        /// The message.
        message: Bytes,
        /// Whether the message is dropped while the same one waits to be read.
        unless_waiting: bool,
    },
    /// Nothing follows on a stream.
    StreamEnded(u64),
    /// What the client wants to hear of, noted for replicas to come and told to those that know the session.
    Interest(Interest),
    /// Something for the other replicas, which is not kept.
    Signal(Signal),
}

/// What a client wants to hear of from now on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Interest {
    /// The news of a resource of this backend.
    Subscribed {
        /// The resource.
        uri: String,
        /// Its backend.
        backend: String,
    },
    /// Not the news of this resource any more.
    Unsubscribed {
        /// The resource.
        uri: String,
    },
    /// Log messages of this level and above.
    Level(crate::catalog::Level),
}
