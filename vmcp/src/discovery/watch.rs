//! Feeds the decisions with objects of the cluster.
//!
//! One watch covers each kind of the namespace; one watch per name covers each Secret and `ConfigMap` that accepted
//! entries refer to, and ends when none does any more. A watch that is forbidden is tried again: the operator may not
//! have extended the gateway's Role yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Resource, ResourceExt};
use operator_api::MCPExternalAuthConfig;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Snapshot;
use super::decide::{Decide, Needed, Objects};
use super::in_force::InForce;
use super::member::{Member, MemberKind};
use super::pauses::Pauses;
use super::resolve::{Contents, Lookup};

/// Changes that may wait to be taken in.
const QUEUE: usize = 64;
/// How long the first answer about a Secret or `ConfigMap` may take: whatever waits until it was read does not wait longer.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// Why nothing can be read of an API server that is away.
const NO_ANSWER: &str = "the API server does not answer";

/// Something that was learned from the API.
enum Change {
    Members(MemberKind, BTreeMap<String, Member>),
    AuthConfigs(BTreeMap<String, Arc<MCPExternalAuthConfig>>),
    Secret(String, Lookup<Contents>),
    ConfigMap(String, Lookup<Contents>),
}

/// Watches until `stop`, and publishes each snapshot that differs from the one before.
pub(super) async fn run<D: Decide>(
    mut watches: Watches,
    decider: D,
    mut configured: watch::Receiver<D::Configuration>,
    snapshots: watch::Sender<Snapshot>,
    stop: CancellationToken,
) {
    let mut objects = Objects::default();
    let mut in_force = InForce::new(decider);
    let needed = in_force.accept(&objects);
    watches.follow(&mut objects, &needed);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            // Without anybody who configures it stays as it is.
            Ok(()) = configured.changed() => in_force.configure(configured.borrow_and_update().clone()),
            change = watches.received.recv() => match change {
                Some(change) => watches.take(&mut objects, change),
                None => return,
            },
        }
        while let Ok(change) = watches.received.try_recv() {
            watches.take(&mut objects, change);
        }
        let needed = in_force.accept(&objects);
        watches.follow(&mut objects, &needed);
        publish(&snapshots, in_force.decide(&objects));
    }
}

/// Publishes what the configuration alone says, until `stop`.
pub(super) async fn run_fixed<D: Decide>(
    mut decider: D,
    mut configured: watch::Receiver<D::Configuration>,
    snapshots: watch::Sender<Snapshot>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = configured.changed() => decider.configure(configured.borrow_and_update().clone()),
        }
        publish(&snapshots, Snapshot { synced: true, ..decider.decide(&Objects::default()) });
    }
}

fn publish(snapshots: &watch::Sender<Snapshot>, new: Snapshot) {
    snapshots.send_if_modified(|current| {
        for (name, reason) in &new.left_out {
            if current.left_out.get(name) != Some(reason) {
                tracing::warn!(backend = name, reason, "a member of the group is left out");
            }
        }
        for (name, backend) in &*new.backends {
            match current.backends.get(name) {
                None => tracing::info!(backend = name, "discovered a backend"),
                Some(old) if old.identity != backend.identity => tracing::info!(backend = name, "a backend changed"),
                Some(_) => {}
            }
        }
        for name in current.backends.keys().filter(|name| !new.backends.contains_key(*name)) {
            tracing::info!(backend = name, "a backend is gone");
        }
        let changed = *current != new;
        *current = new;
        changed
    });
}

/// The watches that run.
pub(super) struct Watches {
    client: Client,
    namespace: String,
    changes: mpsc::Sender<Change>,
    received: mpsc::Receiver<Change>,
    tasks: JoinSet<()>,
    secrets: BTreeMap<String, AbortHandle>,
    config_maps: BTreeMap<String, AbortHandle>,
}

