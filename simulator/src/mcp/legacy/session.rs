//! One session: what was agreed on, how to reach the client, what is being done for it, and what it was asked.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::replay::EventId;
use super::streams::{Outlet, Streams};
use crate::mcp::content::Capability;
use crate::world::{Announcement, LogLevel, ProtocolVersion};

/// Request ids that a session remembers to refuse repetitions.
const MOST_IDS: usize = 8192;
/// Requests of one session that are being answered.
const MOST_CALLS: usize = 256;
/// Resources to which one session is subscribed; further subscriptions are refused.
const MOST_SUBSCRIPTIONS: usize = 1024;

/// One session.
pub(in crate::mcp) struct Session {
    pub(super) id: String,
    /// Whether it lasts for one request only: the server keeps none.
    pub(super) is_passing: bool,
    /// The subject of the token with which it began.
    subject: Option<String>,
    /// Stops what is being done for it.
    pub(super) end: CancellationToken,
    state: Mutex<State>,
}

struct State {
    /// What `initialize` agreed on; `None` before.
    version: Option<ProtocolVersion>,
    /// What the client said at `initialize` that it can do.
    capabilities: Map<String, Value>,
    /// Whether the client has confirmed with `notifications/initialized`.
    confirmed: bool,
    /// The least level of log messages that the client wants; all until it says so.
    level: LogLevel,
    subscriptions: HashSet<String>,
    ids: HashSet<String>,
    /// What is being done, by request id.
    calls: HashMap<String, CancellationToken>,
    /// What the client was asked and has not answered, by request id.
    questions: HashMap<String, oneshot::Sender<Response>>,
    next_question: u64,
    streams: Streams,
    last_used: Instant,
}

/// A client's response: its result, or its error.
pub(super) type Response = Result<Value, Value>;

impl Session {
    pub(super) fn new(subject: Option<String>, resumable: bool) -> Self {
        let state = State {
            version: None,
            capabilities: Map::new(),
            confirmed: false,
            level: LogLevel::Debug,
            subscriptions: HashSet::new(),
            ids: HashSet::new(),
            calls: HashMap::new(),
            questions: HashMap::new(),
            next_question: 0,
            streams: Streams::new(resumable),
            last_used: Instant::now(),
        };
        Self {
            id: Uuid::new_v4().to_string(),
            is_passing: false,
            subject,
            end: CancellationToken::new(),
            state: Mutex::new(state),
        }
    }

    /// A session for one request to a server that keeps none.
    pub(super) fn passing(subject: Option<String>, version: ProtocolVersion) -> Self {
        let session = Self { is_passing: true, ..Self::new(subject, false) };
        session.agree_on(version, Map::new());
        session.state().confirmed = true;
        session
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn last_used(&self) -> Instant {
        self.state().last_used
    }

    pub(super) fn touch(&self) {
        self.state().last_used = Instant::now();
    }

    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.state().version
    }

    pub(super) fn agree_on(&self, version: ProtocolVersion, capabilities: Map<String, Value>) {
        let mut state = self.state();
        state.version = Some(version);
        state.capabilities = capabilities;
    }

    /// Whether the client has confirmed the handshake.
    pub(super) fn is_confirmed(&self) -> bool {
        self.state().confirmed
    }

    /// Whether the session began with the token of another subject.
    pub(super) fn belongs_to_another(&self, subject: Option<&str>) -> bool {
        self.subject.as_deref() != subject
    }

    /// Whether the client can be asked such a thing.
    pub(super) fn has_declared(&self, capability: Capability) -> bool {
        capability.is_declared(&self.state().capabilities)
    }

    /// Notes a request id; `false` when the session has seen it before, which the specification forbids.
    pub(super) fn first_use(&self, id: &Value) -> bool {
        let mut state = self.state();
        state.ids.len() >= MOST_IDS || state.ids.insert(id.to_string())
    }

    /// Takes a notification of the client.
    pub(super) fn notified(&self, method: &str, params: &Map<String, Value>) {
        match method {
            "notifications/initialized" => self.state().confirmed = true,
            "notifications/cancelled" => {
                let call = params.get("requestId").and_then(|id| self.state().calls.get(&id.to_string()).cloned());
                if let Some(call) = call {
                    call.cancel();
                }
            }
            _ => {}
        }
    }

    /// Takes a response of the client; one to a question that was not asked is ignored.
    pub(super) fn answered(&self, id: Option<&Value>, response: Response) {
        let asker = id.and_then(|id| self.state().questions.remove(&id.to_string()));
        if let Some(asker) = asker {
            // The call that asked may have ended.
            let _heard = asker.send(response);
        }
    }

