//! One request of a client to one backend.

use super::cache::Key;
use super::{Catalog, ClientView, Conversation, error};
use crate::backend::{Backend, Caller};
use crate::egress::{Cause, Reply};
use crate::jsonrpc::{ErrorObject, Object};
use crate::offers::Kind;
use std::sync::Arc;

impl Catalog {
    /// Sends a request to `backend` in the client's session with it, and waits for the answer within the backend's time.
    /// `conversation` says who hears the backend meanwhile.
    pub(super) async fn ask(
        &self,
        view: &ClientView,
        caller: &Caller,
        backend: &Arc<Backend>,
        method: &str,
        params: Object<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        let params = conversation.addressed(backend, params)?.to_raw();
        let timeout = self.options.timeouts.of(&backend.name).as_std();
        let session = view.session(&self.egress, backend, caller);
        self.tell(view, caller, backend, &session).await;
        let hearing = conversation.with(backend);
        let outcome = session.converse(caller, method, Some(&params), timeout, Some(&hearing)).await;
        self.health.record_call(backend, outcome.as_ref().map(drop));
        outcome.map_err(|failure| {
            let (backend_name, cause) = (backend.name.as_str(), failure.cause());
            tracing::warn!(backend = backend_name, method, cause = cause.as_str(), error = %failure, "a request failed");
            if cause == Cause::Unauthorized {
                for kind in Kind::ALL {
                    self.lists.slot(Key::new(kind, backend, caller)).forget();
                }
            }
            error::unavailable(backend_name, &failure)
        })
    }
}
