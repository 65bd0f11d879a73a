//! A cache of one kind, kept by a watch, that tells what each event changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use kube::{Resource, runtime::watcher};

use super::{
    ObjectKey,
    index::{Index, References, Referent},
    managed::Applied,
};

/// The annotation in which `kubectl apply` keeps the object as it was written.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The objects of one kind as the API server last told them; of their managed fields, only the operator's own.
#[derive(Debug)]
pub struct Cache<K> {
    objects: BTreeMap<ObjectKey, Held<K>>,
    /// What was applied to the objects, each once.
    applied: BTreeSet<Arc<Applied>>,
    index: Option<Index<K>>,
    /// What the watches that keep this cache list.
    lists: BTreeMap<Part, List<K>>,
}

/// One object, without its managed fields.
#[derive(Debug)]
struct Held<K> {
    object: Arc<K>,
    /// What the operator applied to it.
    applied: Arc<Applied>,
}

/// The part of the cluster that one watch covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Every namespace.
    All,
    /// One namespace.
    Namespace(String),
}

impl Part {
    fn covers(&self, key: &ObjectKey) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(namespace) => *namespace == key.namespace,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Namespace(namespace) => write!(f, " in {namespace}"),
        }
    }
}

/// The list by which a watch begins.
#[derive(Debug)]
struct List<K> {
    /// Objects of a list that is still arriving.
    arriving: BTreeMap<ObjectKey, (K, Applied)>,
    /// Whether a whole list has arrived.
    synced: bool,
    /// The newest version that the watch has told of.
    newest: u64,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self { arriving: BTreeMap::new(), synced: false, newest: 0 }
    }
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
        Self { objects: BTreeMap::new(), applied: BTreeSet::new(), index: None, lists: BTreeMap::new() }
    }
}

impl<K: Resource> Cache<K> {
    /// Has [`Self::referring`] find objects by what `references` returns for them.
    pub fn index_by(&mut self, references: References<K>) {
        let mut index = Index::new(references);
        for (key, cached) in &self.objects {
            index.add(key, &cached.object);
        }
        self.index = Some(index);
    }

    /// Has a watch of `part` keep this cache.
    pub fn expect(&mut self, part: Part) {
        self.lists.entry(part).or_default();
    }

    /// Whether every watch has listed its part once.
    pub fn synced(&self) -> bool {
        !self.lists.is_empty() && self.lists.values().all(|list| list.synced)
    }

