//! A gateway to the one backend, for clients of an era that is not the backend's: what they ask passes on translated.

use super::LONGEST_REQUEST;
use crate::backend::Caller;
use crate::catalog::Catalog;
use crate::discovery::Snapshot;
use crate::egress::Egress;
use crate::health::Health;
use crate::ingress::{Opened, Outbox, SessionLimits, Unopened, Upstream};
use crate::legacy::LegacyGateway;
use crate::modern::ModernGateway;
use crate::naming::Naming;
use crate::seal::Sealer;
use crate::selection::ToolSelection;
use crate::settings::Settings;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use vmcp_config::{Duration, PartialFailureMode, Timeouts};

/// The gateways of both eras.
#[derive(Debug)]
pub(super) struct Bridge {
    discovered: watch::Receiver<Snapshot>,
    tools: watch::Receiver<Arc<ToolSelection>>,
    /// What is discovered, with the settings of the gateways.
    configured: watch::Sender<Snapshot>,
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
        tools: watch::Receiver<Arc<ToolSelection>>,
        sealer: Arc<Sealer>,
        limits: SessionLimits,
    ) -> Self {
        let first = Snapshot { settings: settings(&tools.borrow()), ..discovered.borrow().clone() };
        let configured = watch::Sender::new(first);
        // Nothing is probed, hence nothing recorded.
        let catalog = Catalog::new(configured.subscribe(), egress, Health::new(1)).without_probes();
        let catalog = Arc::new(catalog);
        let legacy = LegacyGateway::new(name.to_owned(), Arc::clone(&catalog));
        let modern = ModernGateway::new(name, Arc::clone(&catalog), sealer, limits);
        Self { discovered, tools, configured, catalog, legacy, modern }
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
        tokio::join!(self.configure(), self.catalog.follow(no_news), announcing);
    }

    /// Passes on what is discovered, and which tools clients see.
    async fn configure(&self) {
        let (mut discovered, mut tools) = (self.discovered.clone(), self.tools.clone());
        discovered.mark_changed();
        loop {
            tokio::select! {
                Ok(()) = discovered.changed() => {
                    let now = discovered.borrow_and_update().clone();
                    self.configured
                        .send_modify(|known| *known = Snapshot { settings: Arc::clone(&known.settings), ..now });
                }
                Ok(()) = tools.changed() => {
                    let now = settings(&tools.borrow_and_update());
                    self.configured.send_modify(|known| known.settings = now);
                }
                else => return,
            }
        }
    }
}

/// What the gateways go by.
fn settings(tools: &ToolSelection) -> Arc<Settings> {
    Arc::new(Settings {
        naming: Arc::new(Naming::of_one(tools.clone())),
        timeouts: Timeouts { default: Duration::from_secs(LONGEST_REQUEST.as_secs()), per_workload: None },
        // Without the one backend there is nothing to list.
        partial_failure: PartialFailureMode::Fail,
        ..Settings::default()
    })
}
