//! What stands behind the endpoint, as the HTTP side sees it: something that opens a session for each client, which
//! then answers that client's messages.
//!
//! There are two: the [`LegacyGateway`](crate::legacy::LegacyGateway), which answers from the catalog of all backends, and the
//! [`Relay`](crate::relay::Relay), which passes messages through to one backend.

use super::outbox::Outbox;
use crate::backend::Caller;
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, code, raw};
use crate::replicas::Signal;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::StatusCode;
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Opens sessions for clients.
pub trait Upstream: fmt::Debug + Send + Sync {
    /// The protocol revisions that clients may speak, newest first.
    fn revisions(&self) -> &'static [&'static str];

    /// Answers `initialize`. Messages for the client outside of its requests go to `outbox`.
    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        params: &'a RawValue,
        outbox: Arc<Outbox>,
    ) -> BoxFuture<'a, Result<Opened, Unopened>>;

    /// Goes on with a session that was opened at another replica, with these params of `initialize`.
    fn resume<'a>(
        &'a self,
        caller: &'a Caller,
        params: &'a RawValue,
        outbox: Arc<Outbox>,
    ) -> BoxFuture<'a, Result<Arc<dyn UpstreamSession>, Unresumed>> {
        Box::pin(async move { Ok(self.open(caller, params, outbox).await?.session) })
    }
}

/// A session, and the result of `initialize` that goes with it.
#[derive(Debug)]
pub struct Opened {
    /// The result for the client.
    pub result: Box<RawValue>,
    /// What answers the client from now on.
    pub session: Arc<dyn UpstreamSession>,
}

/// Why there is no session.
#[derive(Debug)]
pub struct Unopened {
    /// The status of the HTTP answer.
    pub status: StatusCode,
    /// The `error` member for the client.
    pub error: Box<RawValue>,
}

impl Unopened {
    /// The backend, or this side, could not open it.
    pub fn failed(error: &ErrorObject) -> Self {
        let overloaded = error.code == code::OVERLOADED;
        let status = if overloaded { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        Self { status, error: raw(error) }
    }

    /// The client's request is wrong.
    pub fn bad_request(error: &ErrorObject) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: raw(error) }
    }
}

/// Why a session of another replica does not go on.
#[derive(Debug)]
pub enum Unresumed {
    /// There is nothing to go on with, for this reason: the client has to start another session.
    Lost(Box<RawValue>),
    /// It may go on later. The `error` member for the client.
    ForNow(Box<RawValue>),
}

impl From<Unopened> for Unresumed {
    fn from(Unopened { status, error }: Unopened) -> Self {
        // What one replica has taken, another one may not know how to read.
        if status == StatusCode::BAD_REQUEST { Self::Lost(error) } else { Self::ForNow(error) }
    }
}

/// Answers the messages of one client.
pub trait UpstreamSession: fmt::Debug + Send + Sync {
    /// Answers a request. Messages that belong to it and come before its answer go to `messages`. Whoever drops the
    /// future cancels the request.
    fn answer<'a>(
        &'a self,
        caller: &'a Caller,
        call: &'a Call,
        messages: mpsc::Sender<Bytes>,
    ) -> BoxFuture<'a, Result<Reply, Unanswered>>;

    /// Takes a notification other than a cancellation, or the answer to a request that the client was sent. `message`
    /// is what the client wrote.
    fn take<'a>(&'a self, caller: &'a Caller, message: Bytes) -> BoxFuture<'a, Result<(), Unanswered>>;

    /// Takes what another replica tells of the session: an answer of the client, or what the client wants to hear of.
    fn hear(&self, _signal: &Signal) {}

    /// Ends the sessions at backends.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Leaves the sessions at backends to other replicas, and ends those that are of this one alone.
    fn leave(&self) -> BoxFuture<'_, ()> {
        self.close()
    }
}

/// A request within a session.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The params, as the client wrote them.
    pub params: Option<Box<RawValue>>,
}

/// Why a message has no answer of its own.
#[derive(Debug)]
pub enum Unanswered {
    /// The gateway answers with this error.
    Error(ErrorObject),
    /// The backend has lost the session: the client must start another one.
    SessionLost,
}

impl From<ErrorObject> for Unanswered {
    fn from(error: ErrorObject) -> Self {
        Self::Error(error)
    }
}
