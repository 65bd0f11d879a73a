//! The objects of a gateway. Nothing here can fail, and the same gateway gives the same objects.

mod deployment;

use operator_api::GROUP;
use serde_json::{Value, json};
use vmcp_config::Config;

use super::validate::Gateway;
use crate::{
    controllers::{
        Settings,
        workload::{Owner, pods, rbac},
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
    let config = config_yaml(&gateway.configuration.config);
    let config_map = owner.config_map(&config_map_name(&gateway.key.name), "config.yaml", &config);
    let role = name(&gateway.key.name);
    let mut objects = Vec::new();
    if gateway.service_account.is_none() {
        let mut account = rbac::service_account(&owner, &role);
        if !gateway.image_pull_secrets.is_empty() {
            account["imagePullSecrets"] = image_pull_secrets(gateway);
        }
        objects.push((OwnedKind::ServiceAccount, account));
    }
    objects.extend([
        (OwnedKind::Role, rbac::role(&owner, &role, &rules(gateway))),
        (OwnedKind::RoleBinding, rbac::role_binding_to(&owner, &role, &account(gateway))),
        (OwnedKind::ConfigMap, config_map),
        (OwnedKind::Service, service(gateway, &owner)),
        (OwnedKind::Deployment, deployment::deployment(gateway, &owner, settings)),
    ]);
    if gateway.has_several_pods {
        objects.push((OwnedKind::PodDisruptionBudget, disruption_budget(gateway, &owner)));
    }
    objects
}

/// What `gateway` may have had before and has no longer.
pub fn obsolete(gateway: &Gateway) -> Vec<(OwnedKind, ObjectKey)> {
    let made = name(&gateway.key.name);
    let budget = (!gateway.has_several_pods).then_some(OwnedKind::PodDisruptionBudget);
    let account = (account(gateway) != made).then_some(OwnedKind::ServiceAccount);
    budget.into_iter().chain(account).map(|kind| (kind, gateway.key.sibling(made.clone()))).collect()
}

/// The ServiceAccount of the pods.
fn account(gateway: &Gateway) -> String {
    gateway.service_account.clone().unwrap_or_else(|| name(&gateway.key.name))
}

fn image_pull_secrets(gateway: &Gateway) -> Value {
    gateway.image_pull_secrets.iter().map(|name| json!({"name": name})).collect()
}

/// Drained nodes take one pod at a time, so that the others serve.
fn disruption_budget(gateway: &Gateway, owner: &Owner) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": owner.metadata(&name(&gateway.key.name)),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": owner.selector}},
    })
}

/// Whose the objects of `gateway` are.
pub fn owner(gateway: &Gateway) -> Owner {
    let labels = [(pods::NAME_LABEL, pods::GATEWAY), (pods::INSTANCE_LABEL, &gateway.key.name)];
    Owner {
        kind: "VirtualMCPServer",
        key: gateway.key.clone(),
        uid: gateway.uid.clone(),
        selector: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

/// What a gateway may do: write its own part of its status, and, unless its configuration has its backends, read its
/// group's objects and exactly the Secrets and ConfigMaps that these name.
fn rules(gateway: &Gateway) -> Vec<Value> {
    let mut rules = vec![
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
    if gateway.discovers {
        rules.push(json!({
            "apiGroups": [GROUP],
            "resources": [
                "mcpgroups", "mcpserverentries", "mcpremoteproxies", "mcpservers", "mcpexternalauthconfigs"
            ],
            "verbs": ["get", "list", "watch"],
        }));
        rules.extend(rbac::named("secrets", &gateway.inputs.secrets.keys().cloned().collect()));
        rules.extend(rbac::named("configmaps", &gateway.inputs.config_maps));
    }
    rules
}

/// The file that the gateway reads.
fn config_yaml(config: &Config) -> String {
    // JSON is YAML; the detour over a value leaves no way to fail but one that the types rule out.
    let value = serde_json::to_value(config).unwrap_or_default();
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
