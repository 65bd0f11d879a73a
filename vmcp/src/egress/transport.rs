//! A session with a backend over one of the transports.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio_util::task::TaskTracker;

use super::asking::Asking;
use super::dual::Dual;
use super::error::EgressError;
use super::http_sse::HttpSse;
use super::peer::Hearing;
use super::session::Reply;
use crate::backend::Caller;
use crate::jsonrpc::{self, Id};

/// Bound on messages that nobody waits for: cancellations and the end of a session.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);
/// How long the end of a session waits for cancellations that are on their way to the backend.
const CANCELLATIONS: Duration = Duration::from_secs(1);

/// How long a session goes on that replicas share and one of them leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until the client's session ends: replicas to come go on with it.
    End,
    /// Until no replica uses it.
    Unused,
}

/// A session over one of the transports.
#[derive(Debug)]
pub(super) enum TransportSession {
    Http(Box<Dual>),
    HttpSse(HttpSse),
}

impl TransportSession {
    /// Sends a request on behalf of `caller` and waits for its answer; `hearing` hears the backend meanwhile. Whoever drops the future
    /// cancels the request.
    pub(super) async fn request(
        self: &Arc<Self>,
        caller: &Caller,
        asking: &Asking<'_>,
        hearing: Option<&Hearing>,
    ) -> Result<Reply, EgressError> {
        let cancellation = |id| Cancellation::of(self, caller, id);
        match &**self {
            Self::Http(session) => session.request(caller, asking, hearing, cancellation).await,
            Self::HttpSse(session) => session.request(caller, asking.method, asking.params, cancellation).await,
        }
    }

    /// Sends a notification within the current session, if there is one.
    pub(super) async fn notify(&self, caller: &Caller, message: Bytes) -> Result<(), EgressError> {
        match self {
            Self::Http(session) => session.notify(caller, message).await,
            Self::HttpSse(session) => session.notify(caller, message).await,
        }
    }

    /// Ends the session at the backend, if there is one.
    pub(super) async fn close(&self, caller: &Caller) {
        self.cancelled().await;
        match self {
            Self::Http(session) => {
                // A backend that does not answer ends the session by itself some day.
                let _ = tokio::time::timeout(FAREWELL, session.close(caller)).await;
            }
            Self::HttpSse(session) => session.close(),
        }
    }

    /// Leaves the session to other replicas, as far as they know it. One over HTTP+SSE is its stream, which nobody else has.
    pub(super) async fn leave(&self, caller: &Caller, until: Until) {
        self.cancelled().await;
        match self {
            Self::Http(session) => drop(tokio::time::timeout(FAREWELL, session.leave(caller, until)).await),
            Self::HttpSse(session) => session.close(),
        }
    }

    /// Waits a moment until the backend has been told which requests are cancelled: without the session it does not know them any more.
    async fn cancelled(&self) {
        let cancellations = self.cancellations();
        cancellations.close();
        let _ = tokio::time::timeout(CANCELLATIONS, cancellations.wait()).await;
    }

    fn cancellations(&self) -> &TaskTracker {
        match self {
            Self::Http(session) => session.cancellations(),
            Self::HttpSse(session) => session.cancellations(),
        }
    }
}

/// Tells the backend that a request is cancelled, unless it was answered before this is dropped.
pub(super) struct Cancellation {
    request: Option<(Arc<TransportSession>, Caller, u64)>,
}

impl Cancellation {
    /// Armed for request `id` of a session.
    pub(super) fn of(transport: &Arc<TransportSession>, caller: &Caller, id: u64) -> Self {
        Self { request: Some((Arc::clone(transport), caller.clone(), id)) }
    }

    /// The request has an outcome: there is nothing to cancel.
    pub(super) fn disarm(mut self) {
        self.request = None;
    }
}

impl Drop for Cancellation {
    fn drop(&mut self) {
        let Some((transport, caller, id)) = self.request.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let cancellations = transport.cancellations().clone();
        let told = async move {
            let params = jsonrpc::raw(&json!({
                "requestId": Id::from(id).raw(),
                "reason": "the gateway does not wait for the answer any more",
            }));
            let message = jsonrpc::notification("notifications/cancelled", Some(&params));
            if let Ok(Err(error)) = tokio::time::timeout(FAREWELL, transport.notify(&caller, message)).await {
                tracing::debug!(%error, "a cancellation could not be delivered");
            }
        };
        cancellations.spawn_on(told, &runtime);
    }
}
