//! All sessions of one server.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;

use super::session::Session;
use crate::world::Announcement;

/// Sessions that a server keeps; beyond that the one that was silent for longest ends.
const MOST_SESSIONS: usize = 10_000;

/// All sessions of a server.
#[derive(Default)]
pub(in crate::mcp) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

impl Sessions {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock()
    }

    /// Begins a session for `subject`.
    pub(super) fn begin(&self, subject: Option<String>, resumable: bool) -> Arc<Session> {
        let session = Arc::new(Session::new(subject, resumable));
        let mut all = self.all();
        if all.len() >= MOST_SESSIONS {
            let idlest = all.values().min_by_key(|session| session.last_used()).map(|session| session.id.clone());
            if let Some(ended) = idlest.and_then(|id| all.remove(&id)) {
                ended.close();
                tracing::warn!("a server has {MOST_SESSIONS} sessions: the one that was silent for longest ends");
            }
        }
        all.insert(session.id.clone(), Arc::clone(&session));
        session
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.all().get(id).cloned()?;
        session.touch();
        Some(session)
    }

    /// Ends a session and its streams; `false` when there is none of that name.
    pub(super) fn end(&self, id: &str) -> bool {
        let ended = self.all().remove(id);
        ended.inspect(|session| session.close()).is_some()
    }

    pub(in crate::mcp) fn end_all(&self) {
        for (_, session) in self.all().drain() {
            session.close();
        }
    }

    /// Tells each session about a change on one of its streams.
    pub(in crate::mcp) fn announce(&self, announcement: &Announcement) {
        for session in self.all().values() {
            session.announce(announcement);
        }
    }
}
