//! Telling backends what a client wants to hear: at the first request, and again after a session was lost.

use super::view::Told;
use super::{Catalog, ClientView, Level};
use crate::backend::{Backend, Caller};
use crate::egress::{BackendSession, Cause, Reply};
use crate::jsonrpc::raw;
use bytes::Bytes;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

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

    /// Tells `backend` what the client wants to hear, as far as this session has not told it yet, within the time of a request to it. A
    /// backend that does not take it is asked for the rest all the same.
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
        subscriptions: BTreeSet<String>,
    ) {
        let (timeout, start) = (self.timeout(backend), Instant::now());
        // The request that follows says why a session cannot be opened.
        let Ok(offers) = session.offers(caller, timeout).await else { return };
        let telling = Telling::begin(view, backend, Told { generation: Some(session.generation()), level });
        if telling.is_known() {
            return;
        }
        // The request that follows has the same time, and is left half of it.
        let deadline = Instant::now() + timeout.saturating_sub(start.elapsed()) / 2;
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut failure = None;
        if let Some(level) = level.filter(|_| offers.logging) {
            session.listen_later();
            let params = raw(&json!({ "level": level }));
            match session.request(caller, "logging/setLevel", Some(&params), left()).await {
                Ok(Reply::Result(_)) => {}
                Ok(Reply::Error(error)) => {
                    tracing::debug!(backend = backend.name, error = error.get(), "a backend refused a level");
                }
                Err(error) => failure = Some(error),
            }
        }
        if !subscriptions.is_empty() && telling.is_in_another_session() {
            session.listen_later();
            match session.follow_resources(caller, subscriptions.clone(), left()).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let subscribed = self.subscribe_each(session, backend, caller, subscriptions, deadline).await;
                    failure = subscribed.failure.or(failure);
                }
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            None => telling.end(),
            // No request has to wait again for what this backend does not take.
            Some(error) if matches!(error.cause(), Cause::Timeout | Cause::Protocol) => {
                tracing::warn!(backend = backend.name, %error, "a backend did not take what its client wants to hear of");
                telling.end();
            }
            Some(error) => {
                tracing::debug!(backend = backend.name, %error, "a backend is told later what its client wants to hear of");
            }
        }
    }
}

/// A backend is being told. Unless that has come to its end, the next request tells it once more.
struct Telling<'a> {
    view: &'a ClientView,
    backend: &'a str,
    told: Told,
    before: Option<Told>,
    ended: bool,
}

impl<'a> Telling<'a> {
    /// Notes it before it is done: requests of the same moment need not do it too.
    fn begin(view: &'a ClientView, backend: &'a Backend, told: Told) -> Self {
        let before = view.tell(&backend.name, told);
        Self { view, backend: &backend.name, told, before, ended: false }
    }

    /// Whether the backend was told all of it before.
    fn is_known(&self) -> bool {
        self.before == Some(self.told)
    }

    /// Whether the backend was told before, in a session that is not this one. Whoever has just subscribed has said so in this one.
    fn is_in_another_session(&self) -> bool {
        self.before.is_some_and(|before| before.generation != self.told.generation)
    }

    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.view.take_back(self.backend, self.told, self.before);
        }
    }
}
