//! The Deployment of a gateway.

use serde_json::{Value, json};

use super::{CONTAINER, Gateway, PORT, account, config_map_name, config_yaml, image_pull_secrets, name};
use crate::controllers::{
    Settings,
    workload::{
        Owner,
        config_volume::{self, Bundle},
        pod::{self, CHECKSUM},
        shared_sessions::SharedSessions,
    },
};

/// Where the configuration is in the pod.
const CONFIG_FOLDER: &str = "/etc/vmcp-config";

pub(super) fn deployment(gateway: &Gateway, owner: &Owner, settings: &Settings) -> Value {
    let mut template = json!({
        "metadata": {
            "labels": owner.labels(),
            "annotations": {CHECKSUM: pod::checksum(&read_at_start(gateway))},
        },
        "spec": {
            "serviceAccountName": account(gateway),
            "terminationGracePeriodSeconds": 30,
            "securityContext": pod::security(),
            "containers": [container(gateway, settings)],
            "volumes": volumes(gateway),
        },
    });
    if !gateway.image_pull_secrets.is_empty() {
        template["spec"]["imagePullSecrets"] = image_pull_secrets(gateway);
    }
    if let Some(user) = &gateway.pod_template {
        pod::customize(&mut template, user, owner);
    }
    let mut spec = json!({
        "progressDeadlineSeconds": 120,
        "selector": {"matchLabels": owner.selector},
        "template": template,
    });
    // Without a number of its own the gateway's pods are counted by whoever says so, such as an autoscaler.
    if let Some(replicas) = gateway.replicas {
        spec["replicas"] = json!(replicas);
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata(&name(&gateway.key.name)),
        "spec": spec,
    })
}

/// What pods read when they start and not again: a part of their configuration, and the versions of what is in their
/// environment. The rest they follow, with the sessions that they have.
fn read_at_start(gateway: &Gateway) -> String {
    let config = config_yaml(&gateway.configuration.config.read_at_start());
    let versions = gateway.inputs.secrets.iter();
    let versions = versions.filter_map(|(name, version)| Some(format!("{name}={}", version.as_ref()?)));
    let seal_key = gateway.shared_sessions.as_ref().map(SharedSessions::version);
    config + &versions.collect::<Vec<_>>().join(",") + seal_key.unwrap_or_default()
}

fn container(gateway: &Gateway, settings: &Settings) -> Value {
    let mut arguments = vec![
        "serve".to_owned(),
        format!("--config={CONFIG_FOLDER}/config.yaml"),
        "--host=0.0.0.0".to_owned(),
        format!("--port={PORT}"),
    ];
    arguments.extend(settings.egress_allow.iter().map(|range| format!("--egress-allow={range}")));
    arguments.extend(gateway.shared_sessions.iter().flat_map(SharedSessions::arguments));
    let mut environment = vec![
        json!({"name": "VMCP_NAMESPACE", "value": gateway.key.namespace}),
        json!({"name": "VMCP_NAME", "value": gateway.key.name}),
    ];
    environment.extend(gateway.configuration.variables.iter().map(|variable| {
        let source = json!({"name": variable.secret, "key": variable.key, "optional": true});
        json!({"name": variable.name, "valueFrom": {"secretKeyRef": source}})
    }));
    json!({
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "env": environment,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": pod::probe("/health", 1, 2, 60),
        "readinessProbe": pod::probe("/readyz", 2, 5, 3),
        "livenessProbe": pod::probe("/health", 10, 5, 3),
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        "securityContext": pod::container_security(),
        // So that the status can say why a gateway ended.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts(gateway),
    })
}

fn mounts(gateway: &Gateway) -> Value {
    let sessions = gateway.shared_sessions.iter().map(SharedSessions::mount);
    [config_volume::mount(CONFIG_FOLDER)].into_iter().chain(sessions).collect()
}

/// The volume with the configuration and the CA bundles that it names, and that with what sharing sessions takes.
fn volumes(gateway: &Gateway) -> Value {
    let provider = gateway.oidc_ca.as_ref().map(|(config_map, key)| Bundle::of_provider(config_map, key));
    let bundles = provider.iter().chain(&gateway.configuration.bundles);
    let config = config_volume::volume(&config_map_name(&gateway.key.name), bundles);
    [config].into_iter().chain(gateway.shared_sessions.iter().map(SharedSessions::volume)).collect()
}
