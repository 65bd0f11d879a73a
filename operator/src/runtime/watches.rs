//! The watches that keep the caches and fill the queue.

use std::{collections::BTreeSet, fmt::Debug};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::{
    Api, Client, Resource,
    api::DynamicObject,
    core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta},
    runtime::{WatchStreamExt, watcher},
};
use operator_api::{
    MCPAuthzConfig, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPRemoteProxy, MCPServer, MCPServerEntry,
    MCPTelemetryConfig, MCPToolConfig, VirtualMCPCompositeToolDefinition, VirtualMCPServer,
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    ObjectKey, Target,
    cache::Part,
    observed::{Cached, OwnedKind, Reconciled, Shared},
    referrers::{Watched, owners},
    worker::Work,
};
use crate::{
    controllers::workload::MANAGED_BY,
    health::{Health, Tasks},
    metrics::Metrics,
};

/// Which part of the cluster is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every namespace.
    Cluster,
    /// These namespaces.
    Namespaces(BTreeSet<String>),
}

impl Scope {
    /// The scope of these namespaces; every one when there are none.
    pub fn of(namespaces: &[String]) -> Self {
        let named: BTreeSet<_> = namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
        if named.is_empty() { Self::Cluster } else { Self::Namespaces(named) }
    }

    /// The parts that take a watch each.
    fn parts(&self) -> Vec<Part> {
        match self {
            Self::Cluster => vec![Part::All],
            Self::Namespaces(namespaces) => namespaces.iter().cloned().map(Part::Namespace).collect(),
        }
    }
}

fn api<K>(client: &Client, part: &Part) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match part {
        Part::All => Api::all(client.clone()),
        Part::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
    }
}

/// Everything that the watches share.
struct Watches {
    client: Client,
    parts: Vec<Part>,
    shared: Shared,
    work: Work,
    metrics: Metrics,
    alive: Tasks,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Starts every watch, to feed what `health` is judged by. They end when `stop` is cancelled.
pub fn start(client: Client, scope: &Scope, health: &Health, metrics: Metrics, stop: CancellationToken) -> JoinSet<()> {
    let (shared, work, alive) = (health.shared.clone(), health.work.clone(), health.tasks.clone());
    let parts = scope.parts();
    let mut watches = Watches { client, parts, shared, work, metrics, alive, stop, tasks: JoinSet::new() };
    watches.ours::<MCPGroup>();
    watches.ours::<MCPExternalAuthConfig>();
    watches.ours::<MCPOIDCConfig>();
    watches.ours::<MCPToolConfig>();
    watches.ours::<MCPTelemetryConfig>();
    watches.ours::<MCPAuthzConfig>();
    watches.ours::<VirtualMCPCompositeToolDefinition>();
    watches.ours::<MCPServerEntry>();
    watches.ours::<MCPRemoteProxy>();
    watches.ours::<MCPServer>();
    watches.ours::<VirtualMCPServer>();
    watches.metadata::<Secret>();
    watches.metadata::<ConfigMap>();
    watches.pods();
    for kind in OwnedKind::ALL {
        watches.owned(kind);
    }
    watches.tasks
}

impl Watches {
    /// Watches one of our kinds. An object that this release cannot read does not hide the others.
    fn ours<K>(&mut self)
    where
        K: Watched + Reconciled + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        for part in self.parts.clone() {
            K::cache_mut(&mut self.shared.write()).expect(part.clone());
            let api: Api<DeserializeGuard<K>> = api(&self.client, &part);
            let (shared, work) = (self.shared.clone(), self.work.clone());
            self.spawn(&K::plural(&()), &part.clone(), watcher(api, watcher::Config::default()), move |event| {
                let mut observed = shared.write();
                let changes = match readable(event) {
                    Ok(event) => {
                        if let watcher::Event::Apply(object) | watcher::Event::InitApply(object) = &event {
                            observed.unreadable.remove(&Target::new(K::KIND, ObjectKey::of(object)));
                        }
                        K::cache_mut(&mut observed).event(&part, event)
                    }
                    Err(Unreadable { key, error: Some(error) }) => {
                        // What the last readable version said stays in force; the status says why.
                        let target = Target::new(K::KIND, key);
                        observed.unreadable.insert(target.clone(), error);
                        work.add([target]);
                        Vec::new()
                    }
                    Err(Unreadable { key, error: None }) => {
                        observed.unreadable.remove(&Target::new(K::KIND, key.clone()));
                        K::cache_mut(&mut observed).remove(&key).into_iter().collect()
                    }
                };
                work.add(changes.iter().flat_map(|change| K::concerned(&observed, change)));
            });
        }
    }

