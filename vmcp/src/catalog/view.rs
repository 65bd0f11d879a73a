//! What one client has of the catalog: its own sessions with backends, opened when they are needed.

use super::{Client, Interests, Level};
use crate::backend::{Backend, Caller};
use crate::egress::{BackendSession, Egress, Until};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

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
    users: TaskTracker,
    told: Option<Told>,
}

/// A session that somebody uses: until then it is not ended for another one.
pub(super) struct Used {
    session: Arc<BackendSession>,
    _user: TaskTrackerToken,
}

impl Deref for Used {
    type Target = BackendSession;

    fn deref(&self) -> &BackendSession {
        &self.session
    }
}

/// What a session's backend was told of the client's interests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// How often the session had been opened by then; not at all, where that was another session.
    pub(super) generation: Option<u64>,
    pub(super) level: Option<Level>,
}

impl ClientView {
    /// The part of `client`, which wants to hear of `interests`.
    pub fn new(client: Arc<dyn Client>, interests: Arc<Interests>) -> Self {
        Self { client, interests, open: Mutex::default() }
    }

    /// This client's session with `backend`. One with an earlier configuration of it is ended when its last request has an answer.
    pub(super) fn session(&self, egress: &Egress, backend: &Arc<Backend>, caller: &Caller) -> Used {
        let mut open = self.lock();
        if let Some(known) = open.get(&backend.name).filter(|known| known.identity == backend.identity) {
            return known.used();
        }
        let session = Arc::new(egress.open_for(backend, caller, Arc::clone(&self.client).on_behalf(backend)));
        let mut new = Open { identity: backend.identity, session, users: TaskTracker::new(), told: None };
        let used = new.used();
        if let Some(old) = open.remove(&backend.name) {
            // What the backend was told, it was told in a session that is not this one.
            new.told = old.told.map(|told| Told { generation: None, ..told });
            tokio::spawn(async move {
                old.users.close();
                old.users.wait().await;
                // Other replicas may have calls under way in it.
                within_time(old.session.leave(Until::Unused)).await;
            });
        }
        open.insert(backend.name.clone(), new);
        used
    }

    /// Notes what the backend of a session is told, and returns what it was told before.
    pub(super) fn tell(&self, backend: &str, told: Told) -> Option<Told> {
        self.lock().get_mut(backend).and_then(|open| open.told.replace(told))
    }

    /// Notes that the backend of a session knows what it was told `before`, and not for sure what it is `told` now.
    pub(super) fn take_back(&self, backend: &str, told: Told, before: Option<Told>) {
        if let Some(open) = self.lock().get_mut(backend).filter(|open| open.told == Some(told)) {
            open.told = before;
        }
    }

    /// The sessions that are open, by backend.
    pub(super) fn sessions(&self) -> Vec<(String, Arc<BackendSession>)> {
        self.lock().iter().map(|(name, open)| (name.clone(), Arc::clone(&open.session))).collect()
    }

    /// Ends all sessions.
    pub async fn close(&self) {
        let open: Vec<_> = self.lock().drain().map(|(_, open)| open).collect();
        futures::future::join_all(open.iter().map(|open| within_time(open.session.close()))).await;
    }

    /// Leaves all sessions to other replicas, and ends those that are of this one alone.
    pub async fn leave(&self) {
        let open: Vec<_> = self.lock().drain().map(|(_, open)| open).collect();
        futures::future::join_all(open.iter().map(|open| within_time(open.session.leave(Until::End)))).await;
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock()
    }
}

impl Open {
    fn used(&self) -> Used {
        Used { session: Arc::clone(&self.session), _user: self.users.token() }
    }
}

async fn within_time(end: impl Future<Output = ()>) {
    if tokio::time::timeout(CLOSE_TIMEOUT, end).await.is_err() {
        tracing::debug!("a backend did not take note of the end of a session");
    }
}
