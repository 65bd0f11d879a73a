//! One request of a client that is under way at a backend, which may speak to the client meanwhile.

use super::client::{Client, Stream};
use crate::backend::Backend;
use crate::catalog::Conversation;
use crate::egress::{Clock, Hearing, Peer, Question, Reply};
use crate::jsonrpc::{Id, Object, told};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::value::RawValue;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// A request, before it is known to which backend it goes.
pub(super) struct Call<'a> {
    client: &'a Arc<Client>,
    messages: mpsc::Sender<Bytes>,
    token: Option<Id>,
    peer: OnceLock<Arc<CallPeer>>,
}

impl<'a> Call<'a> {
    /// A request of `client` with these params, the stream of whose answer takes `messages`.
    pub(super) fn new(client: &'a Arc<Client>, params: &Object<'_>, messages: mpsc::Sender<Bytes>) -> Self {
        let token = params.field("_meta").and_then(token_of_meta);
        Self { client, messages, token, peer: OnceLock::new() }
    }
}

impl Conversation for Call<'_> {
    fn with(&self, backend: &Arc<Backend>) -> Hearing {
        let peer = self.peer.get_or_init(|| {
            let peer = Arc::new(CallPeer {
                client: Arc::clone(self.client),
                backend: backend.name.clone(),
                messages: self.messages.clone(),
                clock: Clock::start(),
                token: self.token.clone(),
            });
            self.client.begin(&peer);
            peer
        });
        Hearing { declared: None, peer: Arc::<CallPeer>::clone(peer), clock: Arc::clone(&peer.clock) }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(peer) = self.peer.get() {
            self.client.end(peer);
        }
    }
}

/// What the sender of these params calls the progress of its request, if it wants to hear of it.
pub(super) fn progress_token(params: &RawValue) -> Option<Id> {
    let params = Object::parse(params, "params", &["_meta"]).ok()?;
    params.field("_meta").and_then(token_of_meta)
}

/// Whose progress a notification tells, if it tells any.
pub(super) fn progress_of(message: &[u8]) -> Option<Id> {
    told(message, "progressToken").and_then(|token: Box<RawValue>| Id::parse(&token).ok())
}

fn token_of_meta(meta: &RawValue) -> Option<Id> {
    let meta = Object::parse(meta, "params._meta", &["progressToken"]).ok()?;
    meta.field("progressToken").and_then(|token| Id::parse(token).ok())
}

/// A request that is under way at a backend.
#[derive(Debug)]
pub(super) struct CallPeer {
    client: Arc<Client>,
    pub(super) backend: String,
    messages: mpsc::Sender<Bytes>,
    clock: Arc<Clock>,
    /// What its progress is called.
    pub(super) token: Option<Id>,
}

impl CallPeer {
    /// The stream of the answer.
    pub(super) fn stream(&self) -> Stream {
        Stream::Answer(self.messages.clone())
    }
}

impl Peer for CallPeer {
    fn notified<'a>(&'a self, method: &'a str, message: Bytes) -> BoxFuture<'a, ()> {
        async move {
            if let Some(message) = self.client.hear(&self.backend, method, message) {
                // A client that does not wait for the answer is not told what comes before it.
                let _ = self.messages.send(message).await;
            }
        }
        .boxed()
    }

    fn asked(self: Arc<Self>, question: Question) -> BoxFuture<'static, Reply> {
        async move {
            let _paused = self.clock.pause();
            Arc::clone(&self.client).ask(&self.backend, question, self.stream()).await
        }
        .boxed()
    }
}
