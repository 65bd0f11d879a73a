//! Sessions with backends, whatever the transport.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::{SemaphorePermit, watch};
use tokio_util::task::TaskTracker;

use super::answers::Answers;
use super::asking::Asking;
use super::behind::reached;
use super::dual::Dual;
use super::era::{Endpoint, Eras};
use super::error::EgressError;
use super::exchange::Exchange;
use super::gate::{Gate, NoGate, Pass};
use super::http_client::{HttpClient, timed_out};
use super::http_sse::HttpSse;
use super::lanes::{Lane, Lanes};
use super::news::{Agreed, ListChanges, News};
use super::peer::{Hearer, Hearing, OnBehalf};
use super::questions::QuestionLimit;
use super::standing::{self, Standing};
use super::transport::{FAREWELL, TransportSession, Until};
use crate::backend::{Backend, Backends, Caller, Purpose, Transport};
use crate::circuit::CircuitSettings;
use crate::jsonrpc::Outcome;
use crate::offers::Offers;
use crate::outgoing::{Credentials, TokenCache};

/// How long at most is waited for a backend's own stream: some servers say nothing on it before they have something to
/// tell.
const LISTEN: Duration = Duration::from_secs(2);

/// What a backend answered to a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The `result` member, untouched.
    Result(Box<RawValue>),
    /// The `error` member, untouched.
    Error(Box<RawValue>),
}

impl From<Outcome<'_>> for Reply {
    fn from(outcome: Outcome<'_>) -> Self {
        match outcome {
            Outcome::Result(result) => Self::Result(result.to_owned()),
            Outcome::Error(error) => Self::Error(error.to_owned()),
        }
    }
}

/// Opens MCP sessions with backends. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Egress {
    http: HttpClient,
    credentials: Credentials,
    gate: Arc<dyn Gate>,
    lanes: Lanes,
    eras: Eras,
}

impl Egress {
    /// Sessions over `http`, with exchanged tokens kept in `tokens`.
    pub fn new(http: HttpClient, tokens: TokenCache) -> Self {
        let credentials = Credentials::new(http.clone(), tokens);
        Self { http, credentials, gate: Arc::new(NoGate), lanes: Lanes::default(), eras: Eras::default() }
    }

    /// The same, whose sessions ask `gate` before each request.
    #[must_use]
    pub fn with_gate(mut self, gate: impl Gate + 'static) -> Self {
        self.gate = Arc::new(gate);
        self
    }

    /// The same with at most `width` requests under way to one backend.
    #[must_use]
    pub fn with_lane_width(mut self, width: usize) -> Self {
        self.lanes = Lanes::new(width);
        self
    }

    /// The same with circuit breakers of these settings before token endpoints, if any.
    #[must_use]
    pub fn with_token_circuits(self, settings: Option<CircuitSettings>) -> Self {
        self.set_token_circuits(settings);
        self
    }

    /// From now on there are circuit breakers of these settings before token endpoints, if any.
    pub fn set_token_circuits(&self, settings: Option<CircuitSettings>) {
        self.credentials.set_circuits(settings);
    }

    /// A session of the gateway itself with `backend`. Nothing is sent before the first request.
    pub fn open(&self, backend: &Arc<Backend>, caller: &Caller) -> BackendSession {
        self.open_session(backend, caller, Hearer::Gateway)
    }

    /// The same for a client, which hears what the backend says.
    pub fn open_for(&self, backend: &Arc<Backend>, caller: &Caller, client: OnBehalf) -> BackendSession {
        self.open_session(backend, caller, Hearer::Client(client))
    }

    fn open_session(&self, backend: &Arc<Backend>, caller: &Caller, hearer: Hearer) -> BackendSession {
        let news = Arc::new(News::new());
        let settings = watch::Sender::new(Arc::clone(backend)).subscribe();
        let transport = self.transport(backend, settings, Arc::clone(&self.gate), hearer, Arc::clone(&news));
        let (backend, gate, lane) = (Arc::clone(backend), Arc::clone(&self.gate), self.lane(backend));
        let caller = Arc::new(Mutex::new(caller.clone()));
        BackendSession { backend, gate, lane, transport, news, caller, standing: Standing::default() }
    }

    /// The way to `backend`, which all sessions with it share.
    pub(super) fn lane(&self, backend: &Backend) -> Lane {
        self.lanes.of(&backend.name)
    }

