//! `tools/call`: from the name that the client knows to the backend that owns it. One request to one backend.

use super::cache::Key;
use super::{Catalog, ClientView, candidates, error};
use crate::backend::{Backend, Caller};
use crate::egress::{Cause, Reply};
use crate::jsonrpc::{ErrorObject, Object, code, raw};
use std::sync::Arc;

/// The keys of the params that the gateway acts on.
pub const CALL_KEYS: [&str; 3] = ["name", "arguments", "_meta"];

/// Who owns a tool, and how it calls it.
struct Route {
    backend: Arc<Backend>,
    original: String,
}

impl Catalog {
    /// Calls a tool. `params` are those of the client's request, read with [`CALL_KEYS`].
    pub async fn call_tool(
        &self,
        view: &ClientView,
        caller: &Caller,
        params: Object<'_>,
    ) -> Result<Reply, ErrorObject> {
        let name = params
            .string("name")
            .map_err(|error| ErrorObject::from(&error))?
            .ok_or_else(|| ErrorObject::new(code::INVALID_PARAMS, "params.name must name the tool to call"))?;
        let Route { backend, original } = self.route(view, caller, &name).await?;
        let params = params.with("name", raw(&original)).to_raw();
        let timeout = self.options.timeouts.of(&backend.name).as_std();
        let session = view.session(&self.egress, &backend, caller);
        let outcome = session.request(caller, "tools/call", Some(&params), timeout).await;
        self.health.record_call(&backend, outcome.as_ref().map(drop));
        outcome.map_err(|failure| {
            tracing::warn!(
                backend = backend.name,
                tool = original,
                cause = failure.cause().as_str(),
                error = %failure,
                "failed to call a tool"
            );
            if failure.cause() == Cause::Unauthorized {
                self.lists.slot(Key::new(&backend, caller)).forget();
            }
            error::unavailable(&backend.name, &failure)
        })
    }

    /// Finds the owner of a name: of the backends that could have it, the first in order that has the tool by its last
    /// known list. Where people resolve conflicts, a name that two have is nobody's. A backend whose list is unknown is asked; lists that are not fresh are asked for again
    /// before a name is said to be unknown.
    async fn route(&self, view: &ClientView, caller: &Caller, name: &str) -> Result<Route, ErrorObject> {
        let backends = self.backends();
        let candidates = candidates(backends.keys().map(String::as_str), &self.options.naming, name);
        let mut failure = None;
        for known_is_enough in [true, false] {
            let mut found: Option<Route> = None;
            for (candidate, original) in &candidates {
                let backend = &backends[*candidate];
                let slot = self.lists.slot(Key::new(backend, caller));
                let list = match slot.known().filter(|_| known_is_enough) {
                    Some(list) => list,
                    None => match self.load(&slot, view, backend, caller).await {
                        Ok(list) => list,
                        Err(error) => {
                            failure.get_or_insert_with(|| error::unavailable(candidate, &error));
                            continue;
                        }
                    },
                };
                if list.has(original) {
                    let route = Route { backend: Arc::clone(backend), original: (*original).to_owned() };
                    if !self.options.naming.is_manual() {
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
        Err(failure.unwrap_or_else(|| error::unknown_tool(name)))
    }
}
