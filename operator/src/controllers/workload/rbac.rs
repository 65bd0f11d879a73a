//! What pods may do: nothing but what their Role names.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Owner;

/// The ServiceAccount `name`.
pub fn service_account(owner: &Owner, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": owner.metadata(name),
    })
}

/// The Role `name`.
pub fn role(owner: &Owner, name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": owner.metadata(name),
        "rules": rules,
    })
}

/// Gives the Role `name` to the ServiceAccount `name`.
pub fn role_binding(owner: &Owner, name: &str) -> Value {
    role_binding_to(owner, name, name)
}

/// Gives the Role `name` to the ServiceAccount `account`.
pub fn role_binding_to(owner: &Owner, name: &str, account: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": owner.metadata(name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": owner.key.namespace}],
    })
}

/// Reading the objects `names` of the core's `resource`, and no others. A rule without names would mean all.
pub fn named(resource: &str, names: &BTreeSet<String>) -> Option<Value> {
    (!names.is_empty()).then(|| {
        json!({
            "apiGroups": [""],
            "resources": [resource],
            "resourceNames": names,
            "verbs": ["get", "list", "watch"],
        })
    })
}