    /// The object `key`.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<K>> {
        self.objects.get(key).map(|cached| &cached.object)
    }

    /// What the operator applied to `object`; `None` unless the cache holds this version of it.
    pub(super) fn applied_to(&self, object: &K) -> Option<Arc<Applied>> {
        let cached = self.objects.get(&ObjectKey::of(object))?;
        let is_same = cached.object.meta().resource_version == object.meta().resource_version;
        is_same.then(|| cached.applied.clone())
    }

    /// Every object of `namespace`, by name.
    pub fn in_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<K>> {
        let first = ObjectKey::new(namespace, "");
        let objects = self.objects.range(first..).take_while(move |(key, _)| key.namespace == namespace);
        objects.map(|(_, cached)| &cached.object)
    }

    /// Every object that refers to the object `key` of the kind `referent`, by name; none without [`Self::index_by`].
    pub fn referring(&self, referent: Referent, key: &ObjectKey) -> impl Iterator<Item = &Arc<K>> {
        let namespace = key.namespace.clone();
        let names = self.index.iter().flat_map(move |index| index.referring(referent, key));
        names.filter_map(move |name| self.get(&ObjectKey::new(namespace.clone(), name)))
    }

    /// Takes in what the watch of `part` tells, and returns what that changes.
    pub fn event(&mut self, part: &Part, event: watcher::Event<K>) -> Vec<Change<K>> {
        let list = self.lists.entry(part.clone()).or_default();
        if let watcher::Event::Apply(object) | watcher::Event::Delete(object) | watcher::Event::InitApply(object) =
            &event
        {
            list.newest = list.newest.max(version(object).unwrap_or_default());
        }
        match event {
            watcher::Event::Init => {
                list.arriving.clear();
                Vec::new()
            }
            watcher::Event::InitApply(object) => {
                list.arriving.insert(ObjectKey::of(&object), strip(object));
                Vec::new()
            }
            watcher::Event::InitDone => self.replace(part),
            watcher::Event::Apply(object) => self.take_in(ObjectKey::of(&object), strip(object)).into_iter().collect(),
            watcher::Event::Delete(object) => {
                let old = self.take(&ObjectKey::of(&object));
                let old = Some(old.unwrap_or_else(|| Arc::new(object)));
                vec![Change { old, new: None }]
            }
        }
    }

    /// Takes in `object`, which the operator wrote, before the watch tells of it, so that it is not written twice; returns
    /// what that changes.
    ///
    /// When the watch is further already, the cache knows better: the object may be gone again. Versions grow over all
    /// objects of a kind.
    pub fn insert(&mut self, object: K) -> Option<Change<K>> {
        let key = ObjectKey::of(&object);
        let newest = self.lists.iter().filter(|(part, _)| part.covers(&key)).map(|(_, list)| list.newest).max();
        if version(&object).is_some_and(|version| version <= newest.unwrap_or_default()) {
            return None;
        }
        self.take_in(key, strip(object))
    }

    /// Takes in `object` unless the cache holds the same or a newer version.
    fn take_in(&mut self, key: ObjectKey, (object, applied): (K, Applied)) -> Option<Change<K>> {
        if let Some(cached) = self.get(&key)
            && !is_newer(&object, cached.as_ref())
        {
            return None;
        }
        let new = Arc::new(object);
        let old = self.put(key, new.clone(), applied);
        Some(Change { old, new: Some(new) })
    }

    /// Holds `object`; returns what it held before.
    fn put(&mut self, key: ObjectKey, object: Arc<K>, applied: Applied) -> Option<Arc<K>> {
        let old = self.take(&key);
        if let Some(index) = &mut self.index {
            index.add(&key, &object);
        }
        let applied = self.shared(applied);
        self.objects.insert(key, Held { object, applied });
        old
    }

    /// Holds the object `key` no more.
    fn take(&mut self, key: &ObjectKey) -> Option<Arc<K>> {
        let Held { object, applied } = self.objects.remove(key)?;
        if let Some(index) = &mut self.index {
            index.remove(key, &object);
        }
        // This one and that of the set: no other object has it.
        if Arc::strong_count(&applied) <= 2 {
            self.applied.remove(&applied);
        }
        Some(object)
    }

    /// `applied`, in one copy for all objects.
    fn shared(&mut self, applied: Applied) -> Arc<Applied> {
        if let Some(known) = self.applied.get(&applied) {
            return known.clone();
        }
        let new = Arc::new(applied);
        self.applied.insert(new.clone());
        new
    }

    /// Drops the object `key`, which no longer exists; returns what that changes.
    pub fn remove(&mut self, key: &ObjectKey) -> Option<Change<K>> {
        let old = self.take(key)?;
        Some(Change { old: Some(old), new: None })
    }

    /// The list of `part` is complete: what it does not hold is gone.
    fn replace(&mut self, part: &Part) -> Vec<Change<K>> {
        let list = self.lists.entry(part.clone()).or_default();
        list.synced = true;
        let arrived = std::mem::take(&mut list.arriving);
        let gone = self.objects.keys().filter(|key| part.covers(key) && !arrived.contains_key(*key));
        let gone: Vec<_> = gone.cloned().collect();
        let mut changes: Vec<_> = gone.iter().filter_map(|key| self.remove(key)).collect();
        changes.extend(arrived.into_iter().filter_map(|(key, object)| self.take_in(key, object)));
        changes
    }
}

