//! The Deployment of a gateway.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Gateway, PORT, config_map_name, metadata, name};
use crate::controllers::{
    Settings, labels,
    virtual_server::{
        configuration::{OIDC_CA_FILE, OIDC_CA_FOLDER},
        strategic_merge,
    },
};

/// Where the configuration is in the pod.
const CONFIG_FOLDER: &str = "/etc/vmcp-config";
/// A change of this annotation starts new pods: the gateway reads its configuration when it starts. Secrets, CA bundles
/// and backends are not part of it, since the gateway follows them while it runs.
const CHECKSUM: &str = "toolhive.stacklok.dev/config-checksum";
/// The user of the gateway's process.
const USER: u32 = 65532;

pub(super) fn deployment(gateway: &Gateway, settings: &Settings, config: &str) -> Value {
    let mut template = json!({
        "metadata": {
            "labels": labels::of_gateway(&gateway.key.name),
            "annotations": {CHECKSUM: checksum(config)},
        },
        "spec": {
            "serviceAccountName": name(&gateway.key.name),
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container(gateway, settings)],
            "volumes": volumes(gateway),
        },
    });
    if let Some(user) = &gateway.pod_template {
        strategic_merge::merge(&mut template, user);
        // The Service and the Deployment find the pods by these.
        for (key, value) in labels::of_gateway(&gateway.key.name).as_object().into_iter().flatten() {
            template["metadata"]["labels"][key] = value.clone();
        }
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(gateway, &name(&gateway.key.name)),
        "spec": {
            "replicas": 1,
            "progressDeadlineSeconds": 120,
            "selector": {"matchLabels": labels::selector(&gateway.key.name)},
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
        "name": "vmcp",
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "env": [
            {"name": "VMCP_NAMESPACE", "value": gateway.key.namespace},
            {"name": "VMCP_NAME", "value": gateway.key.name},
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": probe("/health", 1, 2, 60),
        "readinessProbe": probe("/readyz", 2, 5, 3),
        "livenessProbe": probe("/health", 10, 5, 3),
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    })
}

fn probe(path: &str, period: u32, timeout: u32, failures: u32) -> Value {
    json!({
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
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

fn checksum(config: &str) -> String {
    Sha256::digest(config).iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
