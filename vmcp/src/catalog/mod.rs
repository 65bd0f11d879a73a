//! The catalog: one list of each kind out of those of many backends, and the way of a request to the backend that owns
//! what it names: tools, prompts, resources and templates.
//!
//! Names are a function of the configuration and of the last known list of every backend. Health never moves a name:
//! a tool of a backend that is down fails, it is not routed elsewhere. Lists are kept as backends have them, and what clients see
//! is made of them anew when the configuration changes.

mod ask;
mod cache;
mod changes;
mod claims;
mod client;
mod complete;
mod counts;
pub(crate) mod error;
mod exposed;
mod interests;
mod items;
mod level;
mod list;
mod merge;
mod named;
mod offered;
mod page;
mod resources;
mod tasks;
mod tell;
mod template;
mod view;

pub use changes::{Changed, Changes};
pub use client::{Client, Conversation};
pub use complete::COMPLETE_KEYS;
pub use counts::Counts;
pub use exposed::{Exposed, ExposedList};
pub use interests::Interests;
pub use items::{Item, ItemError, ItemList};
pub use level::Level;
pub use list::Listing;
pub use merge::{Collision, Lists, candidates, merge};
pub use named::NAMED_KEYS;
pub use offered::Introduction;
pub use resources::RESOURCE_KEYS;
pub use tasks::Task;
pub use view::ClientView;

use crate::backend::{Backend, Backends};
use crate::discovery::Snapshot;
use crate::egress::Egress;
use crate::health::Health;
use crate::settings::Settings;
use cache::ListCache;
use offered::Offered;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What all backends have.
#[derive(Debug)]
pub struct Catalog {
    discovered: watch::Receiver<Snapshot>,
    egress: Egress,
    health: Health,
    lists: ListCache,
    offered: Offered,
    changes: Changes,
    counts: watch::Sender<Counts>,
    /// Whether the backends are probed: then probes tell what is everyone's, what backends offer and that lists have changed. Without
    /// them each client's own session does.
    probed: bool,
}

/// What a request goes by to its end: backends and settings of one moment.
struct Now {
    backends: Backends,
    settings: Arc<Settings>,
}

impl Catalog {
    /// A catalog of whatever `discovered` holds at the time of a request.
    pub fn new(discovered: watch::Receiver<Snapshot>, egress: Egress, health: Health) -> Self {
        let (lists, offered, changes) = (ListCache::default(), Offered::default(), Changes::default());
        Self { discovered, egress, health, lists, offered, changes, counts: watch::Sender::default(), probed: true }
    }

    /// The same where nobody probes the backends.
    #[must_use]
    pub fn without_probes(mut self) -> Self {
        self.probed = false;
        self
    }

    fn now(&self) -> Now {
        let discovered = self.discovered.borrow();
        Now { backends: Arc::clone(&discovered.backends), settings: Arc::clone(&discovered.settings) }
    }

    fn backends(&self) -> Backends {
        Arc::clone(&self.discovered.borrow().backends)
    }

    /// How long a request to `backend` may take.
    fn timeout(&self, backend: &Backend) -> Duration {
        self.discovered.borrow().settings.timeouts.of(&backend.name).as_std()
    }
}
