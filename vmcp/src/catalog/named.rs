//! `tools/call` and `prompts/get`: from the name that the client knows to the backend that owns it. One request to one
//! backend.

use super::{Catalog, ClientView, Conversation, candidates, error};
use crate::backend::{Backend, Caller};
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, Object, code, raw};
use crate::offers::Kind;
use std::sync::Arc;

/// The keys of the params that the gateway acts on.
pub const NAMED_KEYS: [&str; 3] = ["name", "arguments", "_meta"];

/// Who owns a tool or a prompt, and how it calls it.
pub(super) struct Route {
    pub(super) backend: Arc<Backend>,
    pub(super) original: String,
}

impl Catalog {
    /// Calls a tool. `params` are those of the client's request, read with [`NAMED_KEYS`].
    pub async fn call_tool(
        &self,
        view: &ClientView,
        caller: &Caller,
        params: Object<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        self.named(Kind::Tools, "tools/call", view, caller, params, conversation).await
    }

    /// Gets a prompt. `params` are those of the client's request, read with [`NAMED_KEYS`].
    pub async fn get_prompt(
        &self,
        view: &ClientView,
        caller: &Caller,
        params: Object<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        self.named(Kind::Prompts, "prompts/get", view, caller, params, conversation).await
    }

    async fn named(
        &self,
        kind: Kind,
        method: &str,
        view: &ClientView,
        caller: &Caller,
        params: Object<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        let name = params.string("name").map_err(|error| ErrorObject::from(&error))?.ok_or_else(|| {
            ErrorObject::new(code::INVALID_PARAMS, format!("params.name must name the {}", kind.noun()))
        })?;
        let Route { backend, original } = self.route(kind, view, caller, &name).await?;
        let params = params.with("name", raw(&original)).to_raw();
        self.ask(view, caller, &backend, method, &params, conversation).await
    }

    /// Finds the owner of a name: of the backends that could have it, the first in order that has it by its last known
    /// list. Where people resolve conflicts, a name that two have is nobody's. A backend whose list is unknown is asked;
    /// lists that are not fresh are asked for again before a name is said to be unknown.
    pub(super) async fn route(
        &self,
        kind: Kind,
        view: &ClientView,
        caller: &Caller,
        name: &str,
    ) -> Result<Route, ErrorObject> {
        let backends = self.backends();
        let naming = &self.options.naming;
        let candidates = candidates(kind, backends.keys().map(String::as_str), naming, name);
        let mut failure = None;
        for known_is_enough in [true, false] {
            let mut found: Option<Route> = None;
            for (candidate, original) in &candidates {
                let backend = &backends[*candidate];
                let list = match self.known_or_loaded(kind, view, backend, caller, known_is_enough).await {
                    Ok(list) => list,
                    Err(error) => {
                        failure.get_or_insert_with(|| error::unavailable(candidate, &error));
                        continue;
                    }
                };
                if list.has(original) {
                    let route = Route { backend: Arc::clone(backend), original: (*original).to_owned() };
                    if !naming.is_manual(kind) {
                        return Ok(route);
                    }
                    if let Some(Route { backend: owner, .. }) = found.replace(route) {
                        return Err(error::contested(name, &owner.name, candidate));
                    }
                }
            }
            if let Some(route) = found {
                return Ok(route);
            }
            if failure.is_some() {
                break;
            }
        }
        Err(failure.unwrap_or_else(|| error::unknown(kind, name)))
    }
}
