//! What a session learns of its backend beside the answers to requests.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Shared by a session and the tasks that read its streams.
#[derive(Debug)]
pub(super) struct News {
    revision: Mutex<Option<&'static str>>,
    tools_changed: watch::Sender<u64>,
}

impl News {
    pub(super) fn new() -> Self {
        Self { revision: Mutex::new(None), tools_changed: watch::Sender::new(0) }
    }

    /// The handshake agreed on this revision.
    pub(super) fn negotiated(&self, revision: &'static str) {
        *self.revision.lock().unwrap_or_else(PoisonError::into_inner) = Some(revision);
    }

    /// The revision that the last handshake agreed on.
    pub(super) fn revision(&self) -> Option<&'static str> {
        *self.revision.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The backend says that its list of tools is another one now.
    pub(super) fn tools_changed(&self) {
        self.tools_changed.send_modify(|count| *count += 1);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.tools_changed.subscribe()
    }

    /// Whether anybody wants to know about changes.
    pub(super) fn has_subscribers(&self) -> bool {
        self.tools_changed.receiver_count() > 0
    }
}
