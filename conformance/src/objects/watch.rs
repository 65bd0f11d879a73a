//! Watching an object or a list of them.

use std::collections::BTreeMap;

use futures::{Stream, StreamExt};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;

use super::kinds::Kind;

/// What there is at one moment of a watch, by name.
pub type Seen = BTreeMap<String, Value>;

/// Watches objects of a kind in a namespace; each item is all that there is after an event.
///
/// The stream goes on after errors of the API server, as controllers do; whoever waits has a deadline.
pub fn watch(
    client: &kube::Client,
    kind: &Kind,
    namespace: &str,
    name: Option<&str>,
    selector: Option<&str>,
) -> impl Stream<Item = Seen> + Send + use<> {
    let resource = ApiResource {
        group: kind.group.clone(),
        version: kind.version.clone(),
        api_version: kind.api_version(),
        kind: kind.kind.clone(),
        plural: kind.plural.clone(),
    };
    let api: Api<DynamicObject> = if kind.namespaced {
        Api::namespaced_with(client.clone(), namespace, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    };
    let mut config = watcher::Config::default();
    if let Some(name) = name {
        config = config.fields(&format!("metadata.name={name}"));
    }
    if let Some(selector) = selector {
        config = config.labels(selector);
    }
    let (api_version, kind) = (kind.api_version(), kind.kind.clone());
    let as_json = move |object: DynamicObject| {
        let name = object.metadata.name.clone().unwrap_or_default();
        let mut value = serde_json::to_value(object).unwrap_or_default();
        value["apiVersion"] = Value::String(api_version.clone());
        value["kind"] = Value::String(kind.clone());
        (name, value)
    };
    watcher::watcher(api, config)
        .default_backoff()
        .scan(Progress::default(), move |progress, event| {
            let changed = match event {
                Ok(Event::Init) => progress.start(),
                Ok(Event::InitApply(object)) => progress.listed(as_json(object)),
                Ok(Event::InitDone) => progress.done(),
                Ok(Event::Apply(object)) => progress.set(as_json(object)),
                Ok(Event::Delete(object)) => progress.remove(&as_json(object).0),
                Err(error) => {
                    tracing::debug!(%error, "watch");
                    false
                }
            };
            let seen = changed.then(|| progress.seen.clone());
            futures::future::ready(Some(seen))
        })
        .filter_map(futures::future::ready)
        .boxed()
}

/// The objects so far, and those of a list that is being read.
#[derive(Default)]
struct Progress {
    seen: Seen,
    listing: Seen,
}

impl Progress {
    fn start(&mut self) -> bool {
        self.listing.clear();
        false
    }

    fn listed(&mut self, (name, object): (String, Value)) -> bool {
        self.listing.insert(name, object);
        false
    }

    fn done(&mut self) -> bool {
        self.seen = std::mem::take(&mut self.listing);
        true
    }

    fn set(&mut self, (name, object): (String, Value)) -> bool {
        self.seen.insert(name, object);
        true
    }

    fn remove(&mut self, name: &str) -> bool {
        self.seen.remove(name).is_some()
    }
}
