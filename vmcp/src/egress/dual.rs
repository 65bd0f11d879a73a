//! A session over HTTP with a server that keeps sessions or does not, whichever it turns out to be.
//!
//! The server is asked once for the revisions that it speaks, for all sessions with its endpoint. A refusal as servers of the other
//! era give it makes the gateway ask again, and send the request in the other way: it was not executed.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::task::TaskTracker;

use super::asking::{Answered, Asking};
use super::discover::{Discovered, learn};
use super::era::{Endpoint, Era, Learned};
use super::error::EgressError;
use super::exchange::Exchange;
use super::news::News;
use super::peer::Hearing;
use super::session::Reply;
use super::stateless::Stateless;
use super::streamable::Streamable;
use super::transport::{Cancellation, Until};
use crate::backend::Caller;
use crate::jsonrpc::{self, code};

/// One session.
#[derive(Debug)]
pub(super) struct Dual {
    exchange: Arc<Exchange>,
    news: Arc<News>,
    endpoint: Arc<Endpoint>,
    /// In which way the session was used last.
    used: Mutex<Option<Era>>,
    /// The way with a handshake. A client that brings its own uses it alone.
    pub(super) streamable: Streamable,
    stateless: Stateless,
}

impl Dual {
    pub(super) fn new(exchange: Exchange, news: Arc<News>, endpoint: Arc<Endpoint>) -> Self {
        let exchange = Arc::new(exchange);
        Self {
            streamable: Streamable::new(Arc::clone(&exchange), Arc::clone(&news)),
            stateless: Stateless::new(Arc::clone(&exchange), Arc::clone(&news), Arc::clone(&endpoint)),
            exchange,
            news,
            endpoint,
            used: Mutex::default(),
        }
    }

    /// Answers a request; `hearing` is its client's. `cancellation` makes what is dropped when nobody waits for the answer any more.
    pub(super) async fn request(
        &self,
        caller: &Caller,
        asking: &Asking<'_>,
        hearing: Option<&Hearing>,
        cancellation: impl Fn(u64) -> Cancellation,
    ) -> Result<Reply, EgressError> {
        let learned = self.learned(caller).await?;
        if asking.method == "ping" && matches!(learned, Learned::JustNow(Discovered::Stateless(_))) {
            // The server has answered a moment ago.
            return Ok(Reply::Result(jsonrpc::raw(&serde_json::json!({}))));
        }
        let first = self.attempt(learned.era(), caller, asking, hearing, &cancellation).await;
        let is_refusal = match &first {
            Ok(answered) => answered.other_era,
            // Headers that do not fit the body are a matter of the one era.
            Err(error) => error.is_unexecuted() && error.code() != Some(code::HEADER_MISMATCH),
        };
        let other = if is_refusal { self.otherwise(&learned, caller).await } else { None };
        let outcome = match other {
            Some(other) => self.attempt(other, caller, asking, hearing, &cancellation).await,
            None => first.inspect(|answered| self.proved(&learned, !answered.other_era)),
        };
        outcome.map(|answered| answered.reply)
    }

    /// Opens the session as far as there is something to open: from then on it is known what the backend offers.
    pub(super) async fn open(&self, caller: &Caller) -> Result<(), EgressError> {
        let learned = self.learned(caller).await?;
        let first = self.open_as(learned.era(), caller).await;
        let is_refusal = first.as_ref().is_err_and(EgressError::is_unexecuted);
        let other = if is_refusal { self.otherwise(&learned, caller).await } else { None };
        match other {
            Some(other) => self.open_as(other, caller).await,
            None => first.inspect(|()| self.proved(&learned, true)),
        }
    }

    /// Opens the backend's own stream, and waits until the backend has offered or refused that.
    pub(super) async fn listen(&self, caller: &Caller) {
        // What keeps the server from being asked, the next request will say.
        match self.learned(caller).await.map(|learned| learned.era()) {
            Ok(Era::Sessions) => self.streamable.listen(caller).await,
            Ok(Era::Stateless) => self.stateless.listen(caller).await,
            Err(_) => {}
        }
    }

