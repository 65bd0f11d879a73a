//! Telling clients that what they see has changed.

use super::LegacyGateway;
use crate::catalog::Changed;
use crate::jsonrpc::notification;
use crate::offers::Kind;
use std::collections::BTreeSet;

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
