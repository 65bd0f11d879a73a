//! The catalog: one list of tools out of many backends, and the way of a call to the backend that owns the tool.
//!
//! Names are a function of the configuration and of the last known list of every backend. Health never moves a name:
//! a tool of a backend that is down fails, it is not routed elsewhere.

mod cache;
mod call;
mod changes;
pub(crate) mod error;
mod list;
mod merge;
mod naming;
mod tools;
mod view;

pub use call::CALL_KEYS;
pub use changes::Changes;
pub use merge::{Collision, Lists, candidates, merge};
pub use naming::Naming;
pub use tools::{ItemError, Tool, ToolList};
pub use view::ClientView;

use crate::backend::Backends;
use crate::discovery::Snapshot;
use crate::egress::Egress;
use crate::health::Health;
use cache::ListCache;
use std::sync::Arc;
use tokio::sync::watch;
use vmcp_config::{PartialFailureMode, Timeouts};

/// How the catalog behaves, from the configuration.
#[derive(Debug)]
pub struct CatalogOptions {
    /// How tools are called.
    pub naming: Naming,
    /// How long requests to backends may take.
    pub timeouts: Timeouts,
    /// Whether a list fails when one backend does.
    pub partial_failure: PartialFailureMode,
}

/// The tools of all backends.
#[derive(Debug)]
pub struct Catalog {
    options: CatalogOptions,
    discovered: watch::Receiver<Snapshot>,
    egress: Egress,
    health: Health,
    lists: ListCache,
    changes: Changes,
}

impl Catalog {
    /// A catalog of whatever `discovered` holds at the time of a request.
    pub fn new(options: CatalogOptions, discovered: watch::Receiver<Snapshot>, egress: Egress, health: Health) -> Self {
        Self { options, discovered, egress, health, lists: ListCache::default(), changes: Changes::default() }
    }

    fn backends(&self) -> Backends {
        Arc::clone(&self.discovered.borrow().backends)
    }
}