/// `object` without its managed fields and without the copy of itself that kubectl keeps in it; and what the former say.
fn strip<K: Resource>(mut object: K) -> (K, Applied) {
    let applied = Applied::of(object.meta());
    let metadata = object.meta_mut();
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            // A map takes half a KiB as soon as it has been more than empty.
            metadata.annotations = None;
        }
    }
    (object, applied)
}

/// The version of `object` as the number that it is by the API conventions since Kubernetes 1.35.
fn version<K: Resource>(object: &K) -> Option<u64> {
    object.meta().resource_version.as_deref()?.parse().ok()
}

/// Whether `new` is a later version than `old`. If one of them is not a number, the later message wins.
fn is_newer<K: Resource>(new: &K, old: &K) -> bool {
    match (version(new), version(old)) {
        (Some(new), Some(old)) => new > old,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use operator_api::{MCPGroup, MCPGroupSpec, MCPServerEntry};

    use super::*;
    use crate::runtime::{Kind, references::Refers};

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
        cache.expect(Part::All);
        cache.event(&Part::All, watcher::Event::Apply(group("gone", "1")));
        cache.event(&Part::All, watcher::Event::Apply(group("stays", "2")));
        cache.event(&Part::All, watcher::Event::Init);
        cache.event(&Part::All, watcher::Event::InitApply(group("stays", "2")));
        cache.event(&Part::All, watcher::Event::InitApply(group("comes", "3")));
        assert!(!cache.synced());
        let changes = cache.event(&Part::All, watcher::Event::InitDone);
        assert!(cache.synced());
        assert_eq!(changes.len(), 2, "the unchanged object is no change");
        assert_eq!(names(&cache), ["comes", "stays"]);
    }

    #[test]
    fn an_older_version_does_not_replace_what_was_written() {
        let mut cache = Cache::default();
        cache.insert(group("a", "9"));
        assert!(cache.event(&Part::All, watcher::Event::Apply(group("a", "8"))).is_empty());
        assert!(cache.event(&Part::All, watcher::Event::Apply(group("a", "9"))).is_empty());
        assert_eq!(cache.event(&Part::All, watcher::Event::Apply(group("a", "10"))).len(), 1);
    }

    #[test]
    fn the_copy_that_kubectl_keeps_of_an_object_is_not_kept_once_more() {
        let mut cache = Cache::default();
        for (name, others) in [("a", &[][..]), ("b", &["team"][..])] {
            let mut group = group(name, "1");
            let annotations = others.iter().copied().chain([LAST_APPLIED]).map(|key| (key.to_owned(), "{}".to_owned()));
            group.metadata.annotations = Some(annotations.collect());
            cache.insert(group);
        }
        let left = |name: &str| cache.get(&ObjectKey::new("ns", name)).unwrap().metadata.annotations.clone();
        assert_eq!(left("a"), None);
        assert_eq!(left("b").unwrap().into_keys().collect::<Vec<_>>(), ["team"]);
    }

    #[test]
    fn an_answer_that_comes_after_the_deletion_brings_nothing_back() {
        let mut cache = Cache::default();
        cache.event(&Part::All, watcher::Event::Apply(group("a", "1")));
        cache.event(&Part::All, watcher::Event::Delete(group("a", "3")));
        assert!(cache.insert(group("a", "2")).is_none());
        assert_eq!(names(&cache), [""; 0]);
        assert!(cache.insert(group("a", "4")).is_some());
    }

    #[test]
    fn objects_share_what_was_applied_to_them_while_there_are_any() {
        let applied = |name: &str, version: &str, fields: serde_json::Value| {
            let mut group = group(name, version);
            group.metadata.managed_fields = serde_json::from_value(serde_json::json!([
                {"manager": crate::NAME, "operation": "Apply", "subresource": "status", "fieldsV1": fields},
                {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
            ]))
            .unwrap();
            group
        };
        let status = || serde_json::json!({"f:status": {"f:phase": {}}});
        let mut cache = Cache::default();
        cache.insert(applied("a", "1", status()));
        cache.insert(applied("b", "2", status()));
        let get = |cache: &Cache<MCPGroup>, name: &str| cache.get(&ObjectKey::new("ns", name)).unwrap().clone();
        let (a, b) = (get(&cache, "a"), get(&cache, "b"));
        assert_eq!(a.metadata.managed_fields, None);
        assert!(Arc::ptr_eq(&cache.applied_to(&a).unwrap(), &cache.applied_to(&b).unwrap()));
        cache.insert(applied("a", "3", serde_json::json!({"f:status": {}})));
        assert!(cache.applied_to(&a).is_none(), "that is another version");
        assert_eq!(cache.applied.len(), 2);
        cache.remove(&ObjectKey::new("ns", "a"));
        cache.remove(&ObjectKey::new("ns", "b"));
        assert!(cache.applied.is_empty());
    }

    #[test]
    fn other_namespaces_are_not_listed() {
        let mut cache = Cache::default();
        cache.insert(group("a", "1"));
        assert_eq!(cache.in_namespace("n").count(), 0);
        assert_eq!(cache.in_namespace("nsa").count(), 0);
    }

    #[test]
    fn a_cache_of_several_namespaces_is_complete_when_all_have_been_listed() {
        let parts = ["ns", "other"].map(|name| Part::Namespace(name.to_owned()));
        let mut cache = Cache::default();
        for part in &parts {
            cache.expect(part.clone());
        }
        for part in &parts {
            assert!(!cache.synced());
            cache.event(part, watcher::Event::Init);
            if *part == parts[0] {
                cache.event(part, watcher::Event::InitApply(group("a", "1")));
            }
            cache.event(part, watcher::Event::InitDone);
        }
        assert!(cache.synced());
        assert_eq!(names(&cache), ["a"], "the list of another namespace takes nothing away");
        cache.event(&parts[0], watcher::Event::Init);
        assert_eq!(cache.event(&parts[0], watcher::Event::InitDone).len(), 1);
        assert_eq!(names(&cache), [""; 0]);
    }

    #[test]
    fn referrers_are_found_under_what_they_refer_to_now() {
        let entry = |name: &str, version: &str, group: &str| -> MCPServerEntry {
            serde_json::from_value(serde_json::json!({
                "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "MCPServerEntry",
                "metadata": {"namespace": "ns", "name": name, "resourceVersion": version},
                "spec": {"groupRef": {"name": group}, "remoteUrl": "https://mcp.example.com", "transport": "sse"},
            }))
            .unwrap()
        };
        let of = |cache: &Cache<MCPServerEntry>, namespace: &str, name: &str| -> Vec<_> {
            let key = ObjectKey::new(namespace, name);
            let found: Vec<_> = cache.referring(Referent::Ours(Kind::Group), &key).cloned().collect();
            found.iter().filter_map(|entry| entry.metadata.name.clone()).collect()
        };
        let mut cache = Cache::default();
        cache.insert(entry("b", "1", "one"));
        cache.index_by(Refers::references);
        cache.insert(entry("a", "2", "one"));
        assert_eq!(of(&cache, "ns", "one"), ["a", "b"]);
        assert!(of(&cache, "other", "one").is_empty());
        cache.insert(entry("a", "3", "two"));
        assert_eq!((of(&cache, "ns", "one"), of(&cache, "ns", "two")), (vec!["b".to_owned()], vec!["a".to_owned()]));
        cache.remove(&ObjectKey::new("ns", "b"));
        assert!(of(&cache, "ns", "one").is_empty());
        cache.event(&Part::All, watcher::Event::Init);
        cache.event(&Part::All, watcher::Event::InitDone);
        assert!(of(&cache, "ns", "two").is_empty(), "what a new list does not hold is gone");
    }
}
