//! What a backend was asked to tell for as long as its session lasts: news of resources, and log messages of a level.
//!
//! When the backend loses the session it is asked again in another one, also while the client asks for nothing: the client does not
//! know that anything was lost, and waits for news. A backend without sessions is another matter: its stream names what it tells.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio_util::task::AbortOnDropHandle;

use super::asking::Asking;
use super::error::{Cause, EgressError};
use super::gate::Gate;
use super::http_client::timed_out;
use super::lanes::Lane;
use super::news::News;
use super::pauses;
use super::transport::TransportSession;
use crate::backend::{Backend, Caller};
use crate::jsonrpc::Object;

/// How long to wait before a backend is asked again; each attempt in vain doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long the backend may take for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many requests are under way at once.
const AT_ONCE: usize = 8;

/// The requests of one session that hold for as long as it lasts.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    requests: Requests,
    _keeper: AbortOnDropHandle<()>,
}

/// By what they are about, which is a resource, or nothing.
type Requests = Arc<Mutex<BTreeMap<Option<String>, Request>>>;

#[derive(Debug, Clone)]
struct Request {
    method: &'static str,
    params: Box<RawValue>,
}

/// The session whose requests hold.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) transport: &'a Arc<TransportSession>,
    pub(super) news: &'a Arc<News>,
    pub(super) backend: &'a Arc<Backend>,
    pub(super) gate: &'a Arc<dyn Gate>,
    pub(super) lane: &'a Lane,
    /// Whoever used the session last.
    pub(super) caller: &'a Arc<Mutex<Caller>>,
}

impl Standing {
    /// Whether requests of this method hold, or end one that did.
    pub(super) fn concerns(method: &str) -> bool {
        matches!(method, "resources/subscribe" | "resources/unsubscribe" | "logging/setLevel")
    }

    /// Notes a request that the backend has agreed to.
    pub(super) fn note(&self, session: &Session<'_>, asking: &Asking<'_>) {
        let Some(params) = asking.params else { return };
        let uri = Object::parse(params, "params", &["uri"]).and_then(|params| params.string("uri")).ok().flatten();
        let method = match asking.method {
            "resources/subscribe" => "resources/subscribe",
            "logging/setLevel" => "logging/setLevel",
            _ => {
                if let Some(kept) = &*self.0.lock() {
                    kept.requests.lock().remove(&uri);
                }
                return;
            }
        };
        let mut kept = self.0.lock();
        let kept = kept.get_or_insert_with(|| Kept::of(session));
        kept.requests.lock().insert(uri, Request { method, params: params.to_owned() });
    }

    /// The session ends: nothing holds any more.
    pub(super) fn end(&self) {
        self.0.lock().take();
    }
}

impl Kept {
    fn of(session: &Session<'_>) -> Self {
        let requests = Requests::default();
        // What was lost before, nothing was asked in.
        let _ = session.news.lost().now_or_never();
        let keeper = Keeper {
            requests: Arc::clone(&requests),
            transport: Arc::downgrade(session.transport),
            news: Arc::clone(session.news),
            backend: Arc::clone(session.backend),
            gate: Arc::clone(session.gate),
            lane: session.lane.clone(),
            caller: Arc::clone(session.caller),
        };
        Self { requests, _keeper: AbortOnDropHandle::new(tokio::spawn(keeper.run())) }
    }
}

/// Asks again.
struct Keeper {
    requests: Requests,
    transport: Weak<TransportSession>,
    news: Arc<News>,
    backend: Arc<Backend>,
    gate: Arc<dyn Gate>,
    lane: Lane,
    caller: Arc<Mutex<Caller>>,
}

impl Keeper {
    async fn run(self) {
        loop {
            self.news.lost().await;
            for failures in 0.. {
                let pause = pauses::after(failures, FIRST_PAUSE);
                // All clients of a backend that was started anew come back: not all at once.
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                match self.ask_again().await {
                    Ok(()) => break,
                    // The next request of the client brings other credentials, and tells what it wants to hear.
                    Err(error) if error.cause() == Cause::Unauthorized => break,
                    Err(error) => {
                        tracing::debug!(backend = self.backend.name, %error, "nobody tells a client what it wants to hear");
                    }
                }
            }
        }
    }

    async fn ask_again(&self) -> Result<(), EgressError> {
        let Some(transport) = self.transport.upgrade() else { return Ok(()) };
        if self.gate.is_shut(&self.backend) {
            return Err(EgressError::new(Cause::CircuitOpen, "the circuit breaker is open"));
        }
        let caller = self.caller.lock().clone();
        let requests: Vec<_> = self.requests.lock().values().cloned().collect();
        let ask = |Request { method, params }: Request| {
            let (transport, caller, lane) = (&transport, &caller, &self.lane);
            async move {
                let _place = lane.enter()?;
                let asking = Asking::new(method, Some(&params));
                let answer = tokio::time::timeout(PATIENCE, transport.request(caller, &asking, None)).await;
                // A refusal is an answer.
                answer.unwrap_or_else(|_| Err(timed_out(PATIENCE))).map(drop)
            }
        };
        stream::iter(requests).map(ask).buffer_unordered(AT_ONCE).try_collect().await
    }
}
