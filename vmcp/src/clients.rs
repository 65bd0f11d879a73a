//! The clients of a session each, for who has something to tell all of them.

use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// Clients that are there as long as somebody else keeps them.
#[derive(Debug)]
pub(crate) struct Clients<T>(Mutex<Vec<Weak<T>>>);

impl<T> Default for Clients<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Clients<T> {
    /// From now on `client` is told too.
    pub(crate) fn add(&self, client: &Arc<T>) {
        let mut clients = self.0.lock();
        // Those that are gone make room before the list would grow.
        if clients.len() == clients.capacity() {
            clients.retain(|client| client.strong_count() > 0);
        }
        clients.push(Arc::downgrade(client));
    }

    /// Those that are there.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        let mut clients = self.0.lock();
        clients.retain(|client| client.strong_count() > 0);
        clients.iter().filter_map(Weak::upgrade).collect()
    }
}
