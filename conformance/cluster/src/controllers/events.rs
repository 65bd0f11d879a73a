//! Events about objects, as the components of a cluster write them.
//!
//! Writing must not slow down the work that an event tells of: events go through a bounded queue to one task, and when
//! the queue is full an event is lost, as in a real cluster. An event that repeats is counted, not written again.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use tokio::sync::mpsc;

/// How many events may wait to be written.
const QUEUE: usize = 1024;

/// How many different events are remembered for counting.
const REMEMBERED: usize = 4096;

/// How important an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventType {
    Normal,
    Warning,
}

impl EventType {
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Records events under the name of one component. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    source: EventSource,
    queue: mpsc::Sender<Entry>,
}

#[derive(Debug)]
struct Entry {
    source: EventSource,
    about: ObjectReference,
    kind: EventType,
    reason: &'static str,
    message: String,
    at: Timestamp,
}

/// A recorder, and the task that writes its events until it is dropped with its clones.
pub(crate) fn recorder(
    client: Client,
    component: &str,
    host: Option<&str>,
) -> (Recorder, impl Future<Output = ()> + use<>) {
    let (queue, entries) = mpsc::channel(QUEUE);
    let source = EventSource { component: Some(component.to_owned()), host: host.map(str::to_owned) };
    (Recorder { source, queue }, write(client, entries))
}

impl Recorder {
    /// Records an event about an object.
    pub(crate) fn record<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        kind: EventType,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.record_about(object.object_ref(&()), kind, reason, message);
    }

    /// Records an event about a part of an object, which the reference's `fieldPath` names.
    pub(crate) fn record_about(
        &self,
        about: ObjectReference,
        kind: EventType,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let message = message.into();
        let entry = Entry { source: self.source.clone(), about, kind, reason, message, at: Timestamp::now() };
        if self.queue.try_send(entry).is_err() {
            tracing::debug!(reason, "an event was lost: the queue is full");
        }
    }
}

type Key = (Option<String>, Option<String>, &'static str, String);

async fn write(client: Client, mut entries: mpsc::Receiver<Entry>) {
    let mut known: HashMap<Key, (String, i32)> = HashMap::new();
    while let Some(entry) = entries.recv().await {
        let key = (entry.about.uid.clone(), entry.about.field_path.clone(), entry.reason, entry.message.clone());
        let namespace = entry.about.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let events = Api::<Event>::namespaced(client.clone(), &namespace);
        if let Some((name, count)) = known.get_mut(&key) {
            *count += 1;
            let patch = serde_json::json!({"count": count, "lastTimestamp": Time(entry.at)});
            let params = PatchParams { field_manager: entry.source.component.clone(), ..PatchParams::default() };
            if events.patch(name, &params, &Patch::Merge(patch)).await.is_ok() {
                continue;
            }
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        let event = event(&entry, &namespace);
        let name = event.metadata.name.clone().unwrap_or_default();
        let params = PostParams { field_manager: entry.source.component.clone(), ..PostParams::default() };
        match events.create(&params, &event).await {
            Ok(_) => {
                known.insert(key, (name, 1));
            }
            // The namespace is gone or about to be.
            Err(error) => {
                tracing::debug!(%error, reason = entry.reason, "an event was not written");
            }
        }
    }
}

fn event(entry: &Entry, namespace: &str) -> Event {
    let about = entry.about.name.clone().unwrap_or_default();
    // Unique and in the order of time, as the names of real events.
    let suffix = format!("{:x}", entry.at.as_nanosecond());
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{about}.{suffix}")),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: entry.about.clone(),
        reason: Some(entry.reason.to_owned()),
        message: Some(entry.message.clone()),
        type_: Some(entry.kind.name().to_owned()),
        first_timestamp: Some(Time(entry.at)),
        last_timestamp: Some(Time(entry.at)),
        count: Some(1),
        source: Some(entry.source.clone()),
        reporting_component: entry.source.component.clone(),
        reporting_instance: entry.source.host.clone(),
        ..Event::default()
    }
}