    /// A session over the transport of `backend`, with settings that may change, its gate, and whoever hears it.
    pub(super) fn transport(
        &self,
        backend: &Arc<Backend>,
        settings: watch::Receiver<Arc<Backend>>,
        gate: Arc<dyn Gate>,
        hearer: Hearer,
        news: Arc<News>,
    ) -> Arc<TransportSession> {
        let exchange = self.exchange(backend, settings, gate, hearer);
        Arc::new(match backend.transport {
            Transport::StreamableHttp => {
                TransportSession::Http(Box::new(Dual::new(exchange, news, self.endpoint(backend))))
            }
            Transport::Sse => TransportSession::HttpSse(HttpSse::new(exchange, news)),
        })
    }

    /// What sends requests to `backend`.
    pub(super) fn exchange(
        &self,
        backend: &Arc<Backend>,
        settings: watch::Receiver<Arc<Backend>>,
        gate: Arc<dyn Gate>,
        hearer: Hearer,
    ) -> Exchange {
        Exchange {
            http: self.http.clone(),
            credentials: self.credentials.clone(),
            backend: Arc::clone(backend),
            settings,
            gate,
            answers: Answers::default(),
            hearer,
            questions: QuestionLimit::default(),
            cancellations: TaskTracker::new(),
        }
    }

    /// What is known of the server of `backend`.
    pub(super) fn endpoint(&self, backend: &Backend) -> Arc<Endpoint> {
        self.eras.of(&backend.url)
    }

    /// Forgets connections and tokens of backends that are gone or changed. Requests that run are not disturbed.
    pub fn retain(&self, backends: &Backends) {
        self.credentials.retain(backends);
        self.lanes.retain(backends);
        self.eras.retain(backends);
        self.http.retain_backend_pools(|name, trust| {
            backends.get(name).is_some_and(|backend| backend.trust.identity() == trust)
        });
    }
}

/// One MCP session with one backend: opened by its first request, ended by [`close`](Self::close).
#[derive(Debug)]
pub struct BackendSession {
    backend: Arc<Backend>,
    gate: Arc<dyn Gate>,
    lane: Lane,
    transport: Arc<TransportSession>,
    news: Arc<News>,
    /// Whoever used the session last: the session is ended in their name.
    caller: Arc<Mutex<Caller>>,
    standing: Standing,
}

impl BackendSession {
    /// Sends a request on behalf of `caller` and waits for its answer, at most `timeout` in all. Nothing is sent while the
    /// circuit breaker of the backend is open, nor when too many requests to it are under way.
    pub async fn request(
        &self,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        timeout: Duration,
    ) -> Result<Reply, EgressError> {
        self.converse(caller, Asking::new(method, params), timeout, None).await
    }

    /// The same, with somebody who hears the backend meanwhile, and whose clock the timeout goes by.
    ///
    /// A session that the backend has lost is opened again, once, when it is certain that the request was not executed. When the
    /// time is up, or the future is dropped, the backend is told that the request is cancelled: in a message where it keeps sessions,
    /// else by the end of the stream.
    pub async fn converse(
        &self,
        caller: &Caller,
        asking: Asking<'_>,
        timeout: Duration,
        hearing: Option<&Hearing>,
    ) -> Result<Reply, EgressError> {
        let (_place, pass) = self.admitted(caller)?;
        self.used_by(caller);
        let method = asking.method;
        let request = self.transport.request(caller, &asking, hearing);
        let expired = async {
            match hearing {
                Some(hearing) => hearing.clock.reaches(timeout).await,
                None => tokio::time::sleep(timeout).await,
            }
        };
        let outcome = tokio::select! {
            biased;
            outcome = request => Ok(outcome.and_then(reached)),
            () = expired => Err(()),
        };
        let reply = pass.settled(caller, timeout, outcome).inspect_err(|error| {
            let (backend, cause) = (self.backend.name.as_str(), error.cause().as_str());
            tracing::warn!(backend, method, cause, %error, "a request to a backend failed");
        })?;
        if Standing::concerns(method) && matches!(reply, Reply::Result(_)) {
            self.standing.note(&self.as_noted(), &asking);
        }
        Ok(reply)
    }

    /// What the backend offers. A session that has never been open is opened.
    pub async fn offers(&self, caller: &Caller, timeout: Duration) -> Result<Offers, EgressError> {
        if let Some(agreed) = self.agreed() {
            return Ok(agreed.offers);
        }
        let (_place, pass) = self.admitted(caller)?;
        self.used_by(caller);
        let opened = async {
            match &*self.transport {
                TransportSession::Http(session) => session.open(caller).await,
                TransportSession::HttpSse(session) => session.open(caller).await,
            }
        };
        pass.settled(caller, timeout, tokio::time::timeout(timeout, opened).await)?;
        Ok(self.agreed().map(|agreed| agreed.offers).unwrap_or_default())
    }

