//! One request of a client to one backend.

use super::cache::Key;
use super::{Catalog, ClientView, Conversation, ItemList};
use crate::backend::{Backend, Caller};
use crate::egress::{Asking, Cause, Reply};
use crate::jsonrpc::{ErrorObject, Object, code};
use crate::offers::Kind;
use std::sync::Arc;

/// What a backend is asked.
pub(super) struct Request<'a> {
    /// The method.
    pub(super) method: &'a str,
    /// The params, with the backend's own names.
    pub(super) params: Object<'a>,
    /// The tool that it calls, if it does.
    pub(super) tool: Option<Tool<'a>>,
}

/// A tool, as its backend calls it and lists it.
pub(super) struct Tool<'a> {
    pub(super) name: &'a str,
    pub(super) list: Arc<ItemList>,
}

impl<'a> Request<'a> {
    /// A request that calls no tool.
    pub(super) fn new(method: &'a str, params: Object<'a>) -> Self {
        Self { method, params, tool: None }
    }
}

impl Catalog {
    /// Sends a request to `backend` in the client's session with it, and waits for the answer within the backend's time.
    /// `conversation` says who hears the backend meanwhile.
    pub(super) async fn ask(
        &self,
        view: &ClientView,
        caller: &Caller,
        backend: &Arc<Backend>,
        request: Request<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        let Request { method, params, tool } = request;
        let params = conversation.addressed(backend, params)?.to_raw();
        let timeout = self.timeout(backend);
        let session = view.session(&self.egress, backend, caller);
        // The time of the request runs from here: what the backend is told before it is a part of it.
        let hearing = conversation.with(backend);
        self.tell(view, caller, backend, &session).await;
        let send = async |tool: Option<&Tool<'_>>| {
            let mirrored = tool.map(|tool| tool.list.mirrored(tool.name)).unwrap_or_default();
            let asking = Asking { method, params: Some(&params), mirrored };
            session.converse(caller, asking, timeout, Some(&hearing)).await
        };
        let mut outcome = send(tool.as_ref()).await;
        if let Some(tool) = tool
            && outcome.as_ref().is_err_and(|error| error.code() == Some(code::HEADER_MISMATCH))
        {
            // The tool may want other arguments in headers than when it was listed.
            let key = Key::new(Kind::Tools, backend, caller);
            self.lists.invalidate(|known| *known == key);
            if let Ok(list) = self.loaded(Kind::Tools, view, backend, caller).await {
                outcome = send(Some(&Tool { list, ..tool })).await;
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
            self.unavailable(backend_name, &failure)
        })
    }
}
