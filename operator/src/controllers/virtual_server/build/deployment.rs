//! The Deployment of a gateway.

use serde_json::{Value, json};

use super::{CONTAINER, Gateway, PORT, config_map_name, name};
use crate::controllers::{
    Settings,
    virtual_server::configuration::{OIDC_CA_FILE, OIDC_CA_FOLDER},
    workload::{
        Owner,
        pod::{self, CHECKSUM},
    },
};

/// Where the configuration is in the pod.
const CONFIG_FOLDER: &str = "/etc/vmcp-config";

pub(super) fn deployment(gateway: &Gateway, owner: &Owner, settings: &Settings, config: &str) -> Value {
    let mut template = json!({
        "metadata": {
            "labels": owner.labels(),
            "annotations": {CHECKSUM: pod::checksum(config)},
        },
        "spec": {
            "serviceAccountName": name(&gateway.key.name),
            "terminationGracePeriodSeconds": 30,
            "securityContext": pod::security(),
            "containers": [container(gateway, settings)],
            "volumes": volumes(gateway),
        },
    });
    if let Some(user) = &gateway.pod_template {
        pod::customize(&mut template, user, owner);
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata(&name(&gateway.key.name)),
        "spec": {
            "replicas": 1,
            "progressDeadlineSeconds": 120,
            "selector": {"matchLabels": owner.selector},
            "template": template,
        },
    })
}

fn container(gateway: &Gateway, settings: &Settings) -> Value {
    let mut arguments = vec![
        "serve".to_owned(),
        format!("--config={CONFIG_FOLDER}/config.yaml"),
        "--host=0.0.0.0".to_owned(),
        format!("--port={PORT}"),
    ];
    arguments.extend(settings.egress_allow.iter().map(|range| format!("--egress-allow={range}")));
    let mut mounts = vec![json!({"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": true})];
    if gateway.oidc_ca.is_some() {
        mounts.push(json!({"name": "oidc-ca", "mountPath": OIDC_CA_FOLDER, "readOnly": true}));
    }
    json!({
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "env": [
            {"name": "VMCP_NAMESPACE", "value": gateway.key.namespace},
            {"name": "VMCP_NAME", "value": gateway.key.name},
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": pod::probe("/health", 1, 2, 60),
        "readinessProbe": pod::probe("/readyz", 2, 5, 3),
        "livenessProbe": pod::probe("/health", 10, 5, 3),
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        "securityContext": pod::container_security(),
        "volumeMounts": mounts,
    })
}

fn volumes(gateway: &Gateway) -> Vec<Value> {
    let config = json!({"name": "config", "configMap": {"name": config_map_name(&gateway.key.name)}});
    let bundle = gateway.oidc_ca.as_ref().map(|(name, key)| {
        json!({"name": "oidc-ca", "configMap": {
            "name": name,
            "optional": true,
            "items": [{"key": key, "path": OIDC_CA_FILE}],
        }})
    });
    [config].into_iter().chain(bundle).collect()
}
