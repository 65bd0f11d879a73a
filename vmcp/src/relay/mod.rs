//! One backend behind the endpoint, whose messages pass through (`vmcp proxy`).
//!
//! A client's session is a session of the backend: the handshake is the client's own, requests, notifications and
//! answers go through with their raw params and results, and what the backend says of its own accord reaches the
//! client. The proxy acts on three methods only: `initialize`, and `tools/list` and `tools/call` when
//! [`ToolSelection`] hides or renames tools. Where neither client nor backend keep sessions, requests pass
//! [by themselves](stateless); where one of them does, a [`bridge`] is in between.
//!
//! The number of requests under way is bounded as it is for a backend of a gateway. There is no circuit breaker: the
//! documents have none for an MCPRemoteProxy, and whoever stands in front decides whether the server is left alone.

mod bridge;
mod inbox;
mod session;
mod stateless;

use crate::backend::{Backend, Caller};
use crate::catalog::error::{unavailable_behind_proxy, unknown};
use crate::clients::Clients;
use crate::discovery::Snapshot;
use crate::egress::{Cause, Egress, EgressError, PassThrough, RelayedSession, Reply, SPOKEN, timed_out};
use crate::ingress::{Opened, Outbox, SessionLimits, Unopened, Unresumed, Upstream, UpstreamSession, owned_keys};
use crate::jsonrpc::{ErrorObject, Object, ParseError, code, notification, raw};
use crate::naming::Naming;
use crate::offers::Kind;
use crate::seal::Sealer;
use crate::selection::ToolSelection;
use arc_swap::ArcSwapOption;
use bridge::Bridge;
use futures::future::BoxFuture;
use http::StatusCode;
use inbox::ClientInbox;
use serde_json::json;
use serde_json::value::RawValue;
use session::RelaySession;
use stateless::Listener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How long a backend may take to open a session.
const OPENING: Duration = Duration::from_secs(30);

/// How long a request may take in all. Clients have bounds of their own and cancel; this one ends what they forget.
pub(crate) const LONGEST_REQUEST: Duration = Duration::from_mins(10);

/// Passes messages through to one backend.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    bridge: Bridge,
}

/// What all clients have in common.
#[derive(Debug)]
struct Shared {
    name: String,
    discovered: watch::Receiver<Snapshot>,
    egress: Egress,
    clients: Clients<ClientInbox>,
    /// The streams that pass to clients without sessions.
    listeners: Clients<Listener>,
    /// The way to the backend without sessions, as it was needed last.
    through: ArcSwapOption<PassThrough>,
    /// The identity of the backend that has refused a handshake because it keeps no sessions.
    refused: AtomicU64,
}

impl Relay {
    /// A relay to the backend `name` as `discovered` knows it. What it keeps for clients without sessions is bounded by `limits`.
    pub fn new(
        name: String,
        discovered: watch::Receiver<Snapshot>,
        egress: Egress,
        sealer: Arc<Sealer>,
        limits: SessionLimits,
    ) -> Self {
        let bridge = Bridge::new(&name, discovered.clone(), egress.clone(), sealer, limits);
        let (clients, listeners) = (Clients::default(), Clients::default());
        let (through, refused) = (ArcSwapOption::empty(), AtomicU64::default());
        let shared = Shared { name, discovered, egress, clients, listeners, through, refused };
        Self { shared: Arc::new(shared), bridge }
    }

    /// Follows what changes, for ever.
    pub async fn follow(&self) {
        tokio::join!(self.shared.tell_selections(), self.bridge.follow());
    }

    /// Opens a session with this side, before a backend that keeps none.
    async fn bridged(&self, caller: &Caller, params: &RawValue, outbox: Arc<Outbox>) -> Result<Opened, Unopened> {
        let opened = tokio::time::timeout(OPENING, self.bridge.open(caller, params, outbox)).await;
        opened.unwrap_or_else(|_| Err(Unopened::failed(&self.shared.unavailable(&timed_out(OPENING)))))
    }
}

