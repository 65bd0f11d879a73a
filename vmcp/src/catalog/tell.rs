//! Telling backends what a client wants to hear: at the first request, and again after a session was lost.

use super::view::Told;
use super::{Catalog, ClientView, Level};
use crate::backend::{Backend, Caller};
use crate::egress::{BackendSession, Reply};
use crate::jsonrpc::raw;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

impl Catalog {
    /// `logging/setLevel`: from now on the client wants log messages of this level and above. Backends that it has no
    /// session with are told when it has one.
    pub async fn set_level(&self, view: &ClientView, caller: &Caller, level: Level) {
        view.interests.set_level(level);
        let backends = self.backends();
        let open: Vec<_> = view.sessions();
        let tell = open.iter().filter_map(|(name, session)| Some((backends.get(name)?, session)));
        futures::future::join_all(tell.map(|(backend, session)| self.tell(view, caller, backend, session))).await;
    }

    /// Passes a notification of the client on to all backends that it has a session with.
    pub async fn notify_all(&self, view: &ClientView, caller: &Caller, message: &Bytes) {
        let backends = view.sessions();
        futures::future::join_all(backends.iter().map(|(name, _)| self.notify(view, caller, name, message))).await;
    }

    /// Passes a notification of the client on to a backend that it has a session with.
    pub async fn notify(&self, view: &ClientView, caller: &Caller, backend: &str, message: &Bytes) {
        let session = view.sessions().into_iter().find(|(name, _)| name == backend);
        let Some((_, session)) = session else { return };
        if let Err(error) = session.notify(caller, message.clone()).await {
            tracing::debug!(backend, %error, "a notification could not be delivered");
        }
    }

    /// Tells `backend` what the client wants to hear, as far as this session has not told it yet. A backend that does not
    /// take it is asked for the rest all the same.
    pub(super) async fn tell(
        &self,
        view: &ClientView,
        caller: &Caller,
        backend: &Arc<Backend>,
        session: &BackendSession,
    ) {
        let level = view.interests.level();
        let subscriptions = view.interests.subscribed_at(&backend.name);
        if level.is_none() && subscriptions.is_empty() {
            return;
        }
        // Rare, and large: it would be a part of each call's future.
        Box::pin(self.tell_interests(view, caller, backend, session, level, subscriptions)).await;
    }

    async fn tell_interests(
        &self,
        view: &ClientView,
        caller: &Caller,
        backend: &Arc<Backend>,
        session: &BackendSession,
        level: Option<Level>,
        subscriptions: Vec<String>,
    ) {
        let timeout = self.timeout(backend);
        // The request that follows says why a session cannot be opened.
        let Ok(offers) = session.offers(caller, timeout).await else { return };
        let told = Told { generation: Some(session.generation()), level };
        let before = view.tell(&backend.name, told);
        if before == Some(told) {
            return;
        }
        let is_new = before.is_none_or(|before| before.generation != told.generation);
        let send = async |method: &str, params: Value| {
            let answer = session.request(caller, method, Some(&raw(&params)), timeout).await;
            if let Ok(Reply::Error(error)) = answer {
                tracing::debug!(backend = backend.name, method, error = error.get(), "a backend refused");
            }
        };
        if let Some(level) = level.filter(|_| offers.logging) {
            session.listen_later();
            send("logging/setLevel", json!({ "level": level })).await;
        }
        // Whoever has just subscribed has said so in this session.
        for uri in subscriptions.into_iter().filter(|_| is_new && before.is_some()) {
            session.listen_later();
            send("resources/subscribe", json!({ "uri": uri })).await;
        }
    }
}
