//! The objects of a gateway. Nothing here can fail, and the same gateway gives the same objects.

mod deployment;
mod rbac;

use serde_json::{Value, json};

use super::validate::Gateway;
use crate::{
    controllers::{Settings, labels},
    runtime::{ObjectKey, observed::OwnedKind},
};

/// Port of the gateways.
pub const PORT: u16 = 4483;

/// The name of the objects of the gateway `name`, but for its ConfigMap.
pub fn name(name: &str) -> String {
    format!("vmcp-{name}")
}

/// The name of the ConfigMap of the gateway `name`.
pub fn config_map_name(name: &str) -> String {
    format!("{name}-vmcp-config")
}

/// Where clients in the cluster connect.
pub fn url(key: &ObjectKey) -> String {
    format!("http://{}.{}.svc.cluster.local:{PORT}", name(&key.name), key.namespace)
}

/// Every object of `gateway`, in the order in which they need each other.
pub fn objects(gateway: &Gateway, settings: &Settings) -> Vec<(OwnedKind, Value)> {
    let config = config_yaml(gateway);
    vec![
        (OwnedKind::ServiceAccount, rbac::service_account(gateway)),
        (OwnedKind::Role, rbac::role(gateway)),
        (OwnedKind::RoleBinding, rbac::role_binding(gateway)),
        (OwnedKind::ConfigMap, config_map(gateway, &config)),
        (OwnedKind::Service, service(gateway)),
        (OwnedKind::Deployment, deployment::deployment(gateway, settings, &config)),
    ]
}

/// Metadata of an object of `gateway`.
fn metadata(gateway: &Gateway, name: &str) -> Value {
    json!({
        "name": name,
        "namespace": gateway.key.namespace,
        "labels": labels::of_gateway(&gateway.key.name),
        "ownerReferences": [{
            "apiVersion": format!("{}/{}", operator_api::GROUP, operator_api::VERSION),
            "kind": "VirtualMCPServer",
            "name": gateway.key.name,
            "uid": gateway.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }],
    })
}

/// The file that the gateway reads.
fn config_yaml(gateway: &Gateway) -> String {
    // JSON is YAML; the detour over a value leaves no way to fail but one that the types rule out.
    let value = serde_json::to_value(&gateway.config).unwrap_or_default();
    serde_saphyr::to_string(&value).unwrap_or_else(|_| value.to_string())
}

fn config_map(gateway: &Gateway, config: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(gateway, &config_map_name(&gateway.key.name)),
        "data": {"config.yaml": config},
    })
}

fn service(gateway: &Gateway) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(gateway, &name(&gateway.key.name)),
        "spec": {
            "type": gateway.service_type,
            "sessionAffinity": gateway.session_affinity,
            "selector": labels::selector(&gateway.key.name),
            "ports": [{"name": "http", "port": PORT, "protocol": "TCP", "targetPort": "http"}],
        },
    })
}