    /// Watches the metadata of a kind of the core.
    fn metadata<K>(&mut self)
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
        PartialObjectMeta<K>: Watched + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        for part in self.parts.clone() {
            PartialObjectMeta::<K>::cache_mut(&mut self.shared.write()).expect(part.clone());
            let api: Api<PartialObjectMeta<K>> = api(&self.client, &part);
            let (shared, work) = (self.shared.clone(), self.work.clone());
            // Boxed, because the type would be nested too deeply to be checked.
            self.spawn(
                &K::plural(&()),
                &part.clone(),
                watcher(api, watcher::Config::default()).boxed(),
                move |event| {
                    let mut observed = shared.write();
                    let changes = PartialObjectMeta::<K>::cache_mut(&mut observed).event(&part, event);
                    work.add(changes.iter().flat_map(|change| PartialObjectMeta::<K>::concerned(&observed, change)));
                },
            );
        }
    }

    /// Watches the pods of what the operator made. Of what they are to be, nothing is kept.
    fn pods(&mut self) {
        for part in self.parts.clone() {
            Pod::cache_mut(&mut self.shared.write()).expect(part.clone());
            let config = watcher::Config::default().labels(MANAGED_BY);
            let stream = watcher(api::<Pod>(&self.client, &part), config).modify(|pod| {
                pod.spec = None;
                pod.metadata.managed_fields = None;
            });
            let (shared, work) = (self.shared.clone(), self.work.clone());
            self.spawn("pods", &part.clone(), stream.boxed(), move |event| {
                let mut observed = shared.write();
                let changes = Pod::cache_mut(&mut observed).event(&part, event);
                work.add(changes.iter().flat_map(|change| Pod::concerned(&observed, change)));
            });
        }
    }

    /// Watches what the operator made.
    fn owned(&mut self, kind: OwnedKind) {
        let resource = kind.api_resource();
        for part in self.parts.clone() {
            self.shared.write().owned.of_mut(kind).expect(part.clone());
            let api: Api<DynamicObject> = match &part {
                Part::All => Api::all_with(self.client.clone(), &resource),
                Part::Namespace(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            };
            let config = watcher::Config::default().labels(MANAGED_BY);
            let (shared, work) = (self.shared.clone(), self.work.clone());
            self.spawn(&resource.plural, &part.clone(), watcher(api, config).boxed(), move |event| {
                let mut observed = shared.write();
                let changes = observed.owned.of_mut(kind).event(&part, event);
                work.add(changes.iter().flat_map(owners));
            });
        }
    }

    fn spawn<E: Send + 'static>(
        &mut self,
        resource: &str,
        part: &Part,
        stream: impl Stream<Item = watcher::Result<E>> + Send + 'static,
        mut take: impl FnMut(E) + Send + 'static,
    ) {
        let (stop, metrics, resource) = (self.stop.clone(), self.metrics.clone(), resource.to_owned());
        let alive = self.alive.alive(format!("the watch of {resource}{part}"), self.stop.clone());
        self.tasks.spawn(async move {
            let _alive = alive;
            let mut stream = stream.default_backoff().boxed();
            while let Some(Some(event)) = stop.run_until_cancelled(stream.next()).await {
                match event {
                    Ok(event) => take(event),
                    // The watch starts again by itself, after a delay.
                    Err(error) => {
                        metrics.watch_restarted(&resource);
                        tracing::warn!(resource, error = %chain(&error), "a watch was interrupted");
                    }
                }
            }
        });
    }
}

/// An object that this release cannot read.
struct Unreadable {
    key: ObjectKey,
    /// Why; `None` when the object is gone.
    error: Option<String>,
}

/// The event, when this release can read its object.
fn readable<K: Resource>(event: watcher::Event<DeserializeGuard<K>>) -> Result<watcher::Event<K>, Unreadable> {
    let read = |guard: DeserializeGuard<K>| {
        guard.0.map_err(|invalid| {
            let name = invalid.metadata.name.unwrap_or_default();
            let key = ObjectKey::new(invalid.metadata.namespace.unwrap_or_default(), name);
            Unreadable { key, error: Some(invalid.error) }
        })
    };
    Ok(match event {
        watcher::Event::Apply(object) => watcher::Event::Apply(read(object)?),
        watcher::Event::InitApply(object) => watcher::Event::InitApply(read(object)?),
        watcher::Event::Delete(object) => {
            watcher::Event::Delete(read(object).map_err(|unreadable| Unreadable { error: None, ..unreadable })?)
        }
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitDone => watcher::Event::InitDone,
    })
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
