//! The objects and their history: collections of raw JSON under one global revision.
//!
//! Each collection keeps the last changes. Watches are cursors into that history: they hold no queue of their own, and so
//! can neither lose nor reorder an event. The same history rebuilds the collection as of an earlier revision, which is what
//! the later pages of a list read. Objects that have not changed lately are [packed](Object::pack).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tokio::sync::watch;

use super::object::Object;

/// How many changes a collection remembers by default.
pub(crate) const DEFAULT_WINDOW: usize = 4096;

/// How many changes of a collection keep their objects parsed: watches read the newest ones, and writes come in bursts.
const UNPACKED: usize = 512;

/// One committed change of one object.
#[derive(Debug)]
pub(crate) struct Change {
    /// The global revision that the change made.
    pub(crate) revision: u64,
    /// The object's key in its collection.
    pub(crate) key: String,
    /// The object before, unless it was created.
    pub(crate) old: Option<Arc<Object>>,
    /// The object after, unless it was deleted.
    pub(crate) new: Option<Arc<Object>>,
    /// The object before, with the revision of the change.
    gone: OnceLock<Arc<Object>>,
}

/// All objects of one stored kind, sorted by key as the real storage sorts them.
#[derive(Debug)]
pub(crate) struct Collection {
    objects: BTreeMap<String, Arc<Object>>,
    changes: VecDeque<Arc<Change>>,
    floor: u64,
    forgotten: u64,
    drops: u64,
    latest: watch::Sender<u64>,
}

/// Everything that is stored.
#[derive(Debug)]
pub(crate) struct Store {
    revision: u64,
    collections: HashMap<Arc<str>, Collection>,
    window: usize,
}

/// The key of an object: `namespace/name`, or the name alone for a cluster-scoped one.
pub(crate) fn key(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

/// The namespace that a key names; none for a cluster-scoped object.
pub(crate) fn namespace_of(key: &str) -> Option<&str> {
    key.split_once('/').map(|(namespace, _)| namespace)
}

impl Store {
    /// An empty store whose collections remember `window` changes each.
    pub(crate) fn new(window: usize) -> Self {
        Self { revision: 1, collections: HashMap::new(), window: window.max(1) }
    }

    /// The last revision that was given out.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Makes sure that the collection exists; its history starts now.
    pub(crate) fn open(&mut self, collection: &Arc<str>) {
        let floor = self.revision;
        self.collections.entry(collection.clone()).or_insert_with(|| Collection::new(floor));
    }

    /// The collection, if it was ever opened.
    pub(crate) fn collection(&self, collection: &str) -> Option<&Collection> {
        self.collections.get(collection)
    }

    /// One object.
    pub(crate) fn object(&self, collection: &str, key: &str) -> Option<Arc<Value>> {
        Some(self.collections.get(collection)?.objects.get(key)?.value())
    }

    /// Stores the object under the next revision, which becomes its resourceVersion, and answers it as stored.
    pub(crate) fn put(&mut self, collection: &Arc<str>, key: &str, mut object: Value) -> Arc<Value> {
        self.open(collection);
        self.revision += 1;
        set_revision(&mut object, self.revision);
        let value = Arc::new(object);
        let object = Arc::new(Object::new(value.clone()));
        if let Some(stored) = self.collections.get_mut(collection) {
            let old = stored.objects.insert(key.to_owned(), object.clone());
            stored.record(Change::new(self.revision, key, old, Some(object)), self.window);
        }
        value
    }

    /// Removes the object and answers it as it was.
    pub(crate) fn remove(&mut self, collection: &str, key: &str) -> Option<Arc<Value>> {
        let stored = self.collections.get_mut(collection)?;
        let old = stored.objects.remove(key)?;
        self.revision += 1;
        stored.record(Change::new(self.revision, key, Some(old.clone()), None), self.window);
        Some(old.value())
    }

    /// Changes how stored objects read, without a change that anybody is told of: `amend` answers what it changed.
    pub(crate) fn amend(&mut self, collection: &str, amend: impl Fn(&Value) -> Option<Value>) {
        let Some(stored) = self.collections.get_mut(collection) else { return };
        for object in stored.objects.values_mut() {
            if let Some(amended) = amend(&object.value()) {
                *object = Arc::new(Object::new(Arc::new(amended)));
            }
        }
    }

    /// Ends the open watches of the collections that `concerns` accepts. How many there were.
    pub(crate) fn drop_watches(&mut self, concerns: impl Fn(&str) -> bool) -> usize {
        let mut dropped = 0;
        for (_, collection) in self.collections.iter_mut().filter(|(name, _)| concerns(name)) {
            dropped += collection.latest.receiver_count();
            collection.drops += 1;
            collection.latest.send_modify(|_| {});
        }
        dropped
    }

    /// Forgets all history: watches and page tokens of earlier revisions expire.
    pub(crate) fn compact(&mut self) {
        let revision = self.revision;
        for collection in self.collections.values_mut() {
            while let Some(change) = collection.changes.pop_front() {
                collection.forgotten = change.revision;
                change.pack();
            }
            collection.floor = revision;
        }
    }
}

impl Change {
    fn new(revision: u64, key: &str, old: Option<Arc<Object>>, new: Option<Arc<Object>>) -> Self {
        Self { revision, key: key.to_owned(), old, new, gone: OnceLock::new() }
    }

    /// The object as those see it go whom it no longer concerns: as it was, with the revision of the change.
    pub(crate) fn gone(&self) -> Option<Arc<Object>> {
        let old = self.old.as_ref()?;
        let gone = self.gone.get_or_init(|| {
            let mut object = Value::clone(&old.value());
            set_revision(&mut object, self.revision);
            Arc::new(Object::new(Arc::new(object)))
        });
        Some(gone.clone())
    }

    fn pack(&self) {
        for object in [self.old.as_ref(), self.new.as_ref(), self.gone.get()].into_iter().flatten() {
            object.pack();
        }
    }
}

impl Collection {
    fn new(floor: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            changes: VecDeque::new(),
            floor,
            forgotten: 0,
            drops: 0,
            latest: watch::Sender::new(floor),
        }
    }

    fn record(&mut self, change: Change, window: usize) {
        let revision = change.revision;
        self.changes.push_back(Arc::new(change));
        if let Some(settled) = self.changes.len().checked_sub(UNPACKED + 1) {
            self.changes[settled].pack();
        }
        while self.changes.len() > window {
            if let Some(dropped) = self.changes.pop_front() {
                self.floor = dropped.revision;
                self.forgotten = dropped.revision;
                dropped.pack();
            }
        }
        self.latest.send_replace(revision);
    }

    /// The objects, sorted by key.
    pub(crate) fn objects(&self) -> &BTreeMap<String, Arc<Object>> {
        &self.objects
    }

    /// The earliest revision from which the history is complete.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// How often its watches were dropped: a watch that began earlier has ended.
    pub(crate) fn drops(&self) -> u64 {
        self.drops
    }

    /// Wakes whoever waits for changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// The changes after `revision`, oldest first; `None` when the history does not reach back so far.
    pub(crate) fn since(&self, revision: u64) -> Option<Vec<Arc<Change>>> {
        (revision >= self.floor).then(|| self.after(revision))
    }

    /// The same for a reader that has seen everything up to `revision`: `None` only when it has missed a change.
    pub(crate) fn unseen(&self, revision: u64) -> Option<Vec<Arc<Change>>> {
        (revision >= self.forgotten).then(|| self.after(revision))
    }

    fn after(&self, revision: u64) -> Vec<Arc<Change>> {
        let start = self.changes.partition_point(|change| change.revision <= revision);
        self.changes.range(start..).cloned().collect()
    }

    /// The objects as they were at `revision`; `None` when that is forgotten.
    pub(crate) fn at(&self, revision: u64) -> Option<BTreeMap<String, Arc<Object>>> {
        let mut objects = self.objects.clone();
        for change in self.since(revision)?.iter().rev() {
            match &change.old {
                Some(old) => objects.insert(change.key.clone(), old.clone()),
                None => objects.remove(&change.key),
            };
        }
        Some(objects)
    }
}

