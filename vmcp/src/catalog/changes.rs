//! The news that what clients see has changed: who has to hear of what.

use super::cache::Key;
use super::{Catalog, ExposedList, Interests, Now};
use crate::backend::{Backend, Backends, Caller};
use crate::health::{BackendNews, is_available};
use crate::offers::Kind;
use crate::settings::Settings;
use crate::status::{BackendStatus, Observations};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Changes that follow each other within this time are told to clients once.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Changes that nobody has been told of yet.
#[derive(Debug, Default)]
pub struct Changes {
    pending: Mutex<Changed>,
    woken: Notify,
}

/// What has changed.
#[derive(Debug, Default)]
pub struct Changed {
    /// Everything that a backend has of these kinds, for everyone: it came, went, or is another one now.
    kinds: BTreeSet<Kind>,
    /// Single lists.
    lists: HashSet<Key>,
}

impl Changes {
    fn announce(&self, change: impl FnOnce(&mut Changed)) {
        change(&mut self.pending.lock());
        self.woken.notify_one();
    }

    /// A list is another one than the last time that it was asked for.
    pub(super) fn list_differs(&self, key: Key) {
        self.announce(|changed| changed.lists.extend([key]));
    }
}

impl Catalog {
    /// Waits until something has changed, and takes all that has since the last time. One task may follow.
    pub async fn next_changes(&self) -> Changed {
        self.changes.woken.notified().await;
        tokio::time::sleep(DEBOUNCE).await;
        std::mem::take(&mut *self.changes.pending.lock())
    }

    /// The kinds of which whoever calls as `caller` sees something else now, whatever it was served.
    pub fn affected_for(&self, caller: &Caller, changed: &Changed) -> Vec<Kind> {
        let backends = self.backends();
        let of_lists = |kind: Kind| {
            let mut keys = backends.values().map(|backend| Key::new(kind, backend, caller));
            !changed.lists.is_empty() && keys.any(|key| changed.lists.contains(&key))
        };
        Kind::ALL.into_iter().filter(|kind| changed.kinds.contains(kind) || of_lists(*kind)).collect()
    }

    /// The kinds of which a client sees something else now than it was last served.
    pub fn affected(&self, interests: &Interests, changed: &Changed) -> Vec<Kind> {
        let naming = &self.now().settings.naming;
        let is_current = |key: &Key, list: &ExposedList| self.lists.is_current(key, list, naming);
        let of_lists = |kind: Kind| {
            let mut keys = changed.lists.iter().filter(|key| key.kind == kind);
            keys.any(|key| interests.was_served(key).is_some_and(|list| !is_current(key, &list)))
        };
        let listed = Kind::ALL.into_iter().filter(|kind| interests.has_listed(*kind));
        listed.filter(|kind| changed.kinds.contains(kind) || of_lists(*kind)).collect()
    }

    /// A backend tells a client that its lists have changed: whoever was served the same lists asks again.
    pub fn lists_changed(&self, interests: &Interests, backend: &str, kinds: &[Kind]) {
        let keys = interests.served_by(backend, kinds);
        self.invalidate(|key| keys.contains(key));
    }

    /// A backend tells whoever calls as `caller` that its lists have changed.
    pub fn lists_changed_for(&self, caller: &Caller, backend: &str, kinds: &[Kind]) {
        let Some(backend) = self.backends().get(backend).cloned() else { return };
        let keys: Vec<_> = kinds.iter().map(|kind| Key::new(*kind, &backend, caller)).collect();
        self.invalidate(|key| keys.contains(key));
    }

    fn invalidate(&self, is_stale: impl Fn(&Key) -> bool) {
        let stale = self.lists.invalidate(is_stale);
        if !stale.is_empty() {
            self.changes.announce(|changed| changed.lists.extend(stale));
        }
    }

    /// Follows settings that change, backends that come, go, change, fail and recover, for ever, and what `news` tells of them.
    pub async fn follow(&self, mut news: mpsc::Receiver<BackendNews>) {
        let mut discovered = self.discovered.clone();
        let mut health = self.health.subscribe();
        discovered.mark_unchanged();
        let Now { mut backends, mut settings } = self.now();
        let mut available = BTreeMap::new();
        loop {
            // Without discovery its channel is closed, and only health changes.
            tokio::select! {
                Ok(()) = discovered.changed() => {
                    discovered.mark_unchanged();
                    let now = self.now();
                    let before = std::mem::replace(&mut settings, now.settings);
                    self.follow_settings(&before, &settings);
                    let before = std::mem::replace(&mut backends, now.backends);
                    let others = others(&before, &backends);
                    if !others.is_empty() {
                        self.announce_backends(&others);
                        self.lists.retain(&backends);
                        self.offered.retain(&backends);
                        self.egress.retain(&backends);
                    }
                }
                Some(news) = news.recv() => match news {
                    BackendNews::Agreed(backend, agreed) => self.offered.introduce(&backend, agreed),
                    BackendNews::ListsChanged(backend, kinds) => {
                        self.invalidate(|key| key.backend == backend && kinds.contains(&key.kind));
                    }
                },
                Ok(()) = health.changed() => {
                    let turned = turned(&mut available, &health.borrow_and_update());
                    // A list that is fresh must not hide that its backend does not answer any more.
                    self.lists.invalidate(|key| turned.contains(&key.backend));
                    let turned: Vec<_> = turned.iter().filter_map(|name| backends.get(name).cloned()).collect();
                    self.announce_backends(&turned);
                }
            }
        }
    }

    /// Goes by other settings, and tells everyone who sees something else by them.
    fn follow_settings(&self, before: &Settings, after: &Settings) {
        if before.circuits != after.circuits {
            self.egress.set_token_circuits(after.circuits);
        }
        let renamed =
            if before.naming == after.naming { Vec::new() } else { self.lists.renamed(&before.naming, &after.naming) };
        let mut kinds = BTreeSet::new();
        if !before.naming.ranks_like(&after.naming) {
            // Another backend may own a name, and the merged list has another order.
            kinds.extend([Kind::Tools, Kind::Prompts]);
        }
        if before.partial_failure != after.partial_failure {
            kinds.extend(Kind::ALL);
        }
        if !renamed.is_empty() || !kinds.is_empty() {
            self.recount();
            self.changes.announce(|changed| {
                changed.lists.extend(renamed);
                changed.kinds.extend(kinds);
            });
        }
    }

    /// Tells everyone who sees things of the kinds that these backends offer.
    fn announce_backends(&self, backends: &[Arc<Backend>]) {
        if backends.is_empty() {
            return;
        }
        let offers = backends.iter().map(|backend| self.offered.of_possibly(backend));
        let kinds: BTreeSet<_> =
            offers.flat_map(|offers| Kind::ALL.into_iter().filter(move |kind| offers.has(*kind))).collect();
        self.changes.announce(|changed| changed.kinds.extend(kinds));
    }
}

/// The backends of which only one side knows, or which the sides know differently.
fn others(one: &Backends, two: &Backends) -> Vec<Arc<Backend>> {
    let missing = |from: &Backends, backend: &Backend| from.get(&backend.name).is_none_or(|other| **other != *backend);
    let gone = one.values().filter(|backend| missing(two, backend));
    let new = two.values().filter(|backend| missing(one, backend));
    gone.chain(new).cloned().collect()
}

/// The backends that were available and are not any more, or the other way round.
fn turned(available: &mut BTreeMap<String, bool>, health: &Observations) -> Vec<String> {
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
