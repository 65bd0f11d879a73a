//! The objects and their history: collections of raw JSON under one global revision.
//!
//! Each collection keeps the last changes. Watches are cursors into that history: they hold no queue of their own, and so
//! can neither lose nor reorder an event. The same history rebuilds the collection as of an earlier revision, which is what
//! the later pages of a list read.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

/// How many changes a collection remembers by default.
pub(crate) const DEFAULT_WINDOW: usize = 4096;

/// One committed change of one object.
#[derive(Debug)]
pub(crate) struct Change {
    /// The global revision that the change made.
    pub(crate) revision: u64,
    /// The object's key in its collection.
    pub(crate) key: String,
    /// The object before, unless it was created.
    pub(crate) old: Option<Arc<Value>>,
    /// The object after, unless it was deleted.
    pub(crate) new: Option<Arc<Value>>,
}

/// All objects of one stored kind, sorted by key as the real storage sorts them.
#[derive(Debug)]
pub(crate) struct Collection {
    objects: BTreeMap<String, Arc<Value>>,
    changes: VecDeque<Arc<Change>>,
    floor: u64,
    forgotten: u64,
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
    pub(crate) fn object(&self, collection: &str, key: &str) -> Option<&Arc<Value>> {
        self.collections.get(collection)?.objects.get(key)
    }

    /// Stores the object under the next revision, which becomes its resourceVersion, and answers it as stored.
    pub(crate) fn put(&mut self, collection: &Arc<str>, key: &str, mut object: Value) -> Arc<Value> {
        self.open(collection);
        self.revision += 1;
        set_revision(&mut object, self.revision);
        let object = Arc::new(object);
        let (revision, window) = (self.revision, self.window);
        if let Some(stored) = self.collections.get_mut(collection) {
            let old = stored.objects.insert(key.to_owned(), object.clone());
            stored.record(Change { revision, key: key.to_owned(), old, new: Some(object.clone()) }, window);
        }
        object
    }

    /// Removes the object and answers it as it was.
    pub(crate) fn remove(&mut self, collection: &str, key: &str) -> Option<Arc<Value>> {
        let stored = self.collections.get_mut(collection)?;
        let old = stored.objects.remove(key)?;
        self.revision += 1;
        let change = Change { revision: self.revision, key: key.to_owned(), old: Some(old.clone()), new: None };
        stored.record(change, self.window);
        Some(old)
    }

    /// Changes how stored objects read, without a change that anybody is told of: `amend` answers what it changed.
    pub(crate) fn amend(&mut self, collection: &str, amend: impl Fn(&Value) -> Option<Value>) {
        let Some(stored) = self.collections.get_mut(collection) else { return };
        for object in stored.objects.values_mut() {
            if let Some(amended) = amend(object) {
                *object = Arc::new(amended);
            }
        }
    }

    /// Forgets all history: watches and page tokens of earlier revisions expire.
    pub(crate) fn compact(&mut self) {
        let revision = self.revision;
        for collection in self.collections.values_mut() {
            if let Some(last) = collection.changes.back() {
                collection.forgotten = last.revision;
            }
            collection.changes.clear();
            collection.floor = revision;
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
            latest: watch::Sender::new(floor),
        }
    }

    fn record(&mut self, change: Change, window: usize) {
        let revision = change.revision;
        self.changes.push_back(Arc::new(change));
        while self.changes.len() > window {
            if let Some(dropped) = self.changes.pop_front() {
                self.floor = dropped.revision;
                self.forgotten = dropped.revision;
            }
        }
        self.latest.send_replace(revision);
    }

    /// The objects, sorted by key.
    pub(crate) fn objects(&self) -> &BTreeMap<String, Arc<Value>> {
        &self.objects
    }

    /// The earliest revision from which the history is complete.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
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
    pub(crate) fn at(&self, revision: u64) -> Option<BTreeMap<String, Arc<Value>>> {
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
