//! `resources/read`, `resources/subscribe` and `resources/unsubscribe`: from a URI to the backend that owns it. Whoever listens for
//! many resources at once subscribes to them a few at a time.

use super::ask::Request;
use super::claims::{Claim, Found, Rivals};
use super::view::Told;
use super::{Catalog, ClientView, Conversation, error};
use crate::backend::{Backend, Caller};
use crate::egress::{BackendSession, Cause, EgressError, Reply};
use crate::jsonrpc::{ErrorObject, Object, code, raw};
use crate::offers::Kind;
use futures::{StreamExt, stream};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The keys of the params that the gateway acts on.
pub const RESOURCE_KEYS: [&str; 4] = ["uri", "inputResponses", "requestState", "_meta"];

/// How many subscriptions that one client wants at once are under way to a backend: the others' calls need places too.
const SUBSCRIBING: usize = 8;

/// What has become of many subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscribed {
    /// The resources whose backend has agreed.
    agreed: BTreeSet<String>,
    /// Why some were not answered, if so.
    pub(super) failure: Option<EgressError>,
}

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

    /// Subscribes the client to the news of these resources, at all backends at the same time. Returns those of which their backends
    /// have agreed to tell within `limit`.
    pub async fn follow_resources(
        &self,
        view: &ClientView,
        caller: &Caller,
        uris: &[String],
        limit: Duration,
    ) -> BTreeSet<String> {
        let start = Instant::now();
        // Half of the time may pass until it is known whose they are.
        let owned = uris.iter().map(|uri| async move {
            let owner = timeout_at(start + limit / 2, self.owner(view, caller, uri)).await.ok()?;
            let owner =
                owner.inspect_err(|error| tracing::debug!(uri, error = error.message, "nobody tells of a resource"));
            Some((uri, owner.ok()?))
        });
        let mut of_backends: BTreeMap<String, (Arc<Backend>, BTreeSet<String>)> = BTreeMap::new();
        for (uri, backend) in futures::future::join_all(owned).await.into_iter().flatten() {
            let of_backend = of_backends.entry(backend.name.clone()).or_insert_with(|| (backend, BTreeSet::new()));
            of_backend.1.insert(uri.clone());
        }
        let followed = of_backends
            .into_values()
            .map(|(backend, uris)| async move { self.follow_at(view, caller, &backend, uris, start + limit).await });
        futures::future::join_all(followed).await.into_iter().flatten().collect()
    }

    /// The same of resources of `backend`, until `deadline`.
    async fn follow_at(
        &self,
        view: &ClientView,
        caller: &Caller,
        backend: &Arc<Backend>,
        mut uris: BTreeSet<String>,
        deadline: Instant,
    ) -> BTreeSet<String> {
        if !self.offered.of_possibly(backend).subscriptions {
            return BTreeSet::new();
        }
        uris.retain(|uri| view.interests.subscribe(uri, &backend.name).is_ok());
        let session = view.session(&self.egress, backend, caller);
        session.listen_later();
        let left = deadline.saturating_duration_since(Instant::now());
        let agreed = match session.follow_resources(caller, uris.clone(), left).await {
            Ok(Some(agreed)) => agreed,
            Ok(None) => {
                session.listen(caller).await;
                self.subscribe_each(&session, backend, caller, uris.clone(), deadline).await.agreed
            }
            Err(error) => {
                tracing::debug!(backend = backend.name, %error, "a backend does not tell of resources");
                BTreeSet::new()
            }
        };
        for uri in &uris {
            // What the client is not promised it is not told either.
            view.interests.subscribed(uri, agreed.contains(uri));
        }
        if !agreed.is_empty() {
            view.tell(&backend.name, Told { generation: Some(session.generation()), level: view.interests.level() });
        }
        agreed
    }

    /// Subscribes to these resources in a session of a backend that keeps some, until `deadline`.
    pub(super) async fn subscribe_each(
        &self,
        session: &BackendSession,
        backend: &Backend,
        caller: &Caller,
        uris: BTreeSet<String>,
        deadline: Instant,
    ) -> Subscribed {
        let timeout = self.timeout(backend);
        let subscribe = async |uri: String| {
            let params = raw(&json!({ "uri": uri }));
            (session.request(caller, "resources/subscribe", Some(&params), timeout).await, uri)
        };
        let mut subscribed = Subscribed::default();
        let mut answers = std::pin::pin!(stream::iter(uris).map(subscribe).buffer_unordered(SUBSCRIBING));
        loop {
            match timeout_at(deadline, answers.next()).await {
                Ok(Some((Ok(Reply::Result(_)), uri))) => drop(subscribed.agreed.insert(uri)),
                Ok(Some((Ok(Reply::Error(error)), uri))) => {
                    let error = error.get();
                    tracing::debug!(backend = backend.name, uri, error, "a backend does not tell of a resource");
                }
                Ok(Some((Err(error), uri))) => {
                    tracing::debug!(backend = backend.name, uri, %error, "nobody tells of a resource");
                    subscribed.failure = Some(error);
                }
                Ok(None) => return subscribed,
                Err(_) => {
                    subscribed.failure = Some(EgressError::new(Cause::Timeout, "it has not agreed in time"));
                    return subscribed;
                }
            }
        }
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
