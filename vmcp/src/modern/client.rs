//! A client as backends with sessions see it, for as long as a session with them lasts: for one request, for those of
//! one user, or for a stream of what changes.

use super::call::CallPeer;
use super::listen::News;
use crate::backend::{Backend, Caller};
use crate::catalog::{self, Catalog, Interests};
use crate::egress::{OnBehalf, Peer, Question, Reply, Rounds};
use crate::jsonrpc::{ErrorObject, Id, code, raw, told};
use crate::offers::Kind;
use crate::stateless::tasks::NOTIFICATION;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use std::sync::Arc;

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    catalog: Arc<Catalog>,
    /// What backends may ask it for.
    capabilities: Arc<RawValue>,
    pub(super) interests: Arc<Interests>,
    /// Whoever it stood for last.
    caller: Mutex<Caller>,
    /// The requests that are under way at backends.
    calls: Mutex<Vec<Arc<CallPeer>>>,
    /// Where news of resources and tasks go.
    news: Option<News>,
}

impl Client {
    pub(super) fn new(catalog: Arc<Catalog>, caller: &Caller, capabilities: Arc<RawValue>, news: Option<News>) -> Self {
        Self {
            catalog,
            capabilities,
            interests: Arc::default(),
            caller: Mutex::new(caller.clone()),
            calls: Mutex::default(),
            news,
        }
    }

    /// Hears what `backend` says outside of requests, or without saying to which one it belongs.
    pub(super) fn peer(self: &Arc<Self>, backend: &Backend) -> Arc<dyn Peer> {
        Arc::new(SessionPeer { client: Arc::clone(self), backend: backend.name.clone() })
    }

    /// From now on it stands for `caller`.
    pub(super) fn stand_for(&self, caller: &Caller) {
        *self.caller.lock() = caller.clone();
    }

    /// A request is under way from now on.
    pub(super) fn begin(&self, call: &Arc<CallPeer>) {
        self.calls.lock().push(Arc::clone(call));
    }

    /// A request is not under way any more.
    pub(super) fn end(&self, call: &Arc<CallPeer>) {
        self.calls.lock().retain(|other| !Arc::ptr_eq(other, call));
    }

    /// The one request to `backend` that is under way and fits. Among several nobody knows which one is meant.
    fn only(&self, backend: &str, fits: impl Fn(&CallPeer) -> bool) -> Option<Arc<CallPeer>> {
        let calls = self.calls.lock();
        let mut found = calls.iter().filter(|call| call.backend == backend && fits(call));
        found.next().filter(|_| found.next().is_none()).cloned()
    }

    /// Takes what is of no single request. Returns the message if it is not such.
    pub(super) fn hear(&self, backend: &str, method: &str, message: Bytes) -> Option<Bytes> {
        let kinds: Vec<_> = Kind::changed_by(method).collect();
        if !kinds.is_empty() {
            let caller = self.caller.lock().clone();
            self.catalog.lists_changed_for(&caller, backend, &kinds);
            return None;
        }
        match method {
            "notifications/resources/updated" => {
                if let Some(news) = &self.news
                    && told(&message, "uri").is_some_and(|uri: String| self.interests.is_subscribed(&uri, backend))
                {
                    news.pass_on(&message);
                }
            }
            NOTIFICATION => {
                if let Some(news) = &self.news {
                    news.pass_on_of_task(backend, &message);
                }
            }
            _ => return Some(message),
        }
        None
    }
}

impl catalog::Client for Client {
    fn on_behalf(self: Arc<Self>, backend: &Arc<Backend>) -> OnBehalf {
        OnBehalf {
            capabilities: Arc::clone(&self.capabilities),
            client_info: None,
            rounds: Rounds::Client,
            shared: None,
            peer: self.peer(backend),
        }
    }
}

/// Hears what a backend says outside of requests, or without saying to which one it belongs.
#[derive(Debug)]
struct SessionPeer {
    client: Arc<Client>,
    backend: String,
}

impl Peer for SessionPeer {
    fn notified<'a>(&'a self, method: &'a str, message: Bytes) -> BoxFuture<'a, ()> {
        async move {
            let Some(message) = self.client.hear(&self.backend, method, message) else { return };
            let call = if method == "notifications/progress" {
                let token = told(&message, "progressToken").and_then(|token: Box<RawValue>| Id::parse(&token).ok());
                token.and_then(|token| self.client.only(&self.backend, |call| call.is_called(&token)))
            } else {
                self.client.only(&self.backend, |_| true)
            };
            // What belongs to no request has no place to go.
            if let Some(call) = call {
                call.tell(method, message).await;
            }
        }
        .boxed()
    }

    fn asked(self: Arc<Self>, question: Question) -> BoxFuture<'static, Reply> {
        if let Some(call) = self.client.only(&self.backend, |_| true) {
            return call.asked(question);
        }
        let error = ErrorObject::new(code::INVALID_REQUEST, "this client cannot be asked outside of a request");
        std::future::ready(Reply::Error(raw(&error))).boxed()
    }
}
