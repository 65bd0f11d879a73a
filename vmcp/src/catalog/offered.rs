//! What the backends offer, as their last handshakes said.

use super::Catalog;
use crate::backend::{Backend, Backends};
use crate::offers::Offers;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The last known offers, each of exactly one configuration of a backend.
#[derive(Debug, Default)]
pub(super) struct Offered(Mutex<HashMap<String, (u64, Offers)>>);

impl Offered {
    /// Notes what `backend` offers.
    pub(super) fn note(&self, backend: &Backend, offers: Offers) {
        self.lock().insert(backend.name.clone(), (backend.identity, offers));
    }

    /// What `backend` offers, if that is known.
    pub(super) fn of(&self, backend: &Backend) -> Option<Offers> {
        let known = self.lock().get(&backend.name).copied();
        known.filter(|(identity, _)| *identity == backend.identity).map(|(_, offers)| offers)
    }

    /// What `backend` may offer: anything, as long as it is not known.
    pub(super) fn of_possibly(&self, backend: &Backend) -> Offers {
        self.of(backend).unwrap_or_else(Offers::all)
    }

    /// Forgets backends that are gone or configured differently.
    pub(super) fn retain(&self, backends: &Backends) {
        self.lock()
            .retain(|name, (identity, _)| backends.get(name).is_some_and(|backend| backend.identity == *identity));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, Offers)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog {
    /// What a client may ask of the gateway: whatever one of the backends offers, or may offer while nothing is known of
    /// it; and lists of tools, which may be empty.
    pub fn offers(&self) -> Offers {
        let tools = Offers { tools: true, ..Offers::default() };
        self.backends().values().map(|backend| self.offered.of_possibly(backend)).fold(tools, Offers::or)
    }
}