impl Watches {
    /// None yet: Secrets and `ConfigMap`s of the namespace are watched when they are needed.
    pub(super) fn new(client: Client, namespace: String) -> Self {
        let (changes, received) = mpsc::channel(QUEUE);
        let (tasks, secrets, config_maps) = (JoinSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { client, namespace, changes, received, tasks, secrets, config_maps }
    }

    /// Watches also the kinds that members of groups and their authentication are of.
    pub(super) fn with_members(mut self) -> Self {
        self.watch_members(MemberKind::Server, Member::Server);
        self.watch_members(MemberKind::RemoteProxy, Member::RemoteProxy);
        self.watch_members(MemberKind::Entry, Member::Entry);
        self.watch_kind::<MCPExternalAuthConfig>(Change::AuthConfigs);
        self
    }

    fn watch_members<K>(&mut self, kind: MemberKind, member: fn(Arc<K>) -> Member)
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        self.watch_kind::<K>(move |found| {
            Change::Members(kind, found.into_iter().map(|(name, object)| (name, member(object))).collect())
        });
    }

    fn watch_kind<K>(&mut self, change: impl Fn(BTreeMap<String, Arc<K>>) -> Change + Send + 'static)
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let (client, namespace, changes) = (self.client.clone(), self.namespace.clone(), self.changes.clone());
        self.tasks.spawn(watch_kind::<K>(client, namespace, changes, change));
    }

    fn take(&self, objects: &mut Objects, change: Change) {
        match change {
            Change::Members(kind, members) => {
                objects.members.insert(kind, members);
            }
            Change::AuthConfigs(auth_configs) => objects.auth_configs = Some(auth_configs),
            // A watch that was ended may still have had something to say.
            Change::Secret(name, found) if self.secrets.contains_key(&name) => {
                keep(&mut objects.referenced.secrets, name, found);
            }
            Change::ConfigMap(name, found) if self.config_maps.contains_key(&name) => {
                keep(&mut objects.referenced.config_maps, name, found);
            }
            Change::Secret(..) | Change::ConfigMap(..) => {}
        }
    }

