//! A cache of one kind, kept by a watch, that tells what each event changed.

use std::{collections::BTreeMap, sync::Arc};

use kube::{Resource, runtime::watcher};

use super::ObjectKey;

/// The objects of one kind as the API server last told them.
#[derive(Debug)]
pub struct Cache<K> {
    objects: BTreeMap<ObjectKey, Arc<K>>,
    /// Objects of a list that is still arriving.
    arriving: BTreeMap<ObjectKey, Arc<K>>,
    synced: bool,
}

/// One object before and after an event; `None` where it did not exist.
#[derive(Debug)]
pub struct Change<K> {
    /// The object before.
    pub old: Option<Arc<K>>,
    /// The object after.
    pub new: Option<Arc<K>>,
}

impl<K> Change<K> {
    /// The object before and after, where it existed.
    pub fn versions(&self) -> impl Iterator<Item = &K> {
        self.old.iter().chain(&self.new).map(AsRef::as_ref)
    }
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), arriving: BTreeMap::new(), synced: false }
    }
}

impl<K: Resource> Cache<K> {
    /// Whether the first list has arrived.
    pub fn synced(&self) -> bool {
        self.synced
    }

    /// The object `key`.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<K>> {
        self.objects.get(key)
    }

    /// Every object of `namespace`, by name.
    pub fn in_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<K>> {
        let first = ObjectKey::new(namespace, "");
        self.objects.range(first..).take_while(move |(key, _)| key.namespace == namespace).map(|(_, object)| object)
    }

    /// Takes in what the watch tells, and returns what that changes.
    pub fn event(&mut self, event: watcher::Event<K>) -> Vec<Change<K>> {
        match event {
            watcher::Event::Init => {
                self.arriving.clear();
                Vec::new()
            }
            watcher::Event::InitApply(object) => {
                self.arriving.insert(ObjectKey::of(&object), Arc::new(object));
                Vec::new()
            }
            watcher::Event::InitDone => self.replace(),
            watcher::Event::Apply(object) => self.insert(object).into_iter().collect(),
            watcher::Event::Delete(object) => {
                let old = self.objects.remove(&ObjectKey::of(&object));
                let old = Some(old.unwrap_or_else(|| Arc::new(object)));
                vec![Change { old, new: None }]
            }
        }
    }

    /// Takes in `object` unless the cache holds the same or a newer version; returns what that changes.
    ///
    /// What the operator writes goes in at once, before the watch tells of it, so that it is not written twice.
    pub fn insert(&mut self, object: K) -> Option<Change<K>> {
        let key = ObjectKey::of(&object);
        if let Some(cached) = self.objects.get(&key)
            && !is_newer(&object, cached.as_ref())
        {
            return None;
        }
        let new = Arc::new(object);
        let old = self.objects.insert(key, new.clone());
        Some(Change { old, new: Some(new) })
    }

    /// Drops the object `key`, which no longer exists; returns what that changes.
    pub fn remove(&mut self, key: &ObjectKey) -> Option<Change<K>> {
        let old = self.objects.remove(key)?;
        Some(Change { old: Some(old), new: None })
    }

    /// The list is complete: what it does not hold is gone.
    fn replace(&mut self) -> Vec<Change<K>> {
        self.synced = true;
        let mut arrived = std::mem::take(&mut self.arriving);
        let mut changes: Vec<_> = self
            .objects
            .iter()
            .filter(|(key, _)| !arrived.contains_key(*key))
            .map(|(_, old)| Change { old: Some(old.clone()), new: None })
            .collect();
        for (key, new) in &mut arrived {
            match self.objects.get(key) {
                Some(old) if !is_newer(new.as_ref(), old.as_ref()) => *new = old.clone(),
                old => changes.push(Change { old: old.cloned(), new: Some(new.clone()) }),
            }
        }
        self.objects = arrived;
        changes
    }
}

/// Whether `new` is a later version than `old`. Versions of one kind are numbers that grow; if one is not, or the
/// object was made anew, the later message wins.
fn is_newer<K: Resource>(new: &K, old: &K) -> bool {
    let version = |object: &K| object.meta().resource_version.as_deref().and_then(|text| text.parse::<u64>().ok());
    match (version(new), version(old)) {
        (Some(new), Some(old)) => new > old,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use operator_api::{MCPGroup, MCPGroupSpec};

    use super::*;

    fn group(name: &str, version: &str) -> MCPGroup {
        let mut group = MCPGroup::new(name, MCPGroupSpec::default());
        group.metadata.namespace = Some("ns".to_owned());
        group.metadata.resource_version = Some(version.to_owned());
        group
    }

    fn names(cache: &Cache<MCPGroup>) -> Vec<String> {
        cache.in_namespace("ns").filter_map(|group| group.metadata.name.clone()).collect()
    }

    #[test]
    fn a_new_list_replaces_the_old_one_and_tells_what_is_gone() {
        let mut cache = Cache::default();
        cache.event(watcher::Event::Apply(group("gone", "1")));
        cache.event(watcher::Event::Apply(group("stays", "2")));
        cache.event(watcher::Event::Init);
        cache.event(watcher::Event::InitApply(group("stays", "2")));
        cache.event(watcher::Event::InitApply(group("comes", "3")));
        assert!(!cache.synced());
        let changes = cache.event(watcher::Event::InitDone);
        assert!(cache.synced());
        assert_eq!(changes.len(), 2, "the unchanged object is no change");
        assert_eq!(names(&cache), ["comes", "stays"]);
    }

    #[test]
    fn an_older_version_does_not_replace_what_was_written() {
        let mut cache = Cache::default();
        cache.insert(group("a", "9"));
        assert!(cache.event(watcher::Event::Apply(group("a", "8"))).is_empty());
        assert!(cache.event(watcher::Event::Apply(group("a", "9"))).is_empty());
        assert_eq!(cache.event(watcher::Event::Apply(group("a", "10"))).len(), 1);
    }

    #[test]
    fn other_namespaces_are_not_listed() {
        let mut cache = Cache::default();
        cache.insert(group("a", "1"));
        assert_eq!(cache.in_namespace("n").count(), 0);
        assert_eq!(cache.in_namespace("nsa").count(), 0);
    }
}