    /// Sends a notification of the client, if the session is open.
    pub async fn notify(&self, caller: &Caller, message: Bytes) -> Result<(), EgressError> {
        self.used_by(caller);
        let sent = self.transport.notify(caller, message);
        tokio::time::timeout(FAREWELL, sent).await.unwrap_or_else(|_| Err(timed_out(FAREWELL)))
    }

    /// Counts how often the session was opened.
    pub fn generation(&self) -> u64 {
        self.news.generation()
    }

    /// The MCP revision that the handshake agreed on, once there was one.
    pub fn revision(&self) -> Option<&'static str> {
        self.news.revision()
    }

    /// All that the handshake told.
    pub fn agreed(&self) -> Option<Agreed> {
        self.news.agreed()
    }

    /// Keeps the backend's own stream open from the next request on, as far as it offers one.
    pub fn listen_later(&self) {
        self.news.want_stream();
    }

    /// The same from now on; waits a moment until the stream stands.
    pub async fn listen(&self, caller: &Caller) {
        self.used_by(caller);
        self.listen_later();
        if self.gate.is_shut(&self.backend) {
            return;
        }
        // Over HTTP+SSE there is one stream for everything.
        let TransportSession::Http(session) = &*self.transport else { return };
        if tokio::time::timeout(LISTEN, session.listen(caller)).await.is_err() {
            tracing::debug!(backend = self.backend.name, "the backend's own stream does not stand yet");
        }
    }

    /// Has the backend tell from now on how these tasks fare. Returns those of which it has agreed to tell, within `timeout`.
    pub async fn follow_tasks(
        &self,
        caller: &Caller,
        tasks: BTreeSet<String>,
        timeout: Duration,
    ) -> Result<BTreeSet<String>, EgressError> {
        let TransportSession::Http(session) = &*self.transport else { return Ok(BTreeSet::new()) };
        let (_place, pass) = self.admitted(caller)?;
        self.used_by(caller);
        let agreed = tokio::time::timeout(timeout, session.follow_tasks(caller, tasks)).await;
        pass.settled(caller, timeout, agreed)
    }

    /// Has the backend tell from now on the news of these resources, all with one request. Returns those of which it has agreed to tell,
    /// within `timeout`; nothing, and nothing was sent, where it keeps sessions: there each is asked for with `resources/subscribe`.
    pub async fn follow_resources(
        &self,
        caller: &Caller,
        uris: BTreeSet<String>,
        timeout: Duration,
    ) -> Result<Option<BTreeSet<String>>, EgressError> {
        let TransportSession::Http(session) = &*self.transport else { return Ok(None) };
        let (_place, pass) = self.admitted(caller)?;
        self.used_by(caller);
        match tokio::time::timeout(timeout, session.follow_resources(caller, uris)).await {
            Ok(Ok(None)) => Ok(None),
            agreed => pass.settled(caller, timeout, agreed),
        }
    }

    /// Moves whenever the backend says that a list of its own has changed.
    ///
    /// Over Streamable HTTP a session that somebody subscribes to keeps a GET stream open, from its next request on;
    /// a backend that offers none tells about changes in its answers only.
    pub fn list_changed(&self) -> watch::Receiver<ListChanges> {
        self.news.subscribe()
    }

    /// Ends the session at the backend, if there is one. A later request opens a new one.
    pub async fn close(&self) {
        self.standing.end();
        self.transport.close(&self.last_caller()).await;
    }

    /// Leaves the session to other replicas; one that they do not know ends.
    pub async fn leave(&self, until: Until) {
        self.standing.end();
        self.transport.leave(&self.last_caller(), until).await;
    }

    /// A request may start. A probe gets through to a backend that is fully occupied.
    fn admitted(&self, caller: &Caller) -> Result<(Option<SemaphorePermit<'_>>, Pass<'_>), EgressError> {
        let place = (caller.purpose == Purpose::Call).then(|| self.lane.enter()).transpose()?;
        Ok((place, Pass::through(&self.gate, &self.backend)?))
    }

    fn as_noted(&self) -> standing::Session<'_> {
        let Self { backend, gate, lane, transport, news, caller, .. } = self;
        standing::Session { transport, news, backend, gate, lane, caller }
    }

    fn last_caller(&self) -> Caller {
        self.caller.lock().clone()
    }

    fn used_by(&self, caller: &Caller) {
        *self.caller.lock() = caller.clone();
    }
}
