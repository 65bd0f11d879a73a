//! One backend behind the endpoint, whose messages pass through (`vmcp proxy`).
//!
//! A client's session is a session of the backend: the handshake is the client's own, requests, notifications and
//! answers go through with their raw params and results, and what the backend says of its own accord reaches the
//! client. The proxy acts on three methods only: `initialize`, and `tools/list` and `tools/call` when
//! [`ToolSelection`] hides or renames tools.
//!
//! The number of requests under way is bounded as it is for a backend of a gateway. There is no circuit breaker: the
//! documents have none for an MCPRemoteProxy, and whoever stands in front decides whether the server is left alone.

mod inbox;
mod session;

use crate::backend::{Backend, Caller};
use crate::catalog::error::unavailable;
use crate::clients::Clients;
use crate::discovery::Snapshot;
use crate::egress::{Egress, Inbox, Reply, SPOKEN};
use crate::ingress::{Opened, Outbox, Unopened, Upstream};
use crate::jsonrpc::{ErrorObject, Object, code, notification, raw};
use crate::offers::Kind;
use crate::selection::ToolSelection;
use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use http::StatusCode;
use inbox::ClientInbox;
use serde_json::json;
use serde_json::value::RawValue;
use session::RelaySession;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a backend may take to open a session.
const OPENING: Duration = Duration::from_secs(30);

/// Passes messages through to one backend.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
}

/// What all sessions have in common.
#[derive(Debug)]
struct Shared {
    name: String,
    discovered: watch::Receiver<Snapshot>,
    egress: Egress,
    tools: ArcSwap<ToolSelection>,
    clients: Clients<ClientInbox>,
}

impl Relay {
    /// A relay to the backend `name` as `discovered` knows it, which shows its tools as `tools` says.
    pub fn new(name: String, discovered: watch::Receiver<Snapshot>, egress: Egress, tools: ToolSelection) -> Self {
        let (tools, clients) = (ArcSwap::from_pointee(tools), Clients::default());
        Self { shared: Arc::new(Shared { name, discovered, egress, tools, clients }) }
    }

    /// Shows the tools as `tools` says from now on, and tells the clients when that is not what it did.
    pub fn select(&self, tools: ToolSelection) {
        let tools = Arc::new(tools);
        if self.shared.tools.swap(Arc::clone(&tools)) == tools {
            return;
        }
        for client in self.shared.clients.all() {
            client.deliver(notification(Kind::Tools.changed(), None));
        }
    }

    /// Forgets connections and tokens of earlier settings of the backend, whenever they change, for ever.
    pub async fn follow(&self) {
        let mut discovered = self.shared.discovered.clone();
        while discovered.changed().await.is_ok() {
            let backends = Arc::clone(&discovered.borrow_and_update().backends);
            self.shared.egress.retain(&backends);
        }
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

    async fn open(
        self: &Arc<Self>,
        caller: &Caller,
        params: &RawValue,
        outbox: Arc<Outbox>,
    ) -> Result<Opened, Unopened> {
        let failed = |error: &ErrorObject| {
            let overloaded = error.code == code::OVERLOADED;
            let status = if overloaded { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            Unopened { status, error: raw(error) }
        };
        Object::parse(params, "params", &["protocolVersion", "capabilities", "clientInfo", "_meta"])
            .map_err(|error| Unopened::bad_request(&ErrorObject::from(&error)))?;
        let backend = self.backend().map_err(|error| failed(&error))?;
        let inbox = Arc::new(ClientInbox::new(outbox));
        let session = self.egress.relay(&backend, caller, Arc::<ClientInbox>::clone(&inbox));
        match session.initialize(caller, params, OPENING).await {
            Ok(Reply::Result(result)) => {
                self.clients.add(&inbox);
                let session = RelaySession::new(Arc::clone(self), session, inbox);
                Ok(Opened { result, session: Arc::new(session) })
            }
            Ok(Reply::Error(error)) => Err(Unopened { status: StatusCode::OK, error }),
            Err(error) => {
                tracing::warn!(backend = self.name, cause = error.cause().as_str(), %error, "failed to open a session");
                Err(failed(&unavailable(&self.name, &error)))
            }
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
        Box::pin(self.shared.open(caller, params, outbox))
    }
}
