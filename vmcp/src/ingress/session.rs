//! One client session: what belongs to it while it lives, and its end.

use super::outbox::Outbox;
use super::replay::Streams;
use super::upstream::UpstreamSession;
use crate::backend::Principal;
use crate::jsonrpc::{Id, code};
use crate::replicas::{Letter, SessionStore, SharedSession, Signal};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Requests that one session may have under way.
const MAX_IN_FLIGHT: usize = 256;
/// How long the end of a session waits for requests that were told to stop.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// One client session.
#[derive(Debug)]
pub struct Session {
    /// Unguessable, in visible ASCII.
    pub id: String,
    /// Messages outside of any request.
    pub outbox: Arc<Outbox>,
    /// The streams of answers.
    pub(super) streams: Streams,
    /// The revision that was agreed on.
    revision: OnceLock<String>,
    /// Cancelled when the session ends; everything that belongs to it ends with it.
    pub ended: CancellationToken,
    pub(super) owner: Option<Principal>,
    /// When it was used at this replica.
    used_at: Mutex<Instant>,
    /// When another replica was last known to use it.
    used_elsewhere_at: Mutex<Option<Instant>>,
    in_flight: Mutex<HashMap<Id, CancellationToken>>,
    /// Counts them for whoever waits for their end.
    requests: TaskTracker,
    /// What answers the client; nothing before `initialize`.
    upstream: OnceLock<Arc<dyn UpstreamSession>>,
    /// Whether the store that replicas share has it, or had it.
    is_noted: AtomicBool,
    /// Held while this replica makes something of what another one has noted of the session.
    pub(super) restoring: tokio::sync::Mutex<()>,
}

/// Why a request cannot be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BusyError {
    /// The id of another request that is under way.
    #[error("the request id is in use by another request of this session")]
    IdInUse,
    /// The session's limit.
    #[error("this session has {MAX_IN_FLIGHT} requests under way, wait for one of them")]
    TooMany,
    /// The session has ended since the request named it.
    #[error("the session has ended")]
    Ended,
}

impl BusyError {
    /// The code of the error that tells a client.
    pub fn code(self) -> i64 {
        match self {
            Self::TooMany => code::OVERLOADED,
            Self::IdInUse | Self::Ended => code::INVALID_REQUEST,
        }
    }
}

impl Session {
    pub(super) fn new(id: String, owner: Option<Principal>, store: Option<&Arc<dyn SessionStore>>) -> Self {
        let shared = store.map(|store| Arc::new(SharedSession::new(id.clone(), Arc::clone(store))));
        let last_stream = shared.as_ref().map_or(0, |shared| shared.numbers());
        Self {
            id,
            outbox: Arc::new(Outbox::of(shared.clone())),
            streams: Streams::of(shared, last_stream),
            revision: OnceLock::new(),
            ended: CancellationToken::new(),
            owner,
            used_at: Mutex::new(Instant::now()),
            used_elsewhere_at: Mutex::default(),
            in_flight: Mutex::default(),
            requests: TaskTracker::new(),
            upstream: OnceLock::new(),
            is_noted: AtomicBool::new(false),
            restoring: tokio::sync::Mutex::default(),
        }
    }

    /// What answers the client, once there is something.
    pub fn upstream(&self) -> Option<&Arc<dyn UpstreamSession>> {
        self.upstream.get()
    }

    /// From now on `upstream` answers the client. The first one stays; a second one is given back.
    pub fn attach(&self, upstream: Arc<dyn UpstreamSession>) -> Result<(), Arc<dyn UpstreamSession>> {
        self.upstream.set(upstream)
    }

    /// The revision that the client speaks in this session, once it is agreed on.
    pub fn revision(&self) -> Option<&str> {
        self.revision.get().map(String::as_str)
    }

    /// Notes which revision was agreed on; it stays.
    pub(super) fn agree(&self, revision: &str) {
        let _ = self.revision.set(revision.to_owned());
    }

    /// Whether streams begin with an event without message: older clients take it for a message.
    pub(super) fn is_primed(&self) -> bool {
        self.revision() == Some("2025-11-25")
    }

    /// Notes that a request is under way, until the returned guard goes.
    pub fn begin(self: &Arc<Self>, id: &Id) -> Result<InFlight, BusyError> {
        let cancelled = self.ended.child_token();
        let mut in_flight = self.in_flight.lock();
        if self.ended.is_cancelled() {
            return Err(BusyError::Ended);
        }
        if in_flight.len() >= MAX_IN_FLIGHT {
            return Err(BusyError::TooMany);
        }
        if in_flight.contains_key(id) {
            return Err(BusyError::IdInUse);
        }
        in_flight.insert(id.clone(), cancelled.clone());
        let counted = self.requests.token();
        Ok(InFlight { session: Arc::clone(self), id: id.clone(), cancelled, _counted: counted })
    }

