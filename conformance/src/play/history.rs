//! How objects came to be as they are: every change of their conditions while a scenario plays.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::objects::{Kind, watch};

/// The changes by object, and the tasks that follow them.
pub(super) struct History {
    client: kube::Client,
    changes: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    followed: Mutex<(BTreeSet<String>, JoinSet<()>)>,
}

impl History {
    pub(super) fn new(client: kube::Client) -> Self {
        Self { client, changes: Arc::default(), followed: Mutex::default() }
    }

    /// Follows the objects of a kind in a namespace from now on.
    pub(super) fn follow(&self, kind: &Kind, namespace: &str) {
        if !kind.namespaced {
            return;
        }
        let mut followed = self.followed.lock();
        if !followed.0.insert(format!("{namespace}/{}", kind.plural)) {
            return;
        }
        let mut versions = watch(&self.client, kind, namespace, None, None);
        let changes = self.changes.clone();
        let singular = kind.singular.clone();
        followed.1.spawn(async move {
            while let Some(seen) = versions.next().await {
                let mut changes = changes.lock();
                for (name, object) in seen {
                    note(changes.entry(format!("{singular}/{name}")).or_default(), &object);
                }
            }
        });
    }

    /// All changes so far.
    pub(super) fn changes(&self) -> BTreeMap<String, Vec<Value>> {
        let changes = self.changes.lock();
        changes.clone()
    }
}

/// Adds a version when its status differs from the last one noted.
fn note(versions: &mut Vec<Value>, object: &Value) {
    let status = &object["status"];
    if versions.last().is_some_and(|last| last["status"] == *status) {
        return;
    }
    versions.push(json!({
        "at": jiff::Timestamp::now().to_string(),
        "resourceVersion": object["metadata"]["resourceVersion"],
        "generation": object["metadata"]["generation"],
        "status": status,
    }));
}
