//! One request of a client to one backend.

use super::cache::Key;
use super::{Catalog, ClientView, Conversation, error};
use crate::backend::{Backend, Caller};
use crate::egress::{Asking, Cause, Reply};
use crate::jsonrpc::{ErrorObject, Object, code};
use crate::offers::Kind;
use crate::stateless::mirrored::Mirrored;
use serde_json::value::RawValue;
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
        let timeout = self.timeout(backend);
        let session = view.session(&self.egress, backend, caller);
        self.tell(view, caller, backend, &session).await;
        let hearing = conversation.with(backend);
        let tool = Tool::of(method, &params);
        let send = async || {
            let mirrored = tool.as_ref().map(|tool| self.mirrored(backend, caller, tool)).unwrap_or_default();
            let asking = Asking { method, params: Some(&params), mirrored: &mirrored };
            session.converse(caller, asking, timeout, Some(&hearing)).await
        };
        let mut outcome = send().await;
        if tool.is_some() && outcome.as_ref().is_err_and(|error| error.code() == Some(code::HEADER_MISMATCH)) {
            // The tool may want other arguments in headers than when it was listed.
            let key = Key::new(Kind::Tools, backend, caller);
            self.lists.invalidate(|known| *known == key);
            if self.loaded(Kind::Tools, view, backend, caller).await.is_ok() {
                outcome = send().await;
            }
        }
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

    /// The arguments that a tool of `backend` wants to see in headers, by its last known list.
    fn mirrored(&self, backend: &Backend, caller: &Caller, Tool(name): &Tool) -> Vec<Mirrored> {
        let list = self.known(Kind::Tools, backend, caller);
        list.map(|list| list.mirrored(name).to_vec()).unwrap_or_default()
    }
}

/// The tool that a request is about, as its backend calls it.
struct Tool(String);

impl Tool {
    fn of(method: &str, params: &RawValue) -> Option<Self> {
        let params = (method == "tools/call").then(|| Object::parse(params, "params", &["name"]).ok()).flatten()?;
        params.string("name").ok().flatten().map(Self)
    }
}
