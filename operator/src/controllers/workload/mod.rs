//! What the objects of gateways, proxies and servers have in common: whose they are, how their pods are secured and
//! probed, what those pods may read, and how a user's pod template is merged in.
//!
//! An annotation that somebody else sets, such as `kubectl.kubernetes.io/restartedAt`, stays: objects are applied, and
//! apply touches the fields that the operator names alone.

pub mod config_volume;
pub mod pod;
pub mod pods;
pub mod program;
pub mod rbac;
pub mod replicas;
pub mod shared_sessions;
pub mod strategic_merge;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::runtime::ObjectKey;

/// Labels or annotations.
pub type Metadata = BTreeMap<String, String>;

/// The object of ours that other objects are made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace and name.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: String,
    /// The labels that its pods, and no others, have.
    pub selector: Metadata,
}

impl Owner {
    /// Labels of every object that is made for it.
    pub fn labels(&self) -> Metadata {
        let manager = [("app.kubernetes.io/managed-by".to_owned(), crate::NAME.to_owned())];
        self.selector.clone().into_iter().chain(manager).collect()
    }

    /// Metadata of its object `name`.
    pub fn metadata(&self, name: &str) -> Value {
        self.metadata_with(name, None, None)
    }

    /// Metadata of its object `name` with more labels and annotations. The operator's labels win.
    pub fn metadata_with(&self, name: &str, labels: Option<&Metadata>, annotations: Option<&Metadata>) -> Value {
        let mut metadata = json!({
            "name": name,
            "namespace": self.key.namespace,
            "labels": self.labels_over(labels),
            "ownerReferences": [{
                "apiVersion": format!("{}/{}", operator_api::GROUP, operator_api::VERSION),
                "kind": self.kind,
                "name": self.key.name,
                "uid": self.uid,
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        });
        if let Some(annotations) = annotations.filter(|annotations| !annotations.is_empty()) {
            metadata["annotations"] = json!(annotations);
        }
        metadata
    }

    /// Its labels, and those of `labels` that are none of the operator's.
    pub fn labels_over(&self, labels: Option<&Metadata>) -> Metadata {
        labels.cloned().unwrap_or_default().into_iter().chain(self.labels()).collect()
    }

    /// Its ConfigMap `name` with one file.
    pub fn config_map(&self, name: &str, file: &str, text: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.metadata(name),
            "data": {file: text},
        })
    }
}

/// Selects everything that the operator made.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by=toolhive-operator";

/// Why `name` makes no name for a Service with `added` characters around it, if so.
pub fn name_problem(name: &str, added: usize) -> Option<String> {
    let most = 63 - added;
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (name.len() > most || !name.chars().all(label)).then(|| {
        format!("the name {name:?} makes no name for a Service: use at most {most} characters a-z, 0-9 and \"-\"")
    })
}
