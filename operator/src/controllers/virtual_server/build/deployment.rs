//! The Deployment of a gateway.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CONTAINER, Gateway, PORT, account, config_map_name, image_pull_secrets, name};
use crate::controllers::{
    Settings,
    workload::{
        Owner,
        config_volume::{self, Bundle},
        pod::{self, CHECKSUM},
    },
};

/// Where the configuration is in the pod.
const CONFIG_FOLDER: &str = "/etc/vmcp-config";

pub(super) fn deployment(gateway: &Gateway, owner: &Owner, settings: &Settings, config: &str) -> Value {
    let mut template = json!({
        "metadata": {
            "labels": owner.labels(),
            "annotations": {CHECKSUM: pod::checksum(&format!("{config}{}", inputs(gateway)))},
        },
        "spec": {
            "serviceAccountName": account(gateway),
            "terminationGracePeriodSeconds": 30,
            "securityContext": pod::security(),
            "containers": [container(gateway, settings)],
            "volumes": [volume(gateway)],
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

/// The versions of what pods read from their environment and from files when they start: new ones take new pods.
fn inputs(gateway: &Gateway) -> String {
    let versions = |all: &BTreeMap<String, Option<String>>| {
        let known = all.iter().filter_map(|(name, version)| Some(format!("{name}={}", version.as_ref()?)));
        known.collect::<Vec<_>>().join(",")
    };
    versions(&gateway.inputs.secrets) + &versions(&gateway.inputs.config_maps)
}

fn container(gateway: &Gateway, settings: &Settings) -> Value {
    let mut arguments = vec![
        "serve".to_owned(),
        format!("--config={CONFIG_FOLDER}/config.yaml"),
        "--host=0.0.0.0".to_owned(),
        format!("--port={PORT}"),
    ];
    arguments.extend(settings.egress_allow.iter().map(|range| format!("--egress-allow={range}")));
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
        "volumeMounts": [config_volume::mount(CONFIG_FOLDER)],
    })
}

/// The volume with the configuration and the CA bundles that it names.
fn volume(gateway: &Gateway) -> Value {
    let provider = gateway.oidc_ca.as_ref().map(Bundle::of_provider);
    let bundles = provider.iter().chain(&gateway.configuration.bundles);
    config_volume::volume(&config_map_name(&gateway.key.name), bundles)
}
