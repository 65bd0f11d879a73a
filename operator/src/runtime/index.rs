//! An index of a cache: which objects refer to something, without looking at every object.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, ObjectKey};

/// The kinds by which objects are found that refer to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Referent {
    /// A kind of ours.
    Ours(Kind),
    /// Secret.
    Secret,
    /// ConfigMap.
    ConfigMap,
}

/// What an object refers to, by kind and name; all in its own namespace.
pub type References<K> = fn(&K) -> Vec<(Referent, &str)>;

/// The names of the objects of one kind, by what they refer to.
#[derive(Debug)]
pub(super) struct Index<K> {
    references: References<K>,
    referrers: BTreeMap<(Referent, ObjectKey), BTreeSet<String>>,
}

impl<K> Index<K> {
    pub(super) fn new(references: References<K>) -> Self {
        Self { references, referrers: BTreeMap::new() }
    }

    /// Takes in `object`, whose key is `key`.
    pub(super) fn add(&mut self, key: &ObjectKey, object: &K) {
        for (referent, name) in (self.references)(object) {
            self.referrers.entry((referent, key.sibling(name))).or_default().insert(key.name.clone());
        }
    }

    /// Forgets `object`, as it was taken in.
    pub(super) fn remove(&mut self, key: &ObjectKey, object: &K) {
        for (referent, name) in (self.references)(object) {
            let referred = (referent, key.sibling(name));
            if let Some(names) = self.referrers.get_mut(&referred) {
                names.remove(&key.name);
                if names.is_empty() {
                    self.referrers.remove(&referred);
                }
            }
        }
    }

    /// The names of those that refer to the object `key` of the kind `referent`, sorted.
    pub(super) fn referring(&self, referent: Referent, key: &ObjectKey) -> impl Iterator<Item = &String> {
        self.referrers.get(&(referent, key.clone())).into_iter().flatten()
    }
}
