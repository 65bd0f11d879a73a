//! Sessions of one server: who is connected, with which revision, and how to reach them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use crate::wire::server_sent_event;
use crate::world::ProtocolVersion;

/// Sessions that a server keeps; beyond that the one that was silent for longest ends.
const MOST_SESSIONS: usize = 10_000;
/// Request ids that a session remembers to refuse repetitions.
const MOST_IDS: usize = 8192;
/// Messages that wait for a slow reader of a stream; further ones are lost, as on a connection that broke.
const STREAM_BUFFER: usize = 256;
/// Open streams of one session; a further one ends the oldest.
const MOST_STREAMS: usize = 8;

/// All sessions of a server.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

/// One session.
pub(super) struct Session {
    pub(super) id: String,
    /// The subject of the token with which it began.
    subject: Option<String>,
    state: Mutex<State>,
}

struct State {
    /// What `initialize` agreed on; `None` before.
    version: Option<ProtocolVersion>,
    /// Whether the client has confirmed with `notifications/initialized`.
    confirmed: bool,
    ids: HashSet<String>,
    streams: Vec<mpsc::Sender<Bytes>>,
    last_used: Instant,
}

impl Sessions {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session for `subject`.
    pub(super) fn begin(&self, subject: Option<String>) -> Arc<Session> {
        let state = State {
            version: None,
            confirmed: false,
            ids: HashSet::new(),
            streams: Vec::new(),
            last_used: Instant::now(),
        };
        let session = Arc::new(Session { id: Uuid::new_v4().to_string(), subject, state: Mutex::new(state) });
        let mut all = self.all();
        if all.len() >= MOST_SESSIONS {
            let idlest = all.values().min_by_key(|session| session.state().last_used).map(|session| session.id.clone());
            if let Some(ended) = idlest.and_then(|id| all.remove(&id)) {
                ended.close();
                tracing::warn!("a server has {MOST_SESSIONS} sessions: the one that was silent for longest ends");
            }
        }
        all.insert(session.id.clone(), Arc::clone(&session));
        session
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.all().get(id).cloned()?;
        session.state().last_used = Instant::now();
        Some(session)
    }

    /// Ends a session and its streams; `false` when there is none of that name.
    pub(super) fn end(&self, id: &str) -> bool {
        let ended = self.all().remove(id);
        ended.inspect(|session| session.close()).is_some()
    }

    pub(super) fn end_all(&self) {
        for (_, session) in self.all().drain() {
            session.close();
        }
    }

    /// Sends a message to each session on one of its streams.
    pub(super) fn notify(&self, message: &Value) {
        for session in self.all().values() {
            session.send(message);
        }
    }
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.state().version
    }

    pub(super) fn agree_on(&self, version: ProtocolVersion) {
        self.state().version = Some(version);
    }

    /// Takes a notification of the client.
    pub(super) fn notified(&self, method: &str) {
        if method == "notifications/initialized" {
            self.state().confirmed = true;
        }
    }

    /// Whether the client has confirmed the handshake.
    pub(super) fn is_confirmed(&self) -> bool {
        self.state().confirmed
    }

    /// Whether the session began with the token of another subject.
    pub(super) fn belongs_to_another(&self, subject: Option<&str>) -> bool {
        self.subject.as_deref() != subject
    }

    /// Notes a request id; `false` when the session has seen it before, which the specification forbids.
    pub(super) fn first_use(&self, id: &Value) -> bool {
        let mut state = self.state();
        state.ids.len() >= MOST_IDS || state.ids.insert(id.to_string())
    }

    /// Opens a stream from server to client.
    pub(super) fn open_stream(&self) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(STREAM_BUFFER);
        let mut state = self.state();
        state.streams.retain(|stream| !stream.is_closed());
        if state.streams.len() >= MOST_STREAMS {
            state.streams.remove(0);
        }
        state.streams.push(sender);
        receiver
    }

    /// Sends an event on the newest open stream, and on no other; `false` when there is none.
    pub(super) fn send_event(&self, event: &Bytes) -> bool {
        self.state().streams.iter().rev().any(|stream| stream.try_send(event.clone()).is_ok())
    }

    /// Sends a message on the newest open stream.
    pub(super) fn send(&self, message: &Value) -> bool {
        self.send_event(&server_sent_event("message", &message.to_string()))
    }

    fn close(&self) {
        self.state().streams.clear();
    }
}
