//! How many things of each kind clients are offered, for the status.

use super::Catalog;
use crate::offers::Kind;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// How many things of each kind the last list had, where that list is the same for all clients.
pub type Counts = BTreeMap<Kind, usize>;

impl Catalog {
    /// Follows how many things clients are offered.
    pub fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    /// Notes that the list of `kind` has `count` items; `None` when that depends on who asks.
    pub(super) fn note_count(&self, kind: Kind, count: Option<usize>) {
        self.counts.send_if_modified(|counts| match count {
            Some(count) => counts.insert(kind, count) != Some(count),
            None => counts.remove(&kind).is_some(),
        });
    }
}
