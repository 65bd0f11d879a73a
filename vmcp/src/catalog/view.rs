//! What one client has of the catalog: its own sessions with backends, opened when they are needed.

use crate::backend::{Backend, Caller};
use crate::egress::{BackendSession, Egress};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long backends get to take note of a session's end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The sessions of one client.
#[derive(Debug, Default)]
pub struct ClientView {
    open: Mutex<HashMap<String, Open>>,
}

#[derive(Debug)]
struct Open {
    identity: u64,
    session: Arc<BackendSession>,
}

impl ClientView {
    /// This client's session with `backend`. One with an earlier configuration of it is ended.
    pub(super) fn session(&self, egress: &Egress, backend: &Arc<Backend>, caller: &Caller) -> Arc<BackendSession> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Ends all sessions.
    pub async fn close(&self) {
        let open: Vec<_> =
            self.open.lock().unwrap_or_else(PoisonError::into_inner).drain().map(|(_, open)| open).collect();
        futures::future::join_all(open.iter().map(|open| close(&open.session))).await;
    }
}

async fn close(session: &BackendSession) {
    if tokio::time::timeout(CLOSE_TIMEOUT, session.close()).await.is_err() {
        tracing::debug!("a backend did not take note of the end of a session");
    }
}
