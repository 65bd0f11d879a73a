//! What the backends offer and tell of themselves, as their last handshakes said.

use super::Catalog;
use crate::backend::{Backend, Backends};
use crate::egress::Agreed;
use crate::offers::Offers;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Instructions beyond this are left out, in bytes: every client's model would have to read them.
const LONGEST_INSTRUCTIONS: usize = 64 * 1024;

/// What is known of each backend.
#[derive(Debug, Default)]
pub(super) struct Offered(Mutex<HashMap<String, Known>>);

/// The last known offers of exactly one configuration of a backend.
#[derive(Debug)]
struct Known {
    identity: u64,
    offers: Offers,
    instructions: Option<Arc<str>>,
}

impl Offered {
    /// Notes what `backend` offers, as a client's session learnt. What it tells that client is nobody else's business.
    pub(super) fn note(&self, backend: &Backend, offers: Offers) {
        let mut known = self.lock();
        match known.get_mut(&backend.name) {
            Some(known) if known.identity == backend.identity => known.offers = offers,
            _ => {
                known.insert(backend.name.clone(), Known { identity: backend.identity, offers, instructions: None });
            }
        }
    }

    /// Notes what `backend` tells of itself to everyone: the gateway asked on nobody's behalf.
    pub(super) fn introduce(&self, backend: &Backend, agreed: Agreed) {
        let Agreed { offers, instructions, .. } = agreed;
        let instructions = instructions.filter(|text| {
            let fits = text.len() <= LONGEST_INSTRUCTIONS;
            if !fits {
                tracing::warn!(
                    backend = backend.name,
                    bytes = text.len(),
                    "its instructions are left out: more than {LONGEST_INSTRUCTIONS} bytes"
                );
            }
            fits && !text.trim().is_empty()
        });
        self.lock().insert(backend.name.clone(), Known { identity: backend.identity, offers, instructions });
    }

    /// What `backend` offers, if that is known.
    pub(super) fn of(&self, backend: &Backend) -> Option<Offers> {
        self.known(backend, |known| known.offers)
    }

    /// What `backend` may offer: anything, as long as it is not known.
    pub(super) fn of_possibly(&self, backend: &Backend) -> Offers {
        self.of(backend).unwrap_or_else(Offers::all)
    }

    /// How to use `backend`, in its own words.
    fn instructions_of(&self, backend: &Backend) -> Option<Arc<str>> {
        self.known(backend, |known| known.instructions.clone()).flatten()
    }

    fn known<T>(&self, backend: &Backend, what: impl FnOnce(&Known) -> T) -> Option<T> {
        self.lock().get(&backend.name).filter(|known| known.identity == backend.identity).map(what)
    }

    /// Forgets backends that are gone or configured differently.
    pub(super) fn retain(&self, backends: &Backends) {
        self.lock().retain(|name, known| backends.get(name).is_some_and(|backend| backend.identity == known.identity));
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock()
    }
}

impl Catalog {
    /// What a client may ask of the gateway: whatever one of the backends offers, or may offer while nothing is known of
    /// it; and lists of tools, which may be empty.
    pub fn offers(&self) -> Offers {
        let tools = Offers { tools: true, ..Offers::default() };
        self.backends().values().map(|backend| self.offered.of_possibly(backend)).fold(tools, Offers::or)
    }

    /// How to use the backends, as far as they say and that is known: in the order of their names, each under its name; the
    /// words of an only backend as they are.
    pub fn instructions(&self) -> Option<String> {
        let backends = self.backends();
        let told =
            backends.values().filter_map(|backend| Some((&backend.name, self.offered.instructions_of(backend)?)));
        let sections: Vec<_> = told
            .map(
                |(name, text)| {
                    if backends.len() == 1 { text.to_string() } else { format!("# {name}\n\n{}", text.trim()) }
                },
            )
            .collect();
        (!sections.is_empty()).then(|| sections.join("\n\n"))
    }
}
