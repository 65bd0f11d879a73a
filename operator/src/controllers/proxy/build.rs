//! The objects of a proxy. Nothing here can fail, and the same proxy gives the same objects.

use serde_json::{Value, json};
use vmcp_config::proxy::ProxyConfig;

use super::{front::Front, validate::Proxy};
use crate::{
    controllers::{
        Settings,
        workload::{
            Owner,
            config_volume::Bundle,
            pod,
            program::{ConfigFile, Program, metadata},
            rbac,
            shared_sessions::SharedSessions,
        },
    },
    runtime::observed::OwnedKind,
};

/// The name of the proxy's container in its pods.
pub const CONTAINER: &str = "toolhive";
/// Where the configuration is in the pod.
const CONFIG_FOLDER: &str = "/etc/runconfig";
/// Its file there.
const CONFIG_FILE: &str = "runconfig.json";

/// The objects of the proxy `front` that some specs do not want.
pub fn optional(front: &Front<'_>) -> [(OwnedKind, String); 4] {
    [
        (OwnedKind::RoleBinding, front.account.clone()),
        (OwnedKind::Role, front.account.clone()),
        (OwnedKind::ServiceAccount, front.account.clone()),
        (OwnedKind::PodDisruptionBudget, front.key.name.clone()),
    ]
}

/// Every object of `proxy`, in the order in which they need each other.
pub fn objects(proxy: &Proxy<'_>, settings: &Settings) -> Vec<(OwnedKind, Value)> {
    let front = &proxy.front;
    let owner = front.owner(front.app);
    let config_map = format!("{}-runconfig", front.key.name);
    let config = config_json(&proxy.config);
    let mut objects = Vec::new();
    if front.existing_account.is_none() {
        let rules: Vec<_> = rbac::named("secrets", &proxy.secrets).into_iter().collect();
        objects.push((OwnedKind::ServiceAccount, service_account(front, &owner, &front.account)));
        objects.push((OwnedKind::Role, rbac::role(&owner, &front.account, &rules)));
        objects.push((OwnedKind::RoleBinding, rbac::role_binding(&owner, &front.account)));
    }
    objects.push((OwnedKind::ConfigMap, owner.config_map(&config_map, CONFIG_FILE, &config)));
    objects.push((OwnedKind::Service, service(front, &owner)));
    objects.push((OwnedKind::Deployment, deployment(proxy, &owner, settings, &config_map)));
    if front.replicas.is_some_and(|replicas| replicas > 1) {
        objects.push((OwnedKind::PodDisruptionBudget, disruption_budget(front, &owner)));
    }
    objects
}

/// The file that the proxy reads.
fn config_json(config: &ProxyConfig) -> String {
    // The detour over a value leaves no way to fail but one that the types rule out.
    let value = serde_json::to_value(config).unwrap_or_default();
    format!("{value:#}\n")
}

/// What pods read when they start and not again. The rest they follow.
fn read_at_start(proxy: &Proxy<'_>) -> String {
    let seal_key = proxy.shared_sessions.as_ref().map(SharedSessions::version);
    config_json(&proxy.config.read_at_start()) + seal_key.unwrap_or_default()
}

fn deployment(proxy: &Proxy<'_>, owner: &Owner, settings: &Settings, config_map: &str) -> Value {
    let front = &proxy.front;
    let program = Program {
        owner,
        name: front.key.name.clone(),
        container: CONTAINER,
        command: "proxy",
        config: ConfigFile { config_map, folder: CONFIG_FOLDER, file: CONFIG_FILE },
        checksum: pod::checksum(&read_at_start(proxy)),
        bundles: proxy.oidc_ca.iter().map(|(config_map, key)| Bundle::of_provider(config_map, key)).collect(),
        environment: Vec::new(),
        shared_sessions: proxy.shared_sessions.as_ref(),
        port: front.port,
        account: front.existing_account.map_or_else(|| front.account.clone(), str::to_owned),
        replicas: front.replicas,
        resources: front.resources,
        overrides: front.overrides.and_then(|overrides| overrides.proxy_deployment.as_ref()),
        pull_secrets: pull_secrets(front),
        template: front.template.filter(|user| user.container == CONTAINER).map(|user| user.template),
    };
    program.deployment(settings)
}

/// Secrets with credentials of image registries, for pods and ServiceAccounts.
pub fn pull_secrets(front: &Front<'_>) -> Option<Value> {
    let overrides = front.overrides?.proxy_deployment.as_ref()?;
    overrides.image_pull_secrets.as_ref().filter(|secrets| !secrets.is_empty()).map(|secrets| json!(secrets))
}

/// The ServiceAccount `name`.
pub fn service_account(front: &Front<'_>, owner: &Owner, name: &str) -> Value {
    let mut account = rbac::service_account(owner, name);
    if let Some(secrets) = pull_secrets(front) {
        account["imagePullSecrets"] = secrets;
    }
    account
}

fn service(front: &Front<'_>, owner: &Owner) -> Value {
    let overrides = front.overrides.and_then(|overrides| overrides.proxy_service.as_ref());
    let (labels, annotations) = metadata(overrides);
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata_with(&front.service, labels, annotations),
        "spec": {
            "type": "ClusterIP",
            "sessionAffinity": front.session_affinity,
            "selector": owner.selector,
            "ports": [{"name": "http", "port": front.port, "protocol": "TCP", "targetPort": "http"}],
        },
    })
}

/// Of several pods, one at a time may be evicted.
fn disruption_budget(front: &Front<'_>, owner: &Owner) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": owner.metadata(&front.key.name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": owner.selector}},
    })
}
