//! Events: what people read in `kubectl describe`.

use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::ObjectKey;
use crate::NAME;

/// Publishes events about objects.
#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    /// Publishes by `client`.
    pub fn new(client: Client) -> Self {
        let instance = std::env::var("POD_NAME").unwrap_or_else(|_| NAME.to_owned());
        Self(Recorder::new(client, Reporter { controller: NAME.to_owned(), instance: Some(instance) }))
    }

    /// Something that people should look at happened to `object`.
    pub async fn warning<K: Resource<DynamicType = ()>>(&self, object: &K, reason: &str, action: &str, note: &str) {
        self.publish(object, EventType::Warning, reason, action, note).await;
    }

    /// Something that should happen happened to `object`.
    pub async fn normal<K: Resource<DynamicType = ()>>(&self, object: &K, reason: &str, action: &str, note: &str) {
        self.publish(object, EventType::Normal, reason, action, note).await;
    }

    async fn publish<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        kind: EventType,
        reason: &str,
        action: &str,
        note: &str,
    ) {
        // The API server takes at most 1 KiB.
        let note: String = note.chars().take(1000).collect();
        let event = Event {
            type_: kind,
            reason: reason.to_owned(),
            note: Some(note),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.0.publish(&event, &object.object_ref(&())).await {
            // An event is a courtesy: what it says stands in the conditions too.
            tracing::warn!(key = %ObjectKey::of(object), reason, %error, "failed to publish an event");
        }
    }
}
