//! `tools/call` and `prompts/get`: from the name that the client knows to the backend that owns it. One request to one
//! backend.

use super::ask::{Request, Tool};
use super::claims::{Claim, Found, Held, Rivals};
use super::{Catalog, ClientView, Conversation, ItemList, Now, candidates, error};
use crate::backend::{Backend, Caller};
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, Object, raw};
use crate::offers::Kind;
use std::sync::Arc;

/// The keys of the params that the gateway acts on.
pub const NAMED_KEYS: [&str; 5] = ["name", "arguments", "inputResponses", "requestState", "_meta"];

/// Who owns a tool or a prompt, and how it calls it.
pub(super) struct Route {
    pub(super) backend: Arc<Backend>,
    pub(super) original: String,
    /// The owner's list, in which it stands.
    list: Arc<ItemList>,
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
        let name = params.required("name", &format!("the {}", kind.noun()))?;
        let Route { backend, original, list } = self.route(kind, view, caller, &name).await?;
        if let Some(item) = list.item(&original) {
            conversation.fits(item)?;
        }
        let request = Request::new(method, params.with("name", raw(&original)));
        let tool = (kind == Kind::Tools).then_some(Tool { name: &original, list });
        self.ask(view, caller, &backend, Request { tool, ..request }, conversation).await
    }

    /// Finds the owner of a name: of the backends that could have it, the first in order that has it. Where people resolve
    /// conflicts, a name that two have is nobody's.
    pub(super) async fn route(
        &self,
        kind: Kind,
        view: &ClientView,
        caller: &Caller,
        name: &str,
    ) -> Result<Route, ErrorObject> {
        let Now { backends, settings } = self.now();
        let naming = &settings.naming;
        let candidates = candidates(kind, backends.keys().map(String::as_str), naming, name);
        let claims: Vec<_> = candidates
            .into_iter()
            .map(|(backend, original)| Claim { backend: &backends[backend], kind, key: original, found: Found::Item })
            .collect();
        let rivals = if naming.is_manual(kind) { Rivals::Count } else { Rivals::Lose };
        let holding = self.holding(view, caller, &claims, rivals).await?;
        match &holding[..] {
            [] => Err(error::unknown(kind, name)),
            [owner, rival, ..] if rivals == Rivals::Count => {
                Err(error::contested(name, &owner.claim.backend.name, &rival.claim.backend.name))
            }
            [Held { claim, list }, ..] => {
                Ok(Route { backend: Arc::clone(claim.backend), original: claim.key.to_owned(), list: Arc::clone(list) })
            }
        }
    }
}