impl Shared {
    /// The backend as it is to be called now, or the reason why it cannot be.
    fn backend(&self) -> Result<Arc<Backend>, ErrorObject> {
        let discovered = self.discovered.borrow();
        discovered.backends.get(&self.name).cloned().ok_or_else(|| {
            let reason = discovered.left_out.get(&self.name).map_or("it is not known yet", String::as_str);
            let message = format!("backend {:?} cannot be called: {reason}", self.name);
            ErrorObject::new(code::BACKEND_UNAVAILABLE, message)
                .with_data(json!({ "backend": self.name, "cause": "configuration" }))
        })
    }

    /// The way to `backend` without a session.
    fn way(&self, backend: &Arc<Backend>) -> Arc<PassThrough> {
        if let Some(through) = self.through.load_full().filter(|through| through.is_to(backend)) {
            return through;
        }
        let through = Arc::new(self.egress.pass_through(backend));
        self.through.store(Some(Arc::clone(&through)));
        through
    }

    /// Tells the clients whenever they see other tools than before.
    async fn tell_selections(&self) {
        let mut discovered = self.discovered.clone();
        let mut told = Arc::clone(&discovered.borrow_and_update().settings.naming);
        while discovered.changed().await.is_ok() {
            let now = Arc::clone(&discovered.borrow_and_update().settings.naming);
            if now == told {
                continue;
            }
            told = now;
            let changed = notification(Kind::Tools.changed(), None);
            for client in self.clients.all() {
                client.tell(changed.clone());
            }
            for listener in self.listeners.all() {
                listener.tell(&changed);
            }
        }
    }

    /// The names in force, unless they are those of the backend.
    fn names(&self) -> Option<Arc<Naming>> {
        let discovered = self.discovered.borrow();
        let naming = &discovered.settings.naming;
        let are_own = naming.selection(&self.name).is_some_and(ToolSelection::is_empty);
        (!are_own).then(|| Arc::clone(naming))
    }

    /// The params of a call with the backend's own name of the tool, where that may be another one.
    fn renamed(&self, params: Option<&RawValue>) -> Result<Option<Box<RawValue>>, ErrorObject> {
        let Some(names) = self.names() else { return Ok(None) };
        let params =
            params.map_or_else(|| Ok(Object::empty("params")), |params| Object::parse(params, "params", &["name"]));
        let params = params.map_err(|error| ErrorObject::from(&error))?;
        let name = params.required("name", "the tool to call")?;
        let original = names.original(Kind::Tools, &self.name, &name).ok_or_else(|| unknown(Kind::Tools, &name))?;
        Ok(Some(params.with("name", raw(original)).to_raw()))
    }

    /// The result of `tools/list` with the tools that clients see.
    fn selected(&self, result: Box<RawValue>) -> Result<Box<RawValue>, ErrorObject> {
        let names = self.names();
        let Some(tools) = names.as_ref().and_then(|names| names.selection(&self.name)) else { return Ok(result) };
        tools.select(&result).map_err(|error| self.broken(&format!("its list of tools is malformed: {error}")))
    }

    /// The error for a result that cannot be read.
    fn malformed(&self, error: &ParseError) -> ErrorObject {
        self.broken(&format!("its result is malformed: {error}"))
    }

    /// The error for a request to the backend that failed.
    fn unavailable(&self, error: &EgressError) -> ErrorObject {
        unavailable_behind_proxy(&self.name, error)
    }

    /// The error for a backend that does not keep to the protocol.
    fn broken(&self, why: &str) -> ErrorObject {
        self.unavailable(&EgressError::new(Cause::Protocol, why).answered())
    }

    /// A session of `caller` with `backend`, which is not open yet, and where its messages go.
    fn session(
        &self,
        backend: &Arc<Backend>,
        caller: &Caller,
        outbox: &Arc<Outbox>,
    ) -> (RelayedSession, Arc<ClientInbox>) {
        let inbox = Arc::new(ClientInbox::new(self.name.clone(), Arc::clone(outbox)));
        let shared = outbox.shared().map(|shared| shared.through_to(backend));
        let session = self.egress.relay(backend, caller, Arc::<ClientInbox>::clone(&inbox), shared);
        (session, inbox)
    }

