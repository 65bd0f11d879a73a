//! One MCP server: its description, which may change, and what it knows of its clients.

use parking_lot::RwLock;
use std::sync::Arc;

use super::access::describes_resource;
use super::legacy::Sessions;
use super::modern::{StateKey, Subscriptions, Tasks};
use crate::clock::Clock;
use crate::oauth::Issuers;
use crate::wire::{Outcome, Received};
use crate::world::{Announcement, Server, ServerUrl, Transport};

/// A living MCP server.
pub(crate) struct McpServer {
    definition: RwLock<Arc<Server>>,
    pub(super) issuers: Issuers,
    pub(super) clock: Clock,
    /// Of legacy clients.
    pub(super) sessions: Arc<Sessions>,
    /// Of modern clients.
    pub(super) subscriptions: Subscriptions,
    pub(super) state_key: StateKey,
    pub(super) tasks: Tasks,
}

impl McpServer {
    pub(crate) fn new(definition: Server, issuers: Issuers, clock: Clock) -> Self {
        Self {
            definition: RwLock::new(Arc::new(definition)),
            issuers,
            clock,
            sessions: Arc::default(),
            subscriptions: Subscriptions::default(),
            state_key: StateKey::new(),
            tasks: Tasks::default(),
        }
    }

    /// The description as it is now.
    pub(crate) fn definition(&self) -> Arc<Server> {
        Arc::clone(&self.definition.read())
    }

    pub(crate) fn url(&self) -> ServerUrl {
        self.definition().url.clone()
    }

    /// Changes the description.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Server)) {
        let mut definition = self.definition.write();
        change(Arc::make_mut(&mut definition));
    }

    /// Tells clients about a change.
    pub(crate) fn announce(&self, announcement: &Announcement) {
        self.sessions.announce(announcement);
        self.subscriptions.announce(announcement);
    }

    /// Forgets all sessions, and ends subscriptions in order.
    pub(crate) fn end_sessions(&self) {
        self.sessions.end_all();
        self.subscriptions.finish_all();
    }

    /// Forgets all sessions and ends all streams without a word.
    pub(crate) fn cut_off(&self) {
        self.sessions.end_all();
        self.subscriptions.cut_all();
    }

    /// Whether the server serves something at `path`.
    pub(crate) fn serves(&self, path: &str) -> bool {
        let definition = self.definition();
        path == definition.url.path()
            || (definition.transport == Transport::Sse && path == definition.messages_path())
            || describes_resource(&definition, path)
    }

    /// Answers a request to one of the paths that it serves.
    pub(crate) fn answer(self: &Arc<Self>, received: &Received) -> Outcome {
        let definition = self.definition();
        if describes_resource(&definition, &received.path) {
            return self.resource_metadata(&definition);
        }
        match definition.transport {
            Transport::StreamableHttp if super::modern::is_meant(&definition, received) => {
                self.answer_modern(&definition, received)
            }
            Transport::StreamableHttp => self.answer_streamable(&definition, received),
            Transport::Sse => self.answer_sse(&definition, received),
        }
    }
}
