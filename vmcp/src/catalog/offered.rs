//! What the backends offer and tell of themselves, as their last handshakes said.

use super::{Catalog, ClientView};
use crate::backend::{Backend, Backends, Caller};
use crate::egress::Agreed;
use crate::jsonrpc::ErrorObject;
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
        let instructions = usable(backend, instructions);
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

/// What a client is told of the backends before it asks for anything.
#[derive(Debug)]
pub struct Introduction {
    /// What it may ask for.
    pub offers: Offers,
    /// How to use what it finds.
    pub instructions: Option<String>,
    /// Whether it is the one backend that speaks here, as it is at this moment.
    pub is_backends: bool,
}

impl Catalog {
    /// What `caller` is told of the backends: what is known of them, or what they tell the client itself where nobody else asks.
    pub async fn introduction(&self, view: &ClientView, caller: &Caller) -> Result<Introduction, ErrorObject> {
        if self.probed {
            let (offers, instructions) = (self.offers(), self.instructions());
            return Ok(Introduction { offers, instructions, is_backends: false });
        }
        let backends = self.backends();
        let told = backends.values().map(|backend| async move {
            let session = view.session(&self.egress, backend, caller);
            // Whoever asks wants to know whether the backend is there, too.
            let reached = session.request(caller, "ping", None, self.timeout(backend)).await;
            reached.map_err(|failure| self.unavailable(&backend.name, &failure))?;
            let agreed = session.agreed();
            let offers = agreed.as_ref().map(|agreed| agreed.offers).unwrap_or_default();
            self.offered.note(backend, offers);
            let text = agreed.and_then(|agreed| usable(backend, agreed.instructions));
            Ok::<_, ErrorObject>((backend.name.as_str(), offers, text))
        });
        let told = futures::future::try_join_all(told).await?;
        let offers = told.iter().fold(Offers::default(), |all, (_, offers, _)| all.or(*offers));
        let texts = told.into_iter().filter_map(|(name, _, text)| Some((name, text?)));
        Ok(Introduction { offers, instructions: sections(texts, backends.len() == 1), is_backends: true })
    }

    /// Sees to it that the client whose sessions these are hears of changes, where nobody else does.
    pub fn listen_later(&self, view: &ClientView) {
        if !self.probed {
            for (_, session) in view.sessions() {
                session.listen_later();
            }
        }
    }

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
        let told = backends
            .values()
            .filter_map(|backend| Some((backend.name.as_str(), self.offered.instructions_of(backend)?)));
        sections(told, backends.len() == 1)
    }
}

/// What each of these backends says, under its name unless it is the only one there is.
fn sections<'a>(told: impl Iterator<Item = (&'a str, Arc<str>)>, is_only: bool) -> Option<String> {
    let section = |(name, text): (&str, Arc<str>)| {
        if is_only { text.to_string() } else { format!("# {name}\n\n{}", text.trim()) }
    };
    let sections: Vec<_> = told.map(section).collect();
    (!sections.is_empty()).then(|| sections.join("\n\n"))
}

/// The instructions of `backend`, unless there is nothing in them or too much.
fn usable(backend: &Backend, instructions: Option<Arc<str>>) -> Option<Arc<str>> {
    instructions.filter(|text| {
        let fits = text.len() <= LONGEST_INSTRUCTIONS;
        if !fits {
            tracing::warn!(
                backend = backend.name,
                bytes = text.len(),
                "its instructions are left out: more than {LONGEST_INSTRUCTIONS} bytes"
            );
        }
        fits && !text.trim().is_empty()
    })
}
