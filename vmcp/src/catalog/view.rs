//! What one client has of the catalog: its own sessions with backends, opened when they are needed, the lists that it
//! was served, and its subscriptions.

use super::ItemList;
use super::cache::Key;
use crate::backend::{Backend, Caller};
use crate::egress::{BackendSession, Egress};
use crate::jsonrpc::{ErrorObject, code};
use crate::offers::Kind;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long backends get to take note of a session's end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many resources a client may be subscribed to.
const MAX_SUBSCRIPTIONS: usize = 1_000;

/// One client's part of the catalog.
#[derive(Debug, Default)]
pub struct ClientView {
    open: Mutex<HashMap<String, Open>>,
    served: Mutex<HashMap<Kind, HashMap<Key, Arc<ItemList>>>>,
    /// The backends of resources, by URI.
    subscriptions: Mutex<HashMap<String, String>>,
}

#[derive(Debug)]
struct Open {
    identity: u64,
    session: Arc<BackendSession>,
}

impl ClientView {
    /// This client's session with `backend`. One with an earlier configuration of it is ended.
    pub(super) fn session(&self, egress: &Egress, backend: &Arc<Backend>, caller: &Caller) -> Arc<BackendSession> {
        let mut open = lock(&self.open);
        if let Some(known) = open.get(&backend.name).filter(|known| known.identity == backend.identity) {
            return Arc::clone(&known.session);
        }
        let session = Arc::new(egress.open(backend, caller));
        let new = Open { identity: backend.identity, session: Arc::clone(&session) };
        if let Some(old) = open.insert(backend.name.clone(), new) {
            tokio::spawn(async move { close(&old.session).await });
        }
        session
    }

    /// Notes which lists the client was served.
    pub(super) fn serve(&self, kind: Kind, lists: Vec<(Key, Arc<ItemList>)>) {
        lock(&self.served).insert(kind, lists.into_iter().collect());
    }

    /// Whether the client knows what there is of `kind`.
    pub(super) fn has_listed(&self, kind: Kind) -> bool {
        lock(&self.served).contains_key(&kind)
    }

    /// The list of this key that the client was served.
    pub(super) fn was_served(&self, key: &Key) -> Option<Arc<ItemList>> {
        lock(&self.served).get(&key.kind)?.get(key).cloned()
    }

    /// Notes that the client wants the news of a resource of `backend`.
    pub(super) fn subscribe(&self, uri: &str, backend: &str) -> Result<(), ErrorObject> {
        let mut subscriptions = lock(&self.subscriptions);
        if subscriptions.len() >= MAX_SUBSCRIPTIONS && !subscriptions.contains_key(uri) {
            let message = format!("this session has {MAX_SUBSCRIPTIONS} subscriptions, end one of them");
            return Err(ErrorObject::new(code::OVERLOADED, message));
        }
        subscriptions.insert(uri.to_owned(), backend.to_owned());
        Ok(())
    }

    /// Notes that the client does not want the news of a resource any more, and returns whose it is.
    pub(super) fn unsubscribe(&self, uri: &str) -> Option<String> {
        lock(&self.subscriptions).remove(uri)
    }

    /// Whether the client wants to hear this news of `backend`: of a resource that it is subscribed to, or of a part of
    /// one (MCP 2025-11-25, resources, subscriptions).
    pub fn is_subscribed(&self, uri: &str, backend: &str) -> bool {
        lock(&self.subscriptions).iter().any(|(whole, owner)| owner == backend && uri.starts_with(whole.as_str()))
    }

    /// Ends all sessions.
    pub async fn close(&self) {
        let open: Vec<_> = lock(&self.open).drain().map(|(_, open)| open).collect();
        futures::future::join_all(open.iter().map(|open| close(&open.session))).await;
    }
}

async fn close(session: &BackendSession) {
    if tokio::time::timeout(CLOSE_TIMEOUT, session.close()).await.is_err() {
        tracing::debug!("a backend did not take note of the end of a session");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
