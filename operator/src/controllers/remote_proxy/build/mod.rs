//! The objects of a proxy. Nothing here can fail, and the same proxy gives the same objects.

mod deployment;

use operator_api::MetadataOverrides;
use serde_json::{Value, json};

use super::validate::Proxy;
use crate::{
    controllers::{
        Settings,
        workload::{Metadata, Owner, rbac},
    },
    runtime::{ObjectKey, observed::OwnedKind},
};

/// The name of the proxy's container in its pods.
pub const CONTAINER: &str = "toolhive";

/// The name of the Service of the proxy `name`.
pub fn service_name(name: &str) -> String {
    format!("mcp-{name}-remote-proxy")
}

/// The name of the ConfigMap of the proxy `name`.
fn config_map_name(name: &str) -> String {
    format!("{name}-runconfig")
}

/// The name of the ServiceAccount of the proxy `name`, its Role and its RoleBinding.
fn account_name(name: &str) -> String {
    format!("{name}-remote-proxy-runner")
}

/// Where clients in the cluster connect.
pub fn url(key: &ObjectKey, port: i32) -> String {
    format!("http://{}.{}.svc.cluster.local:{port}", service_name(&key.name), key.namespace)
}

/// The objects of the proxy `name` that some specs do not want.
pub fn optional(name: &str) -> [(OwnedKind, String); 4] {
    [
        (OwnedKind::RoleBinding, account_name(name)),
        (OwnedKind::Role, account_name(name)),
        (OwnedKind::ServiceAccount, account_name(name)),
        (OwnedKind::PodDisruptionBudget, name.to_owned()),
    ]
}

/// Every object of `proxy`, in the order in which they need each other.
pub fn objects(proxy: &Proxy, settings: &Settings) -> Vec<(OwnedKind, Value)> {
    let owner = owner(proxy);
    let name = &proxy.key.name;
    let config = config_json(proxy);
    let mut objects = Vec::new();
    if proxy.spec.service_account.is_none() {
        let account = account_name(name);
        let rules: Vec<_> = rbac::named("secrets", &proxy.secrets).into_iter().collect();
        objects.push((OwnedKind::ServiceAccount, service_account(proxy, &owner)));
        objects.push((OwnedKind::Role, rbac::role(&owner, &account, &rules)));
        objects.push((OwnedKind::RoleBinding, rbac::role_binding(&owner, &account)));
    }
    objects.push((OwnedKind::ConfigMap, owner.config_map(&config_map_name(name), "runconfig.json", &config)));
    objects.push((OwnedKind::Service, service(proxy, &owner)));
    objects.push((OwnedKind::Deployment, deployment::deployment(proxy, &owner, settings, &config)));
    if proxy.spec.replicas.is_some_and(|replicas| replicas > 1) {
        objects.push((OwnedKind::PodDisruptionBudget, disruption_budget(proxy, &owner)));
    }
    objects
}

fn owner(proxy: &Proxy) -> Owner {
    let name = &proxy.key.name;
    let labels = [
        ("app", "mcpremoteproxy"),
        ("app.kubernetes.io/name", "mcpremoteproxy"),
        ("app.kubernetes.io/instance", name),
        ("toolhive", "true"),
        ("toolhive-name", name),
    ];
    Owner {
        kind: "MCPRemoteProxy",
        key: proxy.key.clone(),
        uid: proxy.uid.clone(),
        selector: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

/// The file that the proxy reads.
fn config_json(proxy: &Proxy) -> String {
    // The detour over a value leaves no way to fail but one that the types rule out.
    let value = serde_json::to_value(&proxy.config).unwrap_or_default();
    format!("{value:#}\n")
}

/// Secrets with credentials of image registries, for the pods and the ServiceAccount.
fn pull_secrets(proxy: &Proxy) -> Option<Value> {
    let overrides = proxy.spec.resource_overrides.as_ref()?.proxy_deployment.as_ref()?;
    overrides.image_pull_secrets.as_ref().filter(|secrets| !secrets.is_empty()).map(|secrets| json!(secrets))
}

fn service_account(proxy: &Proxy, owner: &Owner) -> Value {
    let mut account = rbac::service_account(owner, &account_name(&proxy.key.name));
    if let Some(secrets) = pull_secrets(proxy) {
        account["imagePullSecrets"] = secrets;
    }
    account
}

fn service(proxy: &Proxy, owner: &Owner) -> Value {
    let overrides = proxy.spec.resource_overrides.as_ref().and_then(|overrides| overrides.proxy_service.as_ref());
    let (labels, annotations) = metadata(overrides);
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata_with(&service_name(&proxy.key.name), labels, annotations),
        "spec": {
            "type": "ClusterIP",
            "sessionAffinity": proxy.spec.session_affinity,
            "selector": owner.selector,
            "ports": [{"name": "http", "port": proxy.spec.proxy_port, "protocol": "TCP", "targetPort": "http"}],
        },
    })
}

/// Labels and annotations to add.
fn metadata(overrides: Option<&MetadataOverrides>) -> (Option<&Metadata>, Option<&Metadata>) {
    (
        overrides.and_then(|overrides| overrides.labels.as_ref()),
        overrides.and_then(|overrides| overrides.annotations.as_ref()),
    )
}

/// Of several pods, one at a time may be evicted.
fn disruption_budget(proxy: &Proxy, owner: &Owner) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": owner.metadata(&proxy.key.name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": owner.selector}},
    })
}
