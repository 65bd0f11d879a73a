//! What answers clients of the revisions without sessions, as the HTTP side sees it: each request by itself.

use super::Outbox;
use super::requests::Requests;
use crate::backend::Caller;
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, Id};
use crate::stateless::meta::RequestMeta;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;
use serde_json::value::RawValue;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Answers requests, each by itself.
pub trait Stateless: fmt::Debug + Send + Sync {
    /// The revisions that clients may start with, with and without sessions, newest first.
    fn revisions(&self) -> &[&'static str];

    /// Answers a request. Messages that belong to it and come before its answer go to `messages`. Whoever drops the
    /// future cancels the request.
    fn answer<'a>(
        &'a self,
        caller: &'a Caller,
        asked: &'a Asked,
        messages: mpsc::Sender<Bytes>,
    ) -> BoxFuture<'a, Result<Reply, ErrorObject>>;

    /// Opens a stream of what changes (`subscriptions/listen`).
    fn listen<'a>(&'a self, caller: &'a Caller, asked: &'a Asked) -> BoxFuture<'a, Result<Subscription, ErrorObject>>;

    /// Ends what is kept open at backends whenever it was not used for long. It does not return.
    fn reap(&self) -> BoxFuture<'_, ()>;

    /// Ends all that is kept open at backends.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A request that says of itself what it must, in headers as in the body.
#[derive(Debug)]
pub struct Asked {
    /// The client's id.
    pub id: Id,
    /// The method.
    pub method: String,
    /// The params, as the client wrote them.
    pub params: Box<RawValue>,
    /// What it says of itself.
    pub meta: RequestMeta,
    /// The headers in which it repeats arguments of a tool. The others are not kept: tokens are among them.
    pub arguments: HeaderMap,
}

/// A stream of what changes.
pub struct Subscription {
    /// Its first message: what the client will hear of.
    pub acknowledgement: Bytes,
    /// Everything after that.
    pub messages: Arc<Outbox>,
    /// The answer that ends it, when it is this side that does.
    pub end: Bytes,
    /// Nothing comes after the messages that are there when this is cancelled.
    pub over: CancellationToken,
    /// What it needs as long as the client reads.
    pub kept: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Subscription").field("acknowledgement", &self.acknowledgement).finish_non_exhaustive()
    }
}

/// How clients of the revisions without sessions are served.
#[derive(Debug)]
pub struct StatelessEndpoint {
    /// What answers them.
    pub gateway: Arc<dyn Stateless>,
    /// Their requests that are under way.
    pub requests: Requests,
}
