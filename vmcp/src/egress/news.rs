//! What a session learns of its backend beside the answers to requests.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, watch};

use crate::offers::{Kind, Offers};

/// How often each kind of list has changed, by what the backend said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListChanges {
    /// That of tools.
    pub tools: u64,
    /// That of prompts.
    pub prompts: u64,
    /// Those of resources and their templates.
    pub resources: u64,
}

impl ListChanges {
    /// The kinds whose lists have changed since `earlier`.
    pub fn since(self, earlier: Self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.of(*kind) != earlier.of(*kind))
    }

    fn of(self, kind: Kind) -> u64 {
        match kind {
            Kind::Tools => self.tools,
            Kind::Prompts => self.prompts,
            Kind::Resources | Kind::Templates => self.resources,
        }
    }
}

/// What a handshake agreed on, and what the backend told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The MCP revision.
    pub revision: &'static str,
    /// What the backend offers.
    pub offers: Offers,
    /// How to use it, for models.
    pub instructions: Option<Arc<str>>,
}

/// Shared by a session and the tasks that read its streams.
#[derive(Debug)]
pub(super) struct News {
    agreed: Mutex<Option<Agreed>>,
    generation: AtomicU64,
    changes: watch::Sender<ListChanges>,
    /// Whether the backend's own stream is wanted.
    wanted: AtomicBool,
    /// Wakes whoever has to do something about a session that is lost; there is one at most.
    lost: Notify,
}

impl News {
    pub(super) fn new() -> Self {
        Self {
            agreed: Mutex::new(None),
            generation: AtomicU64::new(0),
            changes: watch::Sender::default(),
            wanted: AtomicBool::new(false),
            lost: Notify::new(),
        }
    }

    /// A handshake has ended.
    pub(super) fn negotiated(&self, agreed: Agreed) {
        self.continued(agreed);
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// The session of a handshake that another replica has made goes on here.
    pub(super) fn continued(&self, agreed: Agreed) {
        *self.agreed.lock() = Some(agreed);
    }

    /// The backend has told anew what it offers. That is a handshake only where it speaks another revision than before.
    pub(super) fn refreshed(&self, agreed: Agreed) {
        let revision = agreed.revision;
        let before = self.agreed.lock().replace(agreed);
        if before.is_none_or(|before| before.revision != revision) {
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was agreed does not hold any more.
    pub(super) fn forget(&self) {
        self.agreed.lock().take();
    }

    /// The session was lost, as a request or the backend's own stream shows.
    pub(super) fn session_lost(&self) {
        self.lost.notify_one();
    }

    /// Waits until that is so, or was since the last time.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Counts the handshakes.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// What the last handshake agreed on.
    pub(super) fn agreed(&self) -> Option<Agreed> {
        self.agreed.lock().clone()
    }

    /// The revision of the last handshake.
    pub(super) fn revision(&self) -> Option<&'static str> {
        self.agreed.lock().as_ref().map(|agreed| agreed.revision)
    }

    /// The backend says that lists of its own are others now, by the notification's method.
    pub(super) fn list_changed(&self, method: &str) {
        self.changes.send_modify(|changes| match Kind::changed_by(method).next() {
            Some(Kind::Tools) => changes.tools += 1,
            Some(Kind::Prompts) => changes.prompts += 1,
            Some(Kind::Resources | Kind::Templates) => changes.resources += 1,
            None => {}
        });
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<ListChanges> {
        self.want_stream();
        self.changes.subscribe()
    }

    /// From now on the backend's own stream is wanted.
    pub(super) fn want_stream(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether the backend's own stream is wanted.
    pub(super) fn is_stream_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}
