//! Every object of the cluster, by its metadata: who owns whom, and what is left in a namespace.
//!
//! One watch per kind, of built-in kinds and of those that `CustomResourceDefinitions` add while the cluster runs, feeds
//! one index. Garbage collection and the deletion of namespaces work on it.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::runtime::has_code;

/// How many changes a slow reader may lag behind before it must look at everything anew.
const BACKLOG: usize = 4096;

/// The most changes of definitions that are taken up at once.
const BULK: usize = 256;

/// A kind of objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) name: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
}

impl Kind {
    fn resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.clone(),
            version: self.version.clone(),
            api_version: if self.group.is_empty() {
                self.version.clone()
            } else {
                format!("{}/{}", self.group, self.version)
            },
            kind: self.name.clone(),
            plural: self.plural.clone(),
        }
    }

    /// The API of the kind in a namespace, or in the cluster.
    pub(super) fn api(&self, client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource()),
            None => Api::all_with(client.clone(), &self.resource()),
        }
    }
}

/// The metadata of one object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) kind: Arc<Kind>,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) owners: Vec<OwnerReference>,
    pub(super) finalizers: Vec<String>,
    pub(super) is_deleting: bool,
}

impl Object {
    pub(super) fn new(kind: &Arc<Kind>, metadata: &PartialObjectMeta<DynamicObject>) -> Option<Self> {
        Some(Self {
            kind: Arc::clone(kind),
            namespace: metadata.namespace(),
            name: metadata.name_any(),
            uid: metadata.uid()?,
            owners: metadata.owner_references().to_vec(),
            finalizers: metadata.finalizers().to_vec(),
            is_deleting: metadata.metadata.deletion_timestamp.is_some(),
        })
    }

    pub(super) fn api(&self, client: &Client) -> Api<DynamicObject> {
        self.kind.api(client, self.namespace.as_deref())
    }

    pub(super) fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == name)
    }
}

/// A change of the index.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Applied(Arc<Object>),
    Deleted(Arc<Object>),
    /// All objects of a kind have been listed anew.
    Listed,
}

/// The index. Cheap to clone.
#[derive(Clone)]
pub(super) struct Objects {
    client: Client,
    index: Arc<Mutex<Index>>,
    changes: broadcast::Sender<Change>,
}

#[derive(Default)]
struct Index {
    kinds: BTreeMap<Arc<Kind>, CancellationToken>,
    objects: HashMap<String, Arc<Object>>,
    /// The uids of what an owner's uid owns.
    owned: HashMap<String, HashSet<String>>,
}

impl Index {
    fn insert(&mut self, object: Arc<Object>) {
        self.remove(&object.uid);
        for owner in &object.owners {
            self.owned.entry(owner.uid.clone()).or_default().insert(object.uid.clone());
        }
        self.objects.insert(object.uid.clone(), object);
    }

    fn remove(&mut self, uid: &str) -> Option<Arc<Object>> {
        let object = self.objects.remove(uid)?;
        for owner in &object.owners {
            if let Some(owned) = self.owned.get_mut(&owner.uid) {
                owned.remove(uid);
                if owned.is_empty() {
                    self.owned.remove(&owner.uid);
                }
            }
        }
        Some(object)
    }
}

impl Objects {
    pub(super) fn new(client: Client) -> Self {
        Self { client, index: Arc::default(), changes: broadcast::Sender::new(BACKLOG) }
    }

