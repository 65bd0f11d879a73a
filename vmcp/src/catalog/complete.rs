//! `completion/complete`: values for an argument of a prompt or for a variable of a resource template.

use super::ask::Request;
use super::named::Route;
use super::{Catalog, ClientView, Conversation};
use crate::backend::Caller;
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, Object, code, raw};
use crate::offers::Kind;
use serde_json::json;

/// The keys of the params that the gateway acts on.
pub const COMPLETE_KEYS: [&str; 4] = ["ref", "argument", "context", "_meta"];

impl Catalog {
    /// Asks the backend that owns what `params.ref` means. A backend that completes nothing has no values.
    pub async fn complete(
        &self,
        view: &ClientView,
        caller: &Caller,
        params: Object<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        let wrong = || {
            let message = "params.ref must be a \"ref/prompt\" with a name or a \"ref/resource\" with a uri";
            ErrorObject::new(code::INVALID_PARAMS, message)
        };
        let reference = params.borrowed("ref").ok_or_else(wrong)?;
        let reference = Object::parse(reference, "params.ref", &["type", "name", "uri"]);
        let reference = reference.map_err(|error| ErrorObject::from(&error))?;
        let text = |key: &str| reference.string(key).map_err(|error| ErrorObject::from(&error));
        let (backend, reference) = match (text("type")?.as_deref(), text("name")?, text("uri")?) {
            (Some("ref/prompt"), Some(name), _) => {
                let Route { backend, original, .. } = self.route(Kind::Prompts, view, caller, &name).await?;
                (backend, reference.with("name", raw(&original)))
            }
            (Some("ref/resource"), _, Some(uri)) => (self.owner(view, caller, &uri).await?, reference),
            _ => return Err(wrong()),
        };
        if !self.offered.of_possibly(&backend).completions {
            return Ok(Reply::Result(raw(&json!({ "completion": { "values": [], "hasMore": false } }))));
        }
        let params = params.with("ref", reference.to_raw());
        self.ask(view, caller, &backend, Request::new("completion/complete", params), conversation).await
    }
}
