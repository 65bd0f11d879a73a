//! The client on whose behalf a session speaks with its backend.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;
use serde_json::value::RawValue;

use super::clock::Clock;
use super::relayed::Inbox;
use super::session::Reply;
use crate::replicas::SharedBackend;

/// Hears what a backend says of its own accord, and answers what it asks.
pub trait Peer: fmt::Debug + Send + Sync {
    /// Takes a notification; `message` is what the backend wrote.
    fn notified<'a>(&'a self, method: &'a str, message: Bytes) -> BoxFuture<'a, ()>;

    /// Answers a request. Whoever drops the future does not want the answer any more.
    fn asked(self: Arc<Self>, question: Question) -> BoxFuture<'static, Reply>;
}

/// A request of a backend.
#[derive(Debug)]
pub struct Question {
    /// The method.
    pub method: String,
    /// The params, as the backend wrote them.
    pub params: Option<Box<RawValue>>,
}

/// For whom a session is opened.
#[derive(Debug, Clone)]
pub struct OnBehalf {
    /// The capabilities of the client that backends may use.
    pub capabilities: Arc<RawValue>,
    /// What the client calls itself, for backends that are told with every request (2026-07-28, base protocol, `_meta`).
    pub client_info: Option<Arc<RawValue>>,
    /// Who answers a backend that needs inputs before it can go on.
    pub rounds: Rounds,
    /// The session as other replicas know it, if they do.
    pub shared: Option<Arc<SharedBackend>>,
    /// Who hears what the backend says outside of requests.
    pub peer: Arc<dyn Peer>,
}

/// Who answers when a backend without sessions gives `input_required` for a result (2026-07-28, multi round-trip requests).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounds {
    /// The gateway asks the [`Peer`] and sends the request again, until there is another result.
    Gateway,
    /// The client itself: the result is its own.
    Client,
}

/// What a client says of itself for one request.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The capabilities that the backend may use.
    pub capabilities: Arc<RawValue>,
    /// What the client calls itself.
    pub client_info: Option<Arc<RawValue>>,
    /// The lowest level of log messages that the client wants to hear; none without.
    pub log_level: Option<Arc<RawValue>>,
    /// The headers in which it repeats arguments. Those that the tool does not ask for are passed on, and nothing else is made of them.
    pub arguments: HeaderMap,
}

/// Who hears the backend while it works on a request, and the clock of that request.
#[derive(Debug, Clone)]
pub struct Hearing {
    /// What the client says of itself for this request, in place of what it said when the session was opened.
    pub declared: Option<Arc<Declared>>,
    /// Who hears what comes on the stream of the answer.
    pub peer: Arc<dyn Peer>,
    /// Stops while the client is asked something.
    pub clock: Arc<Clock>,
}

/// Who hears what a backend says of its own accord in a session.
#[derive(Debug, Clone)]
pub(super) enum Hearer {
    /// The gateway itself.
    Gateway,
    /// A client that is passed everything as it came.
    Inbox {
        /// Where it goes.
        inbox: Arc<dyn Inbox>,
        /// The session as other replicas know it, if they do.
        shared: Option<Arc<SharedBackend>>,
    },
    /// A client that the gateway speaks for.
    Client(OnBehalf),
}