    /// Tells of every change from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    pub(super) fn get(&self, uid: &str) -> Option<Arc<Object>> {
        self.lock().objects.get(uid).cloned()
    }

    /// Everything that names this uid as an owner.
    pub(super) fn owned_by(&self, uid: &str) -> Vec<Arc<Object>> {
        let index = self.lock();
        let owned = index.owned.get(uid).into_iter().flatten();
        owned.filter_map(|uid| index.objects.get(uid).cloned()).collect()
    }

    /// Everything that names `owner` as an owner, asked of the API: each kind has a watch of its own, so the index may
    /// hear that an owner is deleted before it hears of a dependent that was made earlier.
    pub(super) async fn dependents_of(&self, owner: &Object) -> kube::Result<Vec<Arc<Object>>> {
        let mut dependents = Vec::new();
        // An object of a namespace owns nothing outside it.
        for kind in self.kinds().iter().filter(|kind| kind.namespaced || owner.namespace.is_none()) {
            let api = kind.api(&self.client, owner.namespace.as_deref());
            let listed = match api.list_metadata(&ListParams::default()).await {
                Err(error) if has_code(&error, 404) => continue, // The kind is gone, and its objects with it.
                listed => listed?,
            };
            let objects = listed.items.iter().filter_map(|metadata| Object::new(kind, metadata));
            let names = |object: &Object| object.owners.iter().any(|reference| reference.uid == owner.uid);
            dependents.extend(objects.filter(names).map(Arc::new));
        }
        Ok(dependents)
    }

    pub(super) fn all(&self) -> Vec<Arc<Object>> {
        self.lock().objects.values().cloned().collect()
    }

    pub(super) fn is_namespace_ending(&self, name: &str) -> bool {
        let index = self.lock();
        let mut namespaces = index.objects.values().filter(|object| object.kind.name == "Namespace");
        namespaces.any(|object| object.name == name && object.is_deleting)
    }

    /// The kinds that are known now.
    pub(super) fn kinds(&self) -> Vec<Arc<Kind>> {
        self.lock().kinds.keys().cloned().collect()
    }

    /// The kind that an owner reference means, if it is known.
    pub(super) fn kind_of(&self, owner: &OwnerReference) -> Option<Arc<Kind>> {
        let (group, _) = owner.api_version.rsplit_once('/').unwrap_or(("", &owner.api_version));
        self.lock().kinds.keys().find(|kind| kind.group == group && kind.name == owner.kind).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock()
    }

    /// Watches everything until it is told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        self.refresh_kinds(&tasks, &stop).await;
        let definitions = Api::<CustomResourceDefinition>::all(self.client.clone());
        let events = watcher(definitions, watcher::Config::default()).default_backoff();
        // Definitions come in bulk: one look at the kinds for all that are there at once.
        let bulks = events.ready_chunks(BULK);
        tokio::pin!(bulks);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                bulk = bulks.next() => {
                    let Some(bulk) = bulk else { break };
                    let changes = |event: &watcher::Result<Event<_>>| {
                        matches!(event, Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone))
                    };
                    if bulk.iter().any(changes) {
                        self.refresh_kinds(&tasks, &stop).await;
                    }
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Begins to watch kinds that are new, and ends the watches of those that are gone.
    async fn refresh_kinds(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let found = match discover(&self.client).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "failed to discover the kinds of the cluster");
                return;
            }
        };
        let mut index = self.lock();
        index.kinds.retain(|kind, watch| {
            let remains = found.contains(kind);
            if !remains {
                watch.cancel();
            }
            remains
        });
        for kind in found {
            if index.kinds.contains_key(&kind) {
                continue;
            }
            let watch = stop.child_token();
            index.kinds.insert(Arc::clone(&kind), watch.clone());
            tasks.spawn(self.clone().watch(kind, watch));
        }
    }

    /// Watches one kind. When the watch ends, because the kind is gone, so are its objects.
    async fn watch(self, kind: Arc<Kind>, stop: CancellationToken) {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(self.client.clone(), &kind.resource());
        let events = watcher(api, watcher::Config::default()).default_backoff();
        tokio::pin!(events);
        let mut listed = HashSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = events.try_next() => match event {
                    Ok(Some(Event::Apply(metadata))) => self.apply(&kind, &metadata),
                    Ok(Some(Event::Delete(metadata))) => self.delete(&metadata.uid().unwrap_or_default()),
                    Ok(Some(Event::Init)) => listed.clear(),
                    Ok(Some(Event::InitApply(metadata))) => {
                        listed.extend(metadata.uid());
                        self.apply(&kind, &metadata);
                    }
                    Ok(Some(Event::InitDone)) => {
                        self.keep(&kind, &listed);
                        let _ = self.changes.send(Change::Listed);
                    }
                    Ok(None) => break,
                    Err(error) => tracing::debug!(kind = kind.name, %error, "a watch is begun again"),
                }
            }
        }
        self.keep(&kind, &HashSet::new());
    }

    fn apply(&self, kind: &Arc<Kind>, metadata: &PartialObjectMeta<DynamicObject>) {
        let Some(object) = Object::new(kind, metadata).map(Arc::new) else {
            return;
        };
        self.lock().insert(Arc::clone(&object));
        // Nobody listens before the controllers run.
        let _ = self.changes.send(Change::Applied(object));
    }

    fn delete(&self, uid: &str) {
        let removed = self.lock().remove(uid);
        if let Some(object) = removed {
            let _ = self.changes.send(Change::Deleted(object));
        }
    }

    /// Forgets the objects of a kind that a list no longer has.
    fn keep(&self, kind: &Arc<Kind>, listed: &HashSet<String>) {
        let is_gone = |object: &&Arc<Object>| object.kind == *kind && !listed.contains(&object.uid);
        let gone: Vec<String> = self.lock().objects.values().filter(is_gone).map(|object| object.uid.clone()).collect();
        for uid in &gone {
            self.delete(uid);
        }
    }
}

/// The kinds whose objects can be watched and deleted. Events, which are many and own nothing, are left out.
async fn discover(client: &Client) -> kube::Result<HashSet<Arc<Kind>>> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    let resources = discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources);
    let watchable = resources.filter(|(resource, capabilities)| {
        [verbs::LIST, verbs::WATCH, verbs::DELETE].iter().all(|verb| capabilities.supports_operation(verb))
            && resource.kind != "Event"
    });
    let kinds = watchable.map(|(resource, capabilities)| Kind {
        group: resource.group,
        version: resource.version,
        name: resource.kind,
        plural: resource.plural,
        namespaced: capabilities.scope == Scope::Namespaced,
    });
    Ok(kinds.map(Arc::new).collect())
}
