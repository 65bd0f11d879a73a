//! Telling clients that what they see has changed.

use super::LegacyGateway;
use super::session::ClientSession;
use crate::catalog::Changed;
use crate::jsonrpc::notification;
use crate::offers::Kind;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

/// The clients that have a session.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<Vec<Weak<ClientSession>>>);

impl Clients {
    /// From now on the client of `session` is told too.
    pub(super) fn add(&self, session: &Arc<ClientSession>) {
        let mut clients = self.0.lock();
        // Those that are gone make room before the list would grow.
        if clients.len() == clients.capacity() {
            clients.retain(|client| client.strong_count() > 0);
        }
        clients.push(Arc::downgrade(session));
    }

    fn all(&self) -> Vec<Arc<ClientSession>> {
        let mut clients = self.0.lock();
        clients.retain(|client| client.strong_count() > 0);
        clients.iter().filter_map(Weak::upgrade).collect()
    }
}

impl LegacyGateway {
    /// Tells every client that sees something else now.
    pub fn announce(&self, changed: &Changed) {
        for client in self.clients.all() {
            let kinds = self.catalog.affected(client.interests(), changed);
            let methods: BTreeSet<_> = kinds.into_iter().map(Kind::changed).collect();
            for method in methods {
                client.tell(notification(method, None));
            }
        }
    }
}
