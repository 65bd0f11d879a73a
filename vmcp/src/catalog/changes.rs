//! The news that what clients see has changed.

use super::Catalog;
use crate::backend::Backends;
use crate::health::is_available;
use crate::status::{BackendStatus, Observations};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Counts the changes of the catalog.
#[derive(Debug)]
pub struct Changes {
    count: watch::Sender<u64>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { count: watch::Sender::new(0) }
    }
}

impl Changes {
    pub(super) fn announce(&self) {
        self.count.send_modify(|count| *count += 1);
    }
}

impl Catalog {
    /// Follows changes of what clients see.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.count.subscribe()
    }

    /// Follows backends that come, go, change, fail and recover, for ever, and those that say that their tools have
    /// changed: their names come from `changed_lists`.
    pub async fn follow(&self, mut changed_lists: mpsc::Receiver<String>) {
        let mut discovered = self.discovered.clone();
        let mut health = self.health.subscribe();
        let mut backends = Arc::clone(&discovered.borrow_and_update().backends);
        let mut available = BTreeMap::new();
        loop {
            // Without discovery its channel is closed, and only health changes.
            let changed = tokio::select! {
                Ok(()) = discovered.changed() => {
                    let before = std::mem::replace(&mut backends, Arc::clone(&discovered.borrow_and_update().backends));
                    let changed = !same(&before, &backends);
                    if changed {
                        self.lists.retain(&backends);
                        self.egress.retain(&backends);
                    }
                    changed
                }
                Some(backend) = changed_lists.recv() => {
                    self.lists.invalidate(&backend);
                    true
                }
                Ok(()) = health.changed() => {
                    let turned = turn(&mut available, &health.borrow_and_update());
                    // A list that is fresh must not hide that its backend does not answer any more.
                    for backend in &turned {
                        self.lists.invalidate(backend);
                    }
                    !turned.is_empty()
                }
            };
            if changed {
                self.changes.announce();
            }
        }
    }
}

fn same(one: &Backends, two: &Backends) -> bool {
    one.len() == two.len()
        && one.iter().zip(two.iter()).all(|((name, one), (other, two))| name == other && one.identity == two.identity)
}

/// The backends that were available and are not any more, or the other way round.
fn turn(available: &mut BTreeMap<String, bool>, health: &Observations) -> Vec<String> {
    let known: BTreeMap<_, _> = health
        .iter()
        .filter(|(_, seen)| seen.status() != BackendStatus::Unknown)
        .map(|(name, seen)| (name.clone(), is_available(seen.status())))
        .collect();
    let turned = known.iter().filter(|(name, now)| available.get(*name).is_some_and(|before| before != *now));
    let turned = turned.map(|(name, _)| name.clone()).collect();
    *available = known;
    turned
}
