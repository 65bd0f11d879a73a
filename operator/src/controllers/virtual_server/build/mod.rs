//! The objects of a gateway. Nothing here can fail, and the same gateway gives the same objects.

mod deployment;

use operator_api::GROUP;
use serde_json::{Value, json};

use super::validate::Gateway;
use crate::{
    controllers::{
        Settings,
        workload::{Owner, rbac},
    },
    runtime::{ObjectKey, observed::OwnedKind},
};

/// Port of the gateways.
pub const PORT: u16 = 4483;
/// The name of the gateway's container in its pods.
pub const CONTAINER: &str = "vmcp";

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
    let owner = owner(gateway);
    let config = config_yaml(gateway);
    let config_map = owner.config_map(&config_map_name(&gateway.key.name), "config.yaml", &config);
    let account = name(&gateway.key.name);
    vec![
        (OwnedKind::ServiceAccount, rbac::service_account(&owner, &account)),
        (OwnedKind::Role, rbac::role(&owner, &account, &rules(gateway))),
        (OwnedKind::RoleBinding, rbac::role_binding(&owner, &account)),
        (OwnedKind::ConfigMap, config_map),
        (OwnedKind::Service, service(gateway, &owner)),
        (OwnedKind::Deployment, deployment::deployment(gateway, &owner, settings, &config)),
    ]
}

fn owner(gateway: &Gateway) -> Owner {
    let labels = [("app.kubernetes.io/name", CONTAINER), ("app.kubernetes.io/instance", &gateway.key.name)];
    Owner {
        kind: "VirtualMCPServer",
        key: gateway.key.clone(),
        uid: gateway.uid.clone(),
        selector: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

/// What a gateway may do: read its group's objects and exactly the Secrets and ConfigMaps that these name, and write
/// its own part of its status.
fn rules(gateway: &Gateway) -> Vec<Value> {
    let mut rules = vec![
        json!({
            "apiGroups": [GROUP],
            "resources": [
                "mcpgroups", "mcpserverentries", "mcpremoteproxies", "mcpservers", "mcpexternalauthconfigs"
            ],
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
    rules.extend(rbac::named("secrets", &gateway.secrets));
    rules.extend(rbac::named("configmaps", &gateway.config_maps));
    rules
}

/// The file that the gateway reads.
fn config_yaml(gateway: &Gateway) -> String {
    // JSON is YAML; the detour over a value leaves no way to fail but one that the types rule out.
    let value = serde_json::to_value(&gateway.config).unwrap_or_default();
    serde_saphyr::to_string(&value).unwrap_or_else(|_| value.to_string())
}

fn service(gateway: &Gateway, owner: &Owner) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata(&name(&gateway.key.name)),
        "spec": {
            "type": gateway.service_type,
            "sessionAffinity": gateway.session_affinity,
            "selector": owner.selector,
            "ports": [{"name": "http", "port": PORT, "protocol": "TCP", "targetPort": "http"}],
        },
    })
}