    /// Cancels a request that is under way, if it is, here or at another replica.
    pub fn cancel(&self, id: &Id) {
        if !self.cancel_here(id)
            && let Some(shared) = self.outbox.shared()
        {
            shared.signal(Signal::Cancelled(id.raw().get().to_owned()));
        }
    }

    fn cancel_here(&self, id: &Id) -> bool {
        let in_flight = self.in_flight.lock();
        let Some(cancelled) = in_flight.get(id) else { return false };
        cancelled.cancel();
        true
    }

    /// Takes what another replica tells of this session; its end is the caller's affair.
    pub(super) fn hear(&self, letter: &Letter) {
        let signal = &letter.signal;
        match signal {
            Signal::Cancelled(id) => {
                let id = serde_json::from_str(id).ok().and_then(|id| Id::parse(id).ok());
                if let Some(id) = id {
                    self.cancel_here(&id);
                }
            }
            Signal::Said(_) => self.outbox.shared().into_iter().for_each(|shared| shared.look()),
            Signal::Backend => self.outbox.shared().into_iter().for_each(|shared| shared.look_at_backends()),
            Signal::Reading(is_read) => self.outbox.hear_reading(&letter.from, *is_read),
            Signal::Answered(_) | Signal::Interest(_) | Signal::ListsChanged { .. } | Signal::Meanwhile { .. } => {
                if let Some(upstream) = self.upstream() {
                    upstream.hear(signal);
                }
            }
            Signal::Ended => {}
        }
    }

    /// Anything may have been told by another replica.
    pub(super) fn look(&self) {
        if let Some(shared) = self.outbox.shared() {
            shared.look();
            shared.look_at_backends();
        }
    }

    /// Looks whether another replica that serves the client's own stream is there.
    pub(super) async fn look_at_reader(&self) {
        if let Some(shared) = self.outbox.shared() {
            shared.look_at_reader().await;
        }
    }

    /// Stops what is under way, lets nothing begin any more, and then ends the sessions at backends: a request that
    /// outlived them would open new ones, which nobody would end.
    pub(super) async fn end(&self) {
        self.stop().await;
        if let Some(upstream) = self.upstream() {
            upstream.close().await;
        }
    }

    /// The same at a replica that ends, where others go on with the session.
    pub(super) async fn leave(&self) {
        self.stop().await;
        if let Some(upstream) = self.upstream() {
            upstream.leave().await;
        }
    }

    /// Stops what is under way, and lets nothing begin any more.
    async fn stop(&self) {
        {
            // Under the lock under which requests begin: they have begun before, or see that the session has ended.
            let _in_flight = self.in_flight.lock();
            self.ended.cancel();
        }
        self.requests.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.requests.wait()).await.is_err() {
            tracing::warn!("a session ended with requests under way");
        }
    }

    /// From now on the session lives as long as the store has it.
    pub(super) fn set_noted(&self) {
        self.is_noted.store(true, Ordering::Relaxed);
    }

    /// Whether the store has the session, or had it: one that is about to begin is nowhere else.
    pub(super) fn is_noted(&self) -> bool {
        self.is_noted.load(Ordering::Relaxed)
    }

    /// Keeps the session alive.
    pub fn touch(&self) {
        *self.used_at.lock() = Instant::now();
    }

    /// Notes that another replica uses the session.
    pub(super) fn is_used_elsewhere(&self) {
        *self.used_elsewhere_at.lock() = Some(Instant::now());
    }

    /// Whether nothing has happened here for so long.
    pub(super) fn is_idle(&self, time: Duration) -> bool {
        self.used_at.lock().elapsed() >= time && self.in_flight.lock().is_empty()
    }

    /// Whether nothing is known to have happened anywhere for so long.
    pub(super) fn is_idle_everywhere(&self, time: Duration) -> bool {
        let elsewhere = *self.used_elsewhere_at.lock();
        self.is_idle(time) && elsewhere.is_none_or(|at| at.elapsed() >= time)
    }
}

/// A request that is under way.
#[derive(Debug)]
pub struct InFlight {
    session: Arc<Session>,
    id: Id,
    /// Cancelled by the client or by the end of the session.
    pub cancelled: CancellationToken,
    _counted: TaskTrackerToken,
}

impl InFlight {
    /// The request's id.
    pub fn id(&self) -> &Id {
        &self.id
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.session.touch();
        self.session.in_flight.lock().remove(&self.id);
    }
}