    /// Asks the client; the response comes out of what is returned, which fails when nobody can hear the question.
    pub(super) fn ask(&self, outlet: Outlet, method: &str, params: &Map<String, Value>) -> oneshot::Receiver<Response> {
        let (asker, response) = oneshot::channel();
        let mut state = self.state();
        // Questions whose calls have ended are forgotten here, so that those of running calls alone are kept.
        state.questions.retain(|_, asker| !asker.is_closed());
        state.next_question += 1;
        let id = Value::from(format!("server-{}", state.next_question));
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        if state.streams.send(outlet, &message.to_string()) {
            state.questions.insert(id.to_string(), asker);
        }
        response
    }

    /// Notes that a request is being answered; what is returned stops that. `None`: there are too many.
    pub(super) fn begin_call(&self, id: &Value) -> Option<CancellationToken> {
        let mut state = self.state();
        if state.calls.len() >= MOST_CALLS {
            return None;
        }
        let call = self.end.child_token();
        state.calls.insert(id.to_string(), call.clone());
        Some(call)
    }

    pub(super) fn end_call(&self, id: &Value) {
        self.state().calls.remove(&id.to_string());
    }

    /// Whether the client wants log messages of this level.
    pub(super) fn wants(&self, level: LogLevel) -> bool {
        level >= self.state().level
    }

    pub(super) fn set_level(&self, level: LogLevel) {
        self.state().level = level;
    }

    /// Subscribes to a resource; `false` when there are too many.
    pub(super) fn subscribe(&self, uri: &str) -> bool {
        let mut state = self.state();
        let has_room = state.subscriptions.len() < MOST_SUBSCRIPTIONS || state.subscriptions.contains(uri);
        if has_room {
            state.subscriptions.insert(uri.to_owned());
        }
        has_room
    }

    pub(super) fn unsubscribe(&self, uri: &str) {
        self.state().subscriptions.remove(uri);
    }

    /// Tells the client about a change, if it is one that it wants to know of.
    pub(super) fn announce(&self, announcement: &Announcement) {
        let mut state = self.state();
        let message = match announcement {
            Announcement::Resource(uri) => {
                if !state.subscriptions.contains(uri) {
                    return;
                }
                json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}})
            }
            Announcement::Tools => json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}),
            Announcement::Prompts => json!({"jsonrpc": "2.0", "method": "notifications/prompts/list_changed"}),
            Announcement::Resources => json!({"jsonrpc": "2.0", "method": "notifications/resources/list_changed"}),
        };
        // Who reads no stream misses it.
        let _heard = state.streams.send(Outlet::General, &message.to_string());
    }

    /// Whether streams begin with an event that says where to resume (2025-11-25).
    fn primes(state: &State) -> bool {
        state.version >= Some(ProtocolVersion::V20251125)
    }

    /// Opens a stream from server to client.
    pub(super) fn open_stream(&self) -> mpsc::Receiver<Bytes> {
        let mut state = self.state();
        let primed = Self::primes(&state);
        state.streams.open_general(primed)
    }

    /// Opens the stream that answers a request with at most so many messages.
    pub(super) fn open_own_stream(&self, messages: usize) -> (Outlet, mpsc::Receiver<Bytes>) {
        let mut state = self.state();
        let primed = Self::primes(&state);
        state.streams.open_own(messages, primed)
    }

    /// Goes on with a stream after one of its events.
    pub(super) fn resume(&self, last: EventId) -> Option<mpsc::Receiver<Bytes>> {
        self.state().streams.resume(last)
    }

    /// Sends an event; `false` when it is lost.
    pub(super) fn send_event(&self, outlet: Outlet, event: &Bytes) -> bool {
        self.state().streams.send_event(outlet, event)
    }

    /// Sends a message; `false` when it is lost.
    pub(super) fn send(&self, outlet: Outlet, message: &Value) -> bool {
        self.state().streams.send(outlet, &message.to_string())
    }

    /// Ends the connection of a stream, not the stream.
    pub(super) fn disconnect(&self, outlet: Outlet, retry: Option<Duration>) {
        self.state().streams.disconnect(outlet, retry);
    }

    /// Ends the stream that answered a request.
    pub(super) fn finish(&self, outlet: Outlet) {
        self.state().streams.finish(outlet);
    }

    /// Ends all that goes on.
    pub(super) fn close(&self) {
        self.end.cancel();
        self.state().streams.close();
    }
}
