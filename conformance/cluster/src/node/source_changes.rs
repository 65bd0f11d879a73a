//! Tells pods that a `ConfigMap` or Secret of their namespace changed, so that they look whether it concerns them.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Counts changes by namespace. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceChanges {
    namespaces: Arc<Mutex<HashMap<String, watch::Sender<u64>>>>,
}

impl SourceChanges {
    /// The count of a namespace.
    pub(crate) fn subscribe(&self, namespace: &str) -> watch::Receiver<u64> {
        let mut namespaces = self.namespaces.lock();
        namespaces.entry(namespace.to_owned()).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Watches until it is told to stop.
    pub(crate) async fn run(self, client: Client, stop: CancellationToken) {
        let config_maps = Api::<PartialObjectMeta<ConfigMap>>::all(client.clone());
        let config_maps = changes(watcher(config_maps, watcher::Config::default()));
        let secrets = Api::<PartialObjectMeta<Secret>>::all(client);
        let secrets = changes(watcher(secrets, watcher::Config::default()));
        let changes = futures::stream::select(config_maps, secrets);
        tokio::pin!(changes);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(namespace) = changes.next() => self.count(namespace.as_deref()),
                else => return,
            }
        }
    }

    /// Counts a change in one namespace, or in all.
    fn count(&self, namespace: Option<&str>) {
        let mut namespaces = self.namespaces.lock();
        namespaces.retain(|_, sender| sender.receiver_count() > 0);
        for (name, sender) in namespaces.iter() {
            if namespace.is_none_or(|namespace| namespace == name) {
                sender.send_modify(|count| *count += 1);
            }
        }
    }
}

/// The namespaces of changed objects; `None` after a restart of the watch, when anything may have changed.
fn changes<K>(
    events: impl Stream<Item = watcher::Result<Event<PartialObjectMeta<K>>>> + Send,
) -> impl Stream<Item = Option<String>> + Send
where
    K: kube::Resource + Send,
    PartialObjectMeta<K>: kube::Resource,
{
    events.default_backoff().filter_map(|event| {
        let change = match event {
            Ok(Event::Apply(object) | Event::Delete(object)) => Some(object.namespace()),
            Ok(Event::InitDone) => Some(None),
            Ok(Event::Init | Event::InitApply(_)) | Err(_) => None,
        };
        std::future::ready(change)
    })
}
