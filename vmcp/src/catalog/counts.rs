//! How many things of each kind clients are offered, for the status.

use super::cache::Key;
use super::{Catalog, Lists, Now, merge};
use crate::backend::Caller;
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

    /// Counts again what was counted, by other names. What is not known any more is not counted until somebody asks for it.
    pub(super) fn recount(&self) {
        let Now { backends, settings } = self.now();
        let caller = Caller::anonymous();
        let known: Vec<_> = self.counts.borrow().keys().copied().collect();
        for kind in known {
            let lists = backends.values().map(|backend| {
                let list = self.known(kind, backend, &caller)?;
                let slot = self.lists.slot(Key::new(kind, backend, &caller));
                Some((backend.name.clone(), slot.exposed(&list, &backend.name, &settings.naming)))
            });
            let lists = lists.collect::<Option<Lists>>();
            self.note_count(kind, lists.map(|lists| merge(kind, &lists, &settings.naming).0.len()));
        }
    }

    /// Notes that the list of `kind` has `count` items; `None` when that depends on who asks.
    pub(super) fn note_count(&self, kind: Kind, count: Option<usize>) {
        self.counts.send_if_modified(|counts| match count {
            Some(count) => counts.insert(kind, count) != Some(count),
            None => counts.remove(&kind).is_some(),
        });
    }
}