    /// Has the backend tell how these tasks fare. Returns those of which it has agreed to tell; with sessions there are no tasks.
    pub(super) async fn follow_tasks(
        &self,
        caller: &Caller,
        tasks: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, EgressError> {
        match self.learned(caller).await?.era() {
            Era::Sessions => Ok(BTreeSet::new()),
            Era::Stateless => self.stateless.follow_tasks(caller, tasks).await,
        }
    }

    /// Has the backend tell the news of these resources, all at once. Returns those of which it has agreed to tell; nothing where it keeps
    /// sessions: there each is asked for by itself.
    pub(super) async fn follow_resources(
        &self,
        caller: &Caller,
        uris: BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, EgressError> {
        match self.learned(caller).await?.era() {
            Era::Sessions => Ok(None),
            Era::Stateless => self.stateless.follow_resources(caller, uris).await.map(Some),
        }
    }

    /// Sends a notification within the current session, if there is one.
    pub(super) async fn notify(&self, caller: &Caller, message: Bytes) -> Result<(), EgressError> {
        self.streamable.notify(caller, message).await
    }

    /// What tells the backend that requests are cancelled.
    pub(super) fn cancellations(&self) -> &TaskTracker {
        &self.exchange.cancellations
    }

    /// Ends the session.
    pub(super) async fn close(&self, caller: &Caller) {
        self.stateless.close();
        self.streamable.close(caller).await;
    }

    /// Leaves the session to other replicas, as far as they know it.
    pub(super) async fn leave(&self, caller: &Caller, until: Until) {
        self.stateless.close();
        self.streamable.leave(caller, until).await;
    }

    async fn attempt(
        &self,
        era: Era,
        caller: &Caller,
        asking: &Asking<'_>,
        hearing: Option<&Hearing>,
        cancellation: &impl Fn(u64) -> Cancellation,
    ) -> Result<Answered, EgressError> {
        match era {
            Era::Stateless => self.stateless.request(caller, asking, hearing).await,
            Era::Sessions => {
                let peer = hearing.map(|hearing| &hearing.peer);
                self.streamable.request(caller, asking.method, asking.params, peer, cancellation).await
            }
        }
    }

    async fn open_as(&self, era: Era, caller: &Caller) -> Result<(), EgressError> {
        match era {
            Era::Stateless => self.stateless.open(caller).await,
            Era::Sessions => self.streamable.open(caller).await,
        }
    }

    /// The era of the server, asked for if it is not known.
    async fn learned(&self, caller: &Caller) -> Result<Learned, EgressError> {
        let learned = learn(&self.endpoint, &self.exchange, caller).await?;
        self.turn_to(learned.era());
        if let Learned::JustNow(Discovered::Stateless(Some(agreed))) = &learned {
            self.stateless.met(caller, agreed.clone());
        }
        Ok(learned)
    }

    /// Leaves what the session has in the other era behind.
    fn turn_to(&self, era: Era) {
        let before = self.used.lock().replace(era);
        if before.is_some_and(|before| before != era) {
            tracing::info!(backend = self.exchange.backend.name, ?era, "the server speaks other revisions now");
            self.news.forget();
            match era {
                Era::Sessions => self.stateless.close(),
                Era::Stateless => self.streamable.abandon(),
            }
        }
    }

    /// A request has shown that the server is of the era that its own answer did not prove.
    fn proved(&self, learned: &Learned, by_success: bool) {
        if by_success && matches!(learned, Learned::JustNow(Discovered::Unclear)) {
            self.endpoint.is(learned.era());
        }
    }

    /// The other era, if the server says that it is one of it now.
    async fn otherwise(&self, learned: &Learned, caller: &Caller) -> Option<Era> {
        // It has just said what it is.
        let Learned::Before(era) = *learned else { return None };
        self.endpoint.doubt(era);
        let now = self.learned(caller).await.ok()?.era();
        (now != era).then_some(now)
    }
}
