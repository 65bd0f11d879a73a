//! The client of one session, as backends may speak to it: what they say goes to the stream that the client reads, and
//! what they ask comes back to the one that asked.
//!
//! What belongs to a request goes to the stream of its answer. Everything else goes to the stream that the client opened
//! for it; while there is none, to the newest request to that backend; else it waits for a stream. Where replicas share the
//! session, stream and requests may be at any of them.

use super::call::{CallPeer, progress_of};
use super::questions::Questions;
use crate::backend::Backend;
use crate::capabilities::Capabilities;
use crate::catalog::{self, Catalog, Interests};
use crate::egress::{OnBehalf, Peer, Question, Reply, Rounds};
use crate::ingress::Outbox;
use crate::jsonrpc::{ErrorObject, Id, code, notification, raw, request, told};
use crate::offers::Kind;
use crate::replicas::{SharedSession, Signal};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::mpsc;

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    catalog: Arc<Catalog>,
    outbox: Arc<Outbox>,
    capabilities: Capabilities,
    /// What the client calls itself.
    info: Option<Arc<RawValue>>,
    pub(super) interests: Arc<Interests>,
    pub(super) questions: Questions,
    /// The requests that are under way at backends, the newest last.
    calls: Mutex<Vec<Arc<CallPeer>>>,
}

/// Where a client is told something.
#[derive(Debug, Clone)]
pub(super) enum Stream {
    /// On the stream of an answer.
    Answer(mpsc::Sender<Bytes>),
    /// On the stream for what concerns no request.
    Outbox(Arc<Outbox>),
    /// On the stream of the answer to a request to this backend that is under way at another replica.
    Elsewhere(Arc<SharedSession>, String),
}

impl Stream {
    /// Whether the client could be told.
    async fn tell(&self, message: Bytes) -> bool {
        match self {
            Self::Answer(messages) => messages.send(message).await.is_ok(),
            Self::Outbox(_) | Self::Elsewhere(..) => self.try_tell(message),
        }
    }

    /// Whether the client could be told at once.
    fn try_tell(&self, message: Bytes) -> bool {
        match self {
            Self::Answer(messages) => messages.try_send(message).is_ok(),
            Self::Outbox(outbox) => outbox.append(message),
            Self::Elsewhere(shared, backend) => {
                let message = std::str::from_utf8(&message).map(ToOwned::to_owned);
                message.is_ok_and(|message| {
                    shared.signal(Signal::Meanwhile { backend: backend.clone(), message });
                    true
                })
            }
        }
    }
}

impl Client {
    pub(super) fn new(
        catalog: Arc<Catalog>,
        outbox: Arc<Outbox>,
        capabilities: Capabilities,
        info: Option<Arc<RawValue>>,
    ) -> Self {
        let last_question = outbox.shared().map_or(0, |shared| shared.numbers());
        Self {
            catalog,
            outbox,
            capabilities,
            info,
            interests: Arc::default(),
            questions: Questions::after(last_question),
            calls: Mutex::default(),
        }
    }

    /// The session that other replicas know too, if they do.
    pub(super) fn shared(&self) -> Option<&Arc<SharedSession>> {
        self.outbox.shared()
    }

    /// Tells the client what concerns none of its requests, unless it waits to be told so already.
    pub(super) fn tell(&self, message: Bytes) {
        self.outbox.push(message);
    }

    /// A request is under way from now on.
    pub(super) fn begin(&self, call: &Arc<CallPeer>) {
        self.calls().push(Arc::clone(call));
    }

    /// A request is not under way any more.
    pub(super) fn end(&self, call: &Arc<CallPeer>) {
        self.calls().retain(|other| !Arc::ptr_eq(other, call));
    }