/// Writes a revision into an object's metadata.
pub(crate) fn set_revision(object: &mut Value, revision: u64) {
    object["metadata"]["resourceVersion"] = revision.to_string().into();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_changed_long_ago_is_packed_and_reads_as_before() {
        let (mut store, boxes) = (Store::new(DEFAULT_WINDOW), Arc::from("boxes"));
        let object = |size: usize| json!({"apiVersion": "v1", "kind": "Box", "metadata": {}, "size": size});
        let created = store.put(&boxes, "a/first", object(0));
        let early = store.revision();
        for size in 1..=2 * UNPACKED {
            store.put(&boxes, "a/other", object(size));
        }
        let collection = store.collection("boxes").unwrap();
        assert!(collection.objects()["a/first"].is_packed() && !collection.objects()["a/other"].is_packed());
        assert_eq!(store.object("boxes", "a/first").unwrap(), created);
        assert_eq!(collection.since(early).unwrap()[0].new.as_ref().unwrap().value()["size"], 1);
        assert_eq!(collection.at(early + 1).unwrap()["a/other"].value()["size"], 1);
    }

    #[test]
    fn an_object_goes_with_the_revision_of_its_deletion() {
        let (mut store, boxes) = (Store::new(1), Arc::from("boxes"));
        let before = store.put(&boxes, "a", json!({"metadata": {"name": "a"}}));
        store.remove("boxes", "a").unwrap();
        let gone = store.collection("boxes").unwrap().since(store.revision() - 1).unwrap()[0].gone().unwrap();
        assert_eq!(before["metadata"]["resourceVersion"], (store.revision() - 1).to_string());
        assert_eq!(gone.value()["metadata"]["resourceVersion"], store.revision().to_string());
    }
}
