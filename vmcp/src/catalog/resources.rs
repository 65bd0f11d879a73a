//! `resources/read`, `resources/subscribe` and `resources/unsubscribe`: from a URI to the backend that owns it.

use super::ask::Request;
use super::claims::{Claim, Found, Rivals};
use super::view::Told;
use super::{Catalog, ClientView, Conversation, error};
use crate::backend::{Backend, Caller};
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, Object, code, raw};
use crate::offers::Kind;
use serde_json::json;
use std::sync::Arc;

/// The keys of the params that the gateway acts on.
pub const RESOURCE_KEYS: [&str; 4] = ["uri", "inputResponses", "requestState", "_meta"];

impl Catalog {
    /// Reads a resource. `params` are those of the client's request, read with [`RESOURCE_KEYS`].
    pub async fn read_resource(
        &self,
        view: &ClientView,
        caller: &Caller,
        params: Object<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        let backend = self.owner(view, caller, &uri(&params)?).await?;
        self.ask(view, caller, &backend, Request::new("resources/read", params), conversation).await
    }

    /// Subscribes the client to the news of a resource.
    pub async fn subscribe(
        &self,
        view: &ClientView,
        caller: &Caller,
        params: Object<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        let uri = uri(&params)?;
        let backend = self.owner(view, caller, &uri).await?;
        if !self.offered.of_possibly(&backend).subscriptions {
            let message = format!("backend {:?} has no subscriptions", backend.name);
            return Err(ErrorObject::new(code::METHOD_NOT_FOUND, message).with_data(json!({ "backend": backend.name })));
        }
        // Before the backend says that the client is subscribed: the first news may follow at once.
        view.interests.subscribe(&uri, &backend.name)?;
        let session = view.session(&self.egress, &backend, caller);
        session.listen(caller).await;
        let reply = self.ask(view, caller, &backend, Request::new("resources/subscribe", params), conversation).await;
        let agreed = matches!(reply, Ok(Reply::Result(_)));
        view.interests.subscribed(&uri, agreed);
        if agreed {
            view.tell(&backend.name, Told { generation: Some(session.generation()), level: view.interests.level() });
        }
        reply
    }

    /// Ends a subscription. A client that has none is told that it has ended.
    pub async fn unsubscribe(
        &self,
        view: &ClientView,
        caller: &Caller,
        params: Object<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        let uri = uri(&params)?;
        let backend = view.interests.unsubscribe(&uri).and_then(|name| self.backends().get(&name).cloned());
        let Some(backend) = backend else { return Ok(Reply::Result(raw(&json!({})))) };
        self.ask(view, caller, &backend, Request::new("resources/unsubscribe", params), conversation).await
    }

    /// The owner of a URI: of all backends by name, the first that lists it, else the first with a template that means
    /// it. A resource need not be listed: where one backend alone has resources, it is asked.
    pub(super) async fn owner(
        &self,
        view: &ClientView,
        caller: &Caller,
        uri: &str,
    ) -> Result<Arc<Backend>, ErrorObject> {
        let backends = self.backends();
        let mut possible = backends.values().filter(|backend| self.offered.of_possibly(backend).resources);
        if let (Some(only), None) = (possible.next(), possible.next()) {
            return Ok(Arc::clone(only));
        }
        let claims = [
            (Kind::Resources, Found::Item),
            // A template itself, as completion names it.
            (Kind::Templates, Found::Item),
            (Kind::Templates, Found::Template),
        ];
        let claims: Vec<_> = claims
            .into_iter()
            .flat_map(|(kind, found)| backends.values().map(move |backend| Claim { backend, kind, key: uri, found }))
            .collect();
        let holding = self.holding(view, caller, &claims, Rivals::Lose).await?;
        let owner = holding.first().ok_or_else(|| error::unknown(Kind::Resources, uri))?;
        Ok(Arc::clone(owner.claim.backend))
    }
}

fn uri(params: &Object<'_>) -> Result<String, ErrorObject> {
    params.required("uri", "the resource")
}
