//! The catalog: one list of each kind out of those of many backends, and the way of a request to the backend that owns
//! what it names: tools, prompts, resources and templates.
//!
//! Names are a function of the configuration and of the last known list of every backend. Health never moves a name:
//! a tool of a backend that is down fails, it is not routed elsewhere.

mod ask;
mod cache;
mod changes;
mod claims;
mod client;
mod complete;
mod counts;
pub(crate) mod error;
mod interests;
mod items;
mod level;
mod list;
mod merge;
mod named;
mod naming;
mod offered;
mod page;
mod resources;
mod tell;
mod template;
mod view;

pub use changes::{Changed, Changes};
pub use client::{Client, Conversation};
pub use complete::COMPLETE_KEYS;
pub use counts::Counts;
pub use interests::Interests;
pub use items::{Item, ItemError, ItemList};
pub use level::Level;
pub use list::Listing;
pub use merge::{Collision, Lists, candidates, merge};
pub use named::NAMED_KEYS;
pub use naming::Naming;
pub use resources::RESOURCE_KEYS;
pub use view::ClientView;

use crate::backend::Backends;
use crate::discovery::Snapshot;
use crate::egress::Egress;
use crate::health::Health;
use cache::ListCache;
use offered::Offered;
use std::sync::Arc;
use tokio::sync::watch;
use vmcp_config::{PartialFailureMode, Timeouts};

/// How the catalog behaves, from the configuration.
#[derive(Debug)]
pub struct CatalogOptions {
    /// What clients see, under which names.
    pub naming: Naming,
    /// How long requests to backends may take.
    pub timeouts: Timeouts,
    /// Whether a list fails when one backend does.
    pub partial_failure: PartialFailureMode,
}

/// What all backends have.
#[derive(Debug)]
pub struct Catalog {
    options: CatalogOptions,
    discovered: watch::Receiver<Snapshot>,
    egress: Egress,
    health: Health,
    lists: ListCache,
    offered: Offered,
    changes: Changes,
    counts: watch::Sender<Counts>,
}

impl Catalog {
    /// A catalog of whatever `discovered` holds at the time of a request.
    pub fn new(options: CatalogOptions, discovered: watch::Receiver<Snapshot>, egress: Egress, health: Health) -> Self {
        let (lists, offered, changes) = (ListCache::default(), Offered::default(), Changes::default());
        Self { options, discovered, egress, health, lists, offered, changes, counts: watch::Sender::default() }
    }

    fn backends(&self) -> Backends {
        Arc::clone(&self.discovered.borrow().backends)
    }
}
