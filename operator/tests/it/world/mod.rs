//! A cluster in memory, and the operator on it: what comes of a set of objects, without an API server.
//!
//! The controllers run as they do in the operator, behind its queue. Objects are checked by their definitions before they
//! go in, as an API server would; what the operator writes goes into a [`Store`] that merges no more than it must.

mod admission;
mod kinds;
mod outcome;
mod store;

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use kube::runtime::watcher;
use operator::{
    controllers::{Context, Settings},
    metrics::Metrics,
    runtime::{
        Target,
        cache::Part,
        observed::{OwnedKind, Shared},
        worker::{self, Work},
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) use admission::{Definition, admit, definition};
pub(crate) use outcome::{Outcome, difference, of as outcome};
use store::Store;
pub(crate) use store::{Id, Objects, merge};

/// The namespace of every object.
pub(crate) const NAMESPACE: &str = "ns";

/// A cluster with these objects, and an operator on it.
pub(crate) struct World {
    store: Store,
    context: Arc<Context>,
    work: Work,
}

impl World {
    /// The cluster with `objects`, for which the operator has done all that it wants.
    async fn settled(objects: impl IntoIterator<Item = Value>) -> Self {
        let world = Self::resumed(Objects::default());
        for object in objects {
            world.put(object);
        }
        world.settle().await;
        world
    }

    /// The cluster with `objects`, as another one left them: the operator has nothing to do.
    pub(crate) fn resumed(objects: Objects) -> Self {
        let store = Store::new(objects);
        let shared = Shared::default();
        {
            let mut observed = shared.write();
            for kind in kinds::ALL {
                (kind.listed)(&mut observed);
            }
            for kind in OwnedKind::ALL {
                let cache = observed.owned.of_mut(kind);
                cache.expect(Part::All);
                cache.event(&Part::All, watcher::Event::InitDone);
            }
            for (_, object) in store.objects().iter() {
                kinds::tell(&mut observed, object);
            }
        }
        let work = Work::default();
        let settings = Settings { image: "registry/vmcp:1".to_owned(), egress_allow: Vec::new() };
        let client = store.client();
        let context = Arc::new(Context::new(client, shared, work.clone(), settings, Metrics::default()));
        Self { store, context, work }
    }

    /// Creates or changes an object, and lets the operator do what follows.
    pub(crate) async fn apply(&self, object: Value) {
        self.put(object);
        self.settle().await;
    }

    /// The objects that the operator would reconcile for a change to `object`.
    pub(crate) fn concerns(&self, object: Value) -> Vec<Target> {
        let object = self.store.put(object);
        kinds::tell(&mut self.context.shared.write(), &object)
    }

    /// The objects that the operator would reconcile for the end of the object `id`.
    pub(crate) fn concerns_deletion(&self, id: &Id) -> Vec<Target> {
        let object = self.objects().get(id).unwrap_or_else(|| panic!("there is no {id}")).clone();
        kinds::forget(&mut self.context.shared.write(), &object)
    }

    /// Has another writer say `status` of an object, and lets the operator do what follows.
    pub(crate) async fn report(&self, id: &Id, status: &Value) {
        self.tell(&self.store.report(id, status));
        self.settle().await;
    }

    /// Deletes an object, and lets the operator do what follows.
    pub(crate) async fn delete(&self, id: &Id) {
        if let Some(object) = self.store.delete(id) {
            self.tell(&object);
        }
        self.settle().await;
    }

    fn put(&self, object: Value) {
        self.work.add(self.concerns(object));
    }

    /// As a watch would, tells the operator that `object` is new or has changed.
    fn tell(&self, object: &Value) {
        let targets = kinds::tell(&mut self.context.shared.write(), object);
        self.work.add(targets);
    }

    /// The objects as they are.
    pub(crate) fn objects(&self) -> Objects {
        self.store.objects()
    }

    /// Whether the operator wrote, at any time, a condition: `place` is as in an [`Outcome`], `value` is status and reason.
    pub(crate) fn has_said(&self, place: &str, value: &str) -> bool {
        let (object, kind) = place.split_once(' ').unwrap_or_else(|| panic!("{place:?} is not Kind/name Condition"));
        self.store.has_said(&Id::parse(object), kind, value)
    }

    /// What the operator made of the objects.
    pub(crate) fn outcome(&self) -> Outcome {
        outcome(&self.store.objects())
    }

    /// Lets the operator work until it wants nothing more.
    async fn settle(&self) {
        let stop = CancellationToken::new();
        let worker = tokio::spawn(worker::run(self.context.clone(), self.work.clone(), stop.clone()));
        for _ in 0..100_000 {
            tokio::task::yield_now().await;
            for object in self.store.take_gone() {
                let targets = kinds::forget(&mut self.context.shared.write(), &object);
                self.work.add(targets);
            }
            if self.work.is_idle() {
                stop.cancel();
                worker.await.unwrap();
                return;
            }
        }
        panic!("the operator does not come to rest: {:?}", self.work.state());
    }
}

/// The objects of `base.yaml`: everything that is referred to is there, and as it should be.
fn base() -> Vec<Value> {
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text("world/base.yaml")).unwrap();
    for object in &mut objects {
        let name = object["metadata"]["name"].clone();
        admit(object).unwrap_or_else(|error| panic!("{} {name}: {error}", object["kind"]));
    }
    objects
}

/// The objects of `base.yaml` after all that the operator wants for them. To be asked for outside of [`block_on`].
pub(crate) fn settled_base() -> Objects {
    static SETTLED: LazyLock<Objects> = LazyLock::new(|| block_on(async { World::settled(base()).await.objects() }));
    SETTLED.clone()
}

/// What a YAML file of the tests says.
pub(crate) fn read<T: DeserializeOwned>(file: &str) -> T {
    serde_saphyr::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn text(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(file);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Runs `test` on one thread, with time that passes by itself.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test)
}
