//! Sessions with a backend that belong to one client: the handshake is the client's, what the client sends goes
//! through, and what the backend says of its own accord goes to the client.

use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};

use super::error::EgressError;
use super::failure::Failure;
use super::gate::NoGate;
use super::http_client::timed_out;
use super::lanes::Lane;
use super::news::News;
use super::peer::Hearer;
use super::session::{Egress, Reply};
use super::transport::{Cancellation, TransportSession, Until};
use crate::backend::{Backend, Caller};
use crate::replicas::{Away, SharedBackend};

/// Takes what a backend says outside of the answer to a request.
pub trait Inbox: fmt::Debug + Send + Sync {
    /// Takes a request or a notification of the backend, as it came.
    fn deliver(&self, message: Bytes);
}

/// One client's session with one backend. Unlike a [`BackendSession`](super::BackendSession) it is never opened again
/// by itself: a backend that has lost it wants to hear the client's handshake again.
#[derive(Debug)]
pub struct RelayedSession {
    lane: Lane,
    transport: Arc<TransportSession>,
    settings: watch::Sender<Arc<Backend>>,
    /// Whoever used the session last: the session is ended in their name.
    caller: Mutex<Caller>,
}

impl Egress {
    /// A session of `caller` with `backend`, whose messages go to `inbox`; `shared` is what other replicas know it by, if they do.
    /// Nothing is sent before [`initialize`](RelayedSession::initialize).
    pub fn relay(
        &self,
        backend: &Arc<Backend>,
        caller: &Caller,
        inbox: Arc<dyn Inbox>,
        shared: Option<SharedBackend>,
    ) -> RelayedSession {
        let settings = watch::Sender::new(Arc::clone(backend));
        let (hearer, gate) = (Hearer::Inbox { inbox, shared: shared.map(Arc::new) }, Arc::new(NoGate));
        let transport = self.transport(backend, settings.subscribe(), gate, hearer, Arc::new(News::new()));
        RelayedSession { lane: self.lane(backend), transport, settings, caller: Mutex::new(caller.clone()) }
    }
}

impl RelayedSession {
    /// From now on requests carry the headers and credentials that `backend` has now. Its URL and transport stay.
    pub fn update(&self, backend: &Arc<Backend>) {
        self.settings.send_if_modified(|current| {
            let changed = current.identity != backend.identity;
            if changed {
                *current = Arc::clone(backend);
            }
            changed
        });
    }

    /// Opens the session with the client's own params of `initialize`, and returns what the backend answers.
    pub async fn initialize(
        &self,
        caller: &Caller,
        params: &RawValue,
        timeout: Duration,
    ) -> Result<Reply, EgressError> {
        let _place = self.lane.enter()?;
        let opened = async {
            match &*self.transport {
                TransportSession::Http(session) => session.streamable.open_for_client(caller, params).await,
                TransportSession::HttpSse(session) => session.open_for_client(caller, params).await,
            }
        };
        tokio::time::timeout(timeout, opened).await.unwrap_or_else(|_| Err(timed_out(timeout)))
    }

    /// Goes on with the session that another replica has opened. Returns whether there is one.
    pub async fn resume(&self, caller: &Caller) -> Result<bool, Away> {
        match &*self.transport {
            TransportSession::Http(session) => session.streamable.resume_for_client(caller).await,
            // It is its stream, which nobody else has.
            TransportSession::HttpSse(_) => Ok(false),
        }
    }

    /// Sends a request and waits for its answer, at most `timeout` in all, unless too many requests to the backend are under way. What the backend says on the stream of that
    /// answer goes to `messages`. When the time is up, or the future is dropped, the backend is told that the request
    /// is cancelled.
    pub async fn request(
        &self,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        messages: &mpsc::Sender<Bytes>,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let _place = self.lane.enter()?;
        self.used_by(caller);
        let cancellation = |id| Cancellation::of(&self.transport, caller, id);
        let request = async {
            match &*self.transport {
                TransportSession::Http(session) => {
                    session.streamable.request_of_client(caller, method, params, messages, cancellation).await
                }
                TransportSession::HttpSse(session) => {
                    session.request_of_client(caller, method, params, cancellation).await
                }
            }
        };
        tokio::time::timeout(timeout, request).await.unwrap_or_else(|_| Err(Failure::Other(timed_out(timeout))))
    }

    /// Sends a notification or the answer to a request of the backend, as it is, within `timeout`.
    pub async fn send(&self, caller: &Caller, message: Bytes, timeout: Duration) -> Result<(), Failure> {
        self.used_by(caller);
        let sent = async {
            match &*self.transport {
                TransportSession::Http(session) => session.streamable.send_of_client(caller, message).await,
                TransportSession::HttpSse(session) => session.send_of_client(caller, message).await,
            }
        };
        tokio::time::timeout(timeout, sent).await.unwrap_or_else(|_| Err(Failure::Other(timed_out(timeout))))
    }

    /// Ends the session at the backend, if there is one.
    pub async fn close(&self) {
        let caller = self.caller.lock().clone();
        self.transport.close(&caller).await;
    }

    /// Leaves the session to other replicas; one that they do not know ends.
    pub async fn leave(&self) {
        let caller = self.caller.lock().clone();
        self.transport.leave(&caller, Until::End).await;
    }

    fn used_by(&self, caller: &Caller) {
        *self.caller.lock() = caller.clone();
    }
}
