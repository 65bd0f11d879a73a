//! A gateway to the one backend, for clients of an era that is not the backend's: what they ask passes on translated.

use crate::backend::Caller;
use crate::catalog::Catalog;
use crate::discovery::Snapshot;
use crate::egress::Egress;
use crate::health::Health;
use crate::ingress::{Opened, Outbox, SessionLimits, Unopened, Upstream};
use crate::legacy::LegacyGateway;
use crate::modern::ModernGateway;
use crate::seal::Sealer;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// The gateways of both eras.
#[derive(Debug)]
pub(super) struct Bridge {
    catalog: Arc<Catalog>,
    /// For clients with sessions.
    legacy: LegacyGateway,
    /// For clients without.
    pub(super) modern: ModernGateway,
}

impl Bridge {
    pub(super) fn new(
        name: &str,
        discovered: watch::Receiver<Snapshot>,
        egress: Egress,
        sealer: Arc<Sealer>,
        limits: SessionLimits,
    ) -> Self {
        // Nothing is probed, hence nothing recorded.
        let catalog = Arc::new(Catalog::new(discovered, egress, Health::new(1)).without_probes());
        let legacy = LegacyGateway::new(name.to_owned(), Arc::clone(&catalog));
        let modern = ModernGateway::new(name, Arc::clone(&catalog), sealer, limits);
        Self { catalog, legacy, modern }
    }

    /// Opens a session of a client with sessions.
    pub(super) async fn open(
        &self,
        caller: &Caller,
        params: &RawValue,
        outbox: Arc<Outbox>,
    ) -> Result<Opened, Unopened> {
        self.legacy.open(caller, params, outbox).await
    }

    /// Follows what changes, for ever: forgets connections, tokens and lists of earlier settings of the backend, and tells clients.
    pub(super) async fn follow(&self) {
        let (_, no_news) = mpsc::channel(1);
        let announcing = async {
            loop {
                let changed = self.catalog.next_changes().await;
                self.legacy.announce(&changed);
                self.modern.announce(&changed);
            }
        };
        tokio::join!(self.catalog.follow(no_news), announcing);
    }
}
