//! What one client has of the catalog: its own sessions with backends, opened when they are needed.

use super::{Client, Interests, Level};
use crate::backend::{Backend, Caller};
use crate::egress::{BackendSession, Egress};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long backends get to take note of a session's end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// One client's part of the catalog.
#[derive(Debug)]
pub struct ClientView {
    client: Arc<dyn Client>,
    /// What the client wants to hear of.
    pub interests: Arc<Interests>,
    open: Mutex<HashMap<String, Open>>,
}

#[derive(Debug)]
struct Open {
    identity: u64,
    session: Arc<BackendSession>,
    told: Option<Told>,
}

/// What a session's backend was told of the client's interests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// How often the session had been opened by then.
    pub(super) generation: u64,
    pub(super) level: Option<Level>,
}

impl ClientView {
    /// The part of `client`, which wants to hear of `interests`.
    pub fn new(client: Arc<dyn Client>, interests: Arc<Interests>) -> Self {
        Self { client, interests, open: Mutex::default() }
    }

    /// This client's session with `backend`. One with an earlier configuration of it is ended.
    pub(super) fn session(&self, egress: &Egress, backend: &Arc<Backend>, caller: &Caller) -> Arc<BackendSession> {
        let mut open = self.lock();
        if let Some(known) = open.get(&backend.name).filter(|known| known.identity == backend.identity) {
            return Arc::clone(&known.session);
        }
        let session = Arc::new(egress.open_for(backend, caller, Arc::clone(&self.client).on_behalf(backend)));
        let new = Open { identity: backend.identity, session: Arc::clone(&session), told: None };
        if let Some(old) = open.insert(backend.name.clone(), new) {
            tokio::spawn(async move { close(&old.session).await });
        }
        session
    }

    /// Notes what the backend of a session is told, and returns what it was told before.
    pub(super) fn tell(&self, backend: &str, told: Told) -> Option<Told> {
        self.lock().get_mut(backend).and_then(|open| open.told.replace(told))
    }

    /// The sessions that are open, by backend.
    pub(super) fn sessions(&self) -> Vec<(String, Arc<BackendSession>)> {
        self.lock().iter().map(|(name, open)| (name.clone(), Arc::clone(&open.session))).collect()
    }

    /// Ends all sessions.
    pub async fn close(&self) {
        let open: Vec<_> = self.lock().drain().map(|(_, open)| open).collect();
        futures::future::join_all(open.iter().map(|open| close(&open.session))).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn close(session: &BackendSession) {
    if tokio::time::timeout(CLOSE_TIMEOUT, session.close()).await.is_err() {
        tracing::debug!("a backend did not take note of the end of a session");
    }
}