    /// Goes on with a session of the backend that another replica has opened, if there is one.
    async fn resume(
        self: &Arc<Self>,
        caller: &Caller,
        outbox: &Arc<Outbox>,
    ) -> Result<Option<Arc<dyn UpstreamSession>>, ErrorObject> {
        let backend = self.backend()?;
        let (session, inbox) = self.session(&backend, caller, outbox);
        let is_open = session.resume(caller).await;
        let is_open = is_open.map_err(|away| ErrorObject::new(code::OVERLOADED, away.to_string()))?;
        Ok(is_open.then(|| Arc::new(RelaySession::new(Arc::clone(self), session, inbox)) as Arc<dyn UpstreamSession>))
    }

    /// Opens a session of the backend with the client's own handshake. The inner nothing means that the backend keeps no sessions.
    async fn open(
        self: &Arc<Self>,
        caller: &Caller,
        params: &RawValue,
        outbox: &Arc<Outbox>,
    ) -> Result<Option<Opened>, Unopened> {
        let failed = |error: &EgressError| {
            tracing::warn!(backend = self.name, cause = error.cause().as_str(), %error, "failed to open a session");
            Unopened::failed(&self.unavailable(error))
        };
        let backend = self.backend().map_err(|error| Unopened::failed(&error))?;
        // A server of both eras is spoken to as the client speaks.
        let has_refused = self.refused.load(Ordering::Relaxed) == backend.identity;
        if has_refused && matches!(self.way(&backend).keeps_sessions(caller).await, Ok(false)) {
            return Ok(None);
        }
        let (session, inbox) = self.session(&backend, caller, outbox);
        let opened = session.initialize(caller, params, OPENING).await;
        let is_refusal = match &opened {
            Ok(reply) => matches!(reply, Reply::Error(_)),
            Err(error) => error.is_unexecuted(),
        };
        if is_refusal && self.way(&backend).gave_sessions_up(caller).await {
            self.refused.store(backend.identity, Ordering::Relaxed);
            return Ok(None);
        }
        match opened {
            Ok(Reply::Result(result)) => {
                let session = RelaySession::new(Arc::clone(self), session, inbox);
                Ok(Some(Opened { result, session: Arc::new(session) }))
            }
            Ok(Reply::Error(error)) => Err(Unopened { status: StatusCode::OK, error }),
            Err(error) => Err(failed(&error)),
        }
    }
}

impl Upstream for Relay {
    fn revisions(&self) -> &'static [&'static str] {
        &SPOKEN
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        params: &'a RawValue,
        outbox: Arc<Outbox>,
    ) -> BoxFuture<'a, Result<Opened, Unopened>> {
        Box::pin(async move {
            Object::parse(params, "params", owned_keys("initialize"))
                .map_err(|error| Unopened::bad_request(&ErrorObject::from(&error)))?;
            if let Some(opened) = self.shared.open(caller, params, &outbox).await? {
                return Ok(opened);
            }
            self.bridged(caller, params, outbox).await
        })
    }

    fn resume<'a>(
        &'a self,
        caller: &'a Caller,
        params: &'a RawValue,
        outbox: Arc<Outbox>,
    ) -> BoxFuture<'a, Result<Arc<dyn UpstreamSession>, Unresumed>> {
        Box::pin(async move {
            let for_now = |error| Unresumed::ForNow(raw(&error));
            if let Some(session) = self.shared.resume(caller, &outbox).await.map_err(for_now)? {
                return Ok(session);
            }
            // Where the backend keeps no sessions, the client's is one with this side. Otherwise it is lost.
            if self.shared.through(caller).await.map_err(for_now)?.is_none() {
                return Err(Unresumed::Lost(raw(&self.shared.broken("its session is not known any more"))));
            }
            Ok(self.bridged(caller, params, outbox).await?.session)
        })
    }
}
