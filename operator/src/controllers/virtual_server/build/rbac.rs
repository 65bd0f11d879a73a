//! What a gateway may do: read its group's objects and exactly the Secrets and ConfigMaps that these name, and write
//! its own part of its status.

use std::collections::BTreeSet;

use operator_api::GROUP;
use serde_json::{Value, json};

use super::{Gateway, metadata, name};

pub(super) fn service_account(gateway: &Gateway) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(gateway, &name(&gateway.key.name)),
    })
}

pub(super) fn role(gateway: &Gateway) -> Value {
    let mut rules = vec![
        json!({
            "apiGroups": [GROUP],
            "resources": ["mcpgroups", "mcpserverentries", "mcpexternalauthconfigs"],
            "verbs": ["get", "list", "watch"],
        }),
        json!({
            "apiGroups": [GROUP],
            "resources": ["virtualmcpservers"],
            "resourceNames": [gateway.key.name],
            "verbs": ["get"],
        }),
        json!({
            "apiGroups": [GROUP],
            "resources": ["virtualmcpservers/status"],
            "resourceNames": [gateway.key.name],
            "verbs": ["get", "patch", "update"],
        }),
    ];
    rules.extend(named("secrets", &gateway.secrets));
    rules.extend(named("configmaps", &gateway.config_maps));
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata(gateway, &name(&gateway.key.name)),
        "rules": rules,
    })
}

/// Reading the objects `names`, and no others. A rule without names would mean all.
fn named(resource: &str, names: &BTreeSet<String>) -> Option<Value> {
    (!names.is_empty()).then(|| {
        json!({
            "apiGroups": [""],
            "resources": [resource],
            "resourceNames": names,
            "verbs": ["get", "list", "watch"],
        })
    })
}

pub(super) fn role_binding(gateway: &Gateway) -> Value {
    let name = name(&gateway.key.name);
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata(gateway, &name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": gateway.key.namespace}],
    })
}