    fn calls(&self) -> parking_lot::MutexGuard<'_, Vec<Arc<CallPeer>>> {
        self.calls.lock()
    }

    /// The newest request to `backend` that is under way and `fits`.
    fn newest(&self, backend: &str, fits: impl Fn(&CallPeer) -> bool) -> Option<Arc<CallPeer>> {
        self.calls().iter().rev().find(|call| call.backend == backend && fits(call)).cloned()
    }

    /// Takes what is of no single request. Returns the message if it is not such.
    pub(super) fn hear(&self, backend: &str, method: &str, message: Bytes) -> Option<Bytes> {
        let kinds: Vec<_> = Kind::changed_by(method).collect();
        if !kinds.is_empty() {
            self.catalog.lists_changed(&self.interests, backend, &kinds);
            if let Some(shared) = self.shared() {
                shared.lists_changed(backend, method);
            }
            return None;
        }
        match method {
            "notifications/resources/updated" => {
                if told(&message, "uri").is_some_and(|uri: String| self.interests.is_subscribed(&uri, backend)) {
                    self.outbox.push(message);
                }
                None
            }
            "notifications/message" if self.interests.level().is_some_and(|level| !level.lets_through(&message)) => {
                None
            }
            _ => Some(message),
        }
    }

    /// Takes what another replica has heard of a backend that the client has a request under way to.
    pub(super) fn hear_meanwhile(&self, backend: &str, message: Bytes) {
        let token = progress_of(&message);
        if let Some(call) = self.newest(backend, |call| token.is_none() || call.token == token) {
            call.stream().try_tell(message);
        }
    }

    /// Asks the client on a stream what `backend` asks. Whoever drops the future takes the question back.
    pub(super) async fn ask(self: Arc<Self>, backend: &str, question: Question, stream: Stream) -> Reply {
        if let Err(error) = self.capabilities.check(&question) {
            return Reply::Error(raw(&error));
        }
        let (id, answer) = self.questions.open(backend, &question);
        let asked = request(&Id::from(id), &question.method, question.params.as_deref());
        let open = OpenQuestion { client: Arc::clone(&self), id, stream: stream.clone() };
        if !stream.tell(asked).await {
            return gone();
        }
        let reply = answer.await.unwrap_or_else(|_| gone());
        drop(open);
        reply
    }
}

fn gone() -> Reply {
    Reply::Error(raw(&ErrorObject::new(code::INTERNAL_ERROR, "the client has left before it answered")))
}

/// A question that the client is told to forget, unless it was answered before this is dropped.
struct OpenQuestion {
    client: Arc<Client>,
    id: u64,
    stream: Stream,
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        if self.client.questions.close(self.id) {
            let params =
                raw(&json!({ "requestId": self.id, "reason": "the server does not wait for the answer any more" }));
            let cancelled = notification("notifications/cancelled", Some(&params));
            if !self.stream.try_tell(cancelled.clone()) && matches!(self.stream, Stream::Answer(_)) {
                // The answer's stream has ended together with what the question was part of.
                self.client.outbox.append(cancelled);
            }
        }
    }
}

impl catalog::Client for Client {
    fn on_behalf(self: Arc<Self>, backend: &Arc<Backend>) -> OnBehalf {
        OnBehalf {
            capabilities: self.capabilities.passed_on(),
            client_info: self.info.clone(),
            rounds: Rounds::Gateway,
            shared: self.shared().map(|shared| Arc::new(shared.with(backend))),
            peer: Arc::new(SessionPeer { client: self, backend: backend.name.clone() }),
        }
    }
}

/// Hears what a backend says outside of requests, or without saying to which one it belongs.
#[derive(Debug)]
struct SessionPeer {
    client: Arc<Client>,
    backend: String,
}

impl SessionPeer {
    /// The stream of a request that may be under way at another replica.
    fn elsewhere(&self) -> Option<Stream> {
        self.client.shared().map(|shared| Stream::Elsewhere(Arc::clone(shared), self.backend.clone()))
    }
}

impl Peer for SessionPeer {
    fn notified<'a>(&'a self, method: &'a str, message: Bytes) -> BoxFuture<'a, ()> {
        async move {
            let client = &self.client;
            let Some(message) = client.hear(&self.backend, method, message) else { return };
            let outbox = || Some(Stream::Outbox(Arc::clone(&client.outbox)));
            let stream = if method == "notifications/progress" {
                let token = progress_of(&message);
                let call = client.newest(&self.backend, |call| token.is_some() && call.token == token);
                call.map(|call| call.stream()).or_else(|| self.elsewhere())
            } else if client.outbox.is_read() {
                outbox()
            } else {
                client.newest(&self.backend, |_| true).map(|call| call.stream()).or_else(outbox)
            };
            if let Some(stream) = stream {
                stream.tell(message).await;
            }
        }
        .boxed()
    }

    fn asked(self: Arc<Self>, question: Question) -> BoxFuture<'static, Reply> {
        async move {
            if let Some(call) = self.client.newest(&self.backend, |_| true) {
                return call.asked(question).await;
            }
            let outbox = self.client.outbox.is_read().then(|| Stream::Outbox(Arc::clone(&self.client.outbox)));
            let Some(stream) = outbox.or_else(|| self.elsewhere()) else {
                let message = "the client has no stream on which it could be asked";
                return Reply::Error(raw(&ErrorObject::new(code::INTERNAL_ERROR, message)));
            };
            Arc::clone(&self.client).ask(&self.backend, question, stream).await
        }
        .boxed()
    }
}
