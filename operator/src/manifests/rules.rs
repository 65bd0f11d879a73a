//! The operator's rights, by where they are granted.

use operator_api::GROUP;
use serde::Serialize;
use serde_json::{Value, json};

use crate::run::LEASE;

/// The kinds that it protects from deletion while they are in use.
const CONFIGURATIONS: [&str; 6] = [
    "mcpauthzconfigs",
    "mcpexternalauthconfigs",
    "mcpoidcconfigs",
    "mcptelemetryconfigs",
    "mcptoolconfigs",
    "virtualmcpcompositetooldefinitions",
];

/// The rules of the operator's Roles and ClusterRole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rules {
    /// In every namespace that it watches: by a ClusterRole when that is all, by a Role in each otherwise.
    pub namespaced: Value,
    /// In the whole cluster, when it watches all of it.
    pub cluster: Value,
    /// In the operator's own namespace.
    pub leader: Value,
}

impl Rules {
    /// The rules of this release.
    pub fn current() -> Self {
        Self { namespaced: namespaced(), cluster: cluster(), leader: leader() }
    }
}

/// What the operator does, and what it grants to gateways: Kubernetes lets nobody grant what they do not have.
fn namespaced() -> Value {
    let kinds: Vec<_> = operator_api::crds().into_iter().map(|crd| crd.spec.names.plural).collect();
    let statuses: Vec<_> = kinds.iter().map(|kind| format!("{kind}/status")).collect();
    json!([
        {
            // Reads its kinds, and lets gateways read the members of their groups.
            "apiGroups": [GROUP],
            "resources": kinds,
            "verbs": ["get", "list", "watch"],
        },
        {
            // Protects configurations that are in use from deletion.
            "apiGroups": [GROUP],
            "resources": CONFIGURATIONS,
            "verbs": ["patch"],
        },
        {
            // An owner reference that blocks deletion takes this.
            "apiGroups": [GROUP],
            "resources": ["mcpremoteproxies/finalizers", "mcpservers/finalizers", "virtualmcpservers/finalizers"],
            "verbs": ["update"],
        },
        {
            // Writes status; gateways write theirs.
            "apiGroups": [GROUP],
            "resources": statuses,
            "verbs": ["get", "patch", "update"],
        },
        {
            // Checks that keys exist; gateways read the values. Makes the keys that the pods of a gateway share, and never
            // writes them again.
            "apiGroups": [""],
            "resources": ["secrets"],
            "verbs": ["create", "get", "list", "watch"],
        },
        {
            // Makes the objects of gateways, proxies and servers.
            "apiGroups": [""],
            "resources": ["configmaps", "serviceaccounts", "services"],
            "verbs": ["create", "get", "list", "patch", "watch"],
        },
        {
            "apiGroups": ["apps"],
            "resources": ["deployments", "statefulsets"],
            "verbs": ["create", "get", "list", "patch", "watch"],
        },
        {
            // Says why pods do not start.
            "apiGroups": [""],
            "resources": ["pods"],
            "verbs": ["get", "list", "watch"],
        },
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["rolebindings", "roles"],
            "verbs": ["create", "delete", "get", "list", "patch", "watch"],
        },
        {
            // They go when there is one pod again.
            "apiGroups": ["policy"],
            "resources": ["poddisruptionbudgets"],
            "verbs": ["create", "delete", "get", "list", "patch", "watch"],
        },
        {
            // Pods may come to use another ServiceAccount than the one that was made for them.
            "apiGroups": [""],
            "resources": ["serviceaccounts"],
            "verbs": ["delete"],
        },
        {
            "apiGroups": ["events.k8s.io"],
            "resources": ["events"],
            "verbs": ["create", "patch"],
        },
    ])
}

/// What migrating stored objects takes: definitions belong to no namespace.
fn cluster() -> Value {
    let crds = operator_api::crds();
    let definitions: Vec<_> = crds.iter().filter_map(|crd| crd.metadata.name.as_deref()).collect();
    let resources: Vec<_> = crds.iter().map(|crd| crd.spec.names.plural.as_str()).collect();
    json!([
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "verbs": ["get", "list", "watch"],
        },
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions/status"],
            "resourceNames": definitions,
            "verbs": ["patch"],
        },
        {"apiGroups": [GROUP], "resources": resources, "verbs": ["patch"]},
    ])
}

/// What electing a leader takes, in the operator's own namespace.
fn leader() -> Value {
    json!([
        {
            // A name cannot be said for an object that is not there yet.
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["create"],
        },
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [LEASE],
            "verbs": ["get", "patch"],
        },
    ])
}