    /// Starts the watches that are needed and ends those that are not.
    fn follow(&mut self, objects: &mut Objects, needed: &Needed) {
        end(&mut self.secrets, &mut objects.referenced.secrets, &needed.secrets);
        end(&mut self.config_maps, &mut objects.referenced.config_maps, &needed.config_maps);
        for name in &needed.secrets {
            if !self.secrets.contains_key(name) {
                let task = watch_one::<Secret>(self.api(), name.clone(), self.changes.clone(), secret, Change::Secret);
                self.secrets.insert(name.clone(), self.tasks.spawn(task));
            }
        }
        for name in &needed.config_maps {
            if !self.config_maps.contains_key(name) {
                let task = watch_one::<ConfigMap>(
                    self.api(),
                    name.clone(),
                    self.changes.clone(),
                    config_map,
                    Change::ConfigMap,
                );
                self.config_maps.insert(name.clone(), self.tasks.spawn(task));
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    fn api<K: Resource<Scope = k8s_openapi::NamespaceResourceScope>>(&self) -> Api<K>
    where
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// Contents that were read stay in force while a watch fails: the API server may be away for a moment.
fn keep(known: &mut BTreeMap<String, Lookup<Contents>>, name: String, found: Lookup<Contents>) {
    if matches!(found, Lookup::Waiting(_)) && matches!(known.get(&name), Some(Lookup::Found(_) | Lookup::Missing)) {
        return;
    }
    known.insert(name, found);
}

fn end(
    running: &mut BTreeMap<String, AbortHandle>,
    known: &mut BTreeMap<String, Lookup<Contents>>,
    needed: &BTreeSet<String>,
) {
    running.retain(|name, task| {
        let keep = needed.contains(name);
        if !keep {
            task.abort();
        }
        keep
    });
    known.retain(|name, _| needed.contains(name));
}

/// Watches all objects of a kind. One that does not decode is logged and left out: it must not hide the others.
async fn watch_kind<K>(
    client: Client,
    namespace: String,
    changes: mpsc::Sender<Change>,
    change: impl Fn(BTreeMap<String, Arc<K>>) -> Change,
) where
    K: Resource<DynamicType = ()> + DeserializeOwned + Debug,
{
    let kind = K::kind(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &ApiResource::erase::<K>(&()));
    let mut events = pin!(watcher(api, watcher::Config::default()).backoff(Pauses::default()));
    let mut known = BTreeMap::new();
    let mut listing = BTreeMap::new();
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => {
                listing.clear();
                continue;
            }
            Ok(Some(Event::InitApply(object))) => {
                insert(&mut listing, object);
                continue;
            }
            Ok(Some(Event::InitDone)) => known = std::mem::take(&mut listing),
            Ok(Some(Event::Apply(object))) => insert(&mut known, object),
            Ok(Some(Event::Delete(object))) => {
                known.remove(&object.name_any());
            }
            Ok(None) => return,
            // A kind that is not installed has no objects; it may be installed later.
            Err(error) if status_code(&error) == Some(404) => {
                tracing::debug!(kind = &*kind, "the kind is not installed, the watch is tried again");
                known.clear();
            }
            Err(error) => {
                tracing::warn!(kind = &*kind, %error, "the watch failed, it is tried again");
                continue;
            }
        }
        if changes.send(change(known.clone())).await.is_err() {
            return;
        }
    }
}

fn insert<K: DeserializeOwned>(known: &mut BTreeMap<String, Arc<K>>, object: DynamicObject) {
    let name = object.name_any();
    match serde_json::to_value(object).and_then(serde_json::from_value) {
        Ok(object) => {
            known.insert(name, Arc::new(object));
        }
        Err(error) => {
            tracing::warn!(name, %error, "an object does not decode and is left out");
            known.remove(&name);
        }
    }
}

/// Watches the object of one name.
async fn watch_one<K>(
    api: Api<K>,
    name: String,
    changes: mpsc::Sender<Change>,
    contents: fn(K) -> Contents,
    change: fn(String, Lookup<Contents>) -> Change,
) where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static,
{
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watcher(api, only).backoff(Pauses::default()));
    let mut listed = Lookup::Missing;
    let (mut late, mut answered) = (pin!(tokio::time::sleep(FIRST_ANSWER)), false);
    loop {
        let found = tokio::select! {
            event = events.try_next() => match event {
                Ok(Some(Event::Init)) => {
                    listed = Lookup::Missing;
                    continue;
                }
                Ok(Some(Event::InitApply(object))) => {
                    listed = Lookup::Found(contents(object));
                    continue;
                }
                Ok(Some(Event::InitDone)) => std::mem::replace(&mut listed, Lookup::Missing),
                Ok(Some(Event::Apply(object))) => Lookup::Found(contents(object)),
                Ok(Some(Event::Delete(_))) => Lookup::Missing,
                Ok(None) => return,
                Err(error) => {
                    let kind = K::kind(&());
                    tracing::debug!(kind = &*kind, name, %error, "the watch failed, it is tried again");
                    Lookup::Waiting(explain(&error))
                }
            },
            () = &mut late, if !answered => Lookup::Waiting(NO_ANSWER.to_owned()),
        };
        answered = true;
        if changes.send(change(name.clone(), found)).await.is_err() {
            return;
        }
    }
}

/// The status that the API server answered a watch with, if it did.
fn status_code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

fn explain(error: &watcher::Error) -> String {
    match status_code(error) {
        Some(403) => "the gateway's Role does not permit reading it yet".to_owned(),
        Some(code) => format!("the API server answers {code}"),
        None => NO_ANSWER.to_owned(),
    }
}

fn secret(secret: Secret) -> Contents {
    secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect()
}

fn config_map(config_map: ConfigMap) -> Contents {
    let text = config_map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let binary = config_map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
    text.chain(binary).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_hangs_keeps_nobody_waiting_for_a_first_answer() {
        let hangs = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, std::convert::Infallible>>()
        });
        let mut watches = Watches::new(Client::new(hangs, "ns"), "ns".to_owned());
        let mut objects = Objects::default();
        watches.follow(&mut objects, &Needed { secrets: ["s".to_owned()].into(), ..Needed::default() });
        let change = tokio::time::timeout(FIRST_ANSWER * 2, watches.received.recv()).await.unwrap().unwrap();
        watches.take(&mut objects, change);
        assert_eq!(objects.referenced.secrets["s"], Lookup::Waiting(NO_ANSWER.to_owned()));
    }
}
