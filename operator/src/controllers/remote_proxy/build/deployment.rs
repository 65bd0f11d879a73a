//! The Deployment of a proxy.

use operator_api::DeploymentOverrides;
use serde_json::{Value, json};

use super::{CONTAINER, account_name, config_map_name, metadata, pull_secrets};
use crate::controllers::{
    Settings,
    remote_proxy::{
        configuration::{OIDC_CA_FILE, OIDC_CA_FOLDER},
        validate::Proxy,
    },
    workload::{
        Owner,
        pod::{self, CHECKSUM},
    },
};

/// Where the configuration is in the pod.
const CONFIG_FOLDER: &str = "/etc/runconfig";
/// The variable that tells the program its namespace. Users cannot set it.
const NAMESPACE: &str = "VMCP_NAMESPACE";

pub(super) fn deployment(proxy: &Proxy, owner: &Owner, settings: &Settings, config: &str) -> Value {
    let spec = &proxy.spec;
    let overrides = spec.resource_overrides.as_ref().and_then(|overrides| overrides.proxy_deployment.as_ref());
    let (pod_labels, pod_annotations) =
        metadata(overrides.and_then(|overrides| overrides.pod_template_metadata_overrides.as_ref()));
    let mut annotations = pod_annotations.cloned().unwrap_or_default();
    annotations.insert(CHECKSUM.to_owned(), pod::checksum(config));
    let account = spec.service_account.clone().unwrap_or_else(|| account_name(&proxy.key.name));
    let mut template = json!({
        "metadata": {"labels": owner.labels_over(pod_labels), "annotations": annotations},
        "spec": {
            "serviceAccountName": account,
            "terminationGracePeriodSeconds": 30,
            "securityContext": pod::security(),
            "containers": [container(proxy, overrides, settings)],
            "volumes": volumes(proxy),
        },
    });
    if let Some(secrets) = pull_secrets(proxy) {
        template["spec"]["imagePullSecrets"] = secrets;
    }
    if let Some(user) = &spec.pod_template_spec {
        pod::customize(&mut template, user, owner);
    }
    let (labels, annotations) = (
        overrides.and_then(|overrides| overrides.labels.as_ref()),
        overrides.and_then(|overrides| overrides.annotations.as_ref()),
    );
    let mut deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata_with(&proxy.key.name, labels, annotations),
        "spec": {
            "progressDeadlineSeconds": 120,
            "selector": {"matchLabels": owner.selector},
            "template": template,
        },
    });
    // Without a number the field is somebody else's, such as an autoscaler's.
    if let Some(replicas) = spec.replicas {
        deployment["spec"]["replicas"] = replicas.into();
    }
    deployment
}

fn container(proxy: &Proxy, overrides: Option<&DeploymentOverrides>, settings: &Settings) -> Value {
    let port = proxy.spec.proxy_port;
    let mut arguments = vec![
        "proxy".to_owned(),
        format!("--config={CONFIG_FOLDER}/runconfig.json"),
        "--host=0.0.0.0".to_owned(),
        format!("--port={port}"),
    ];
    arguments.extend(settings.egress_allow.iter().map(|range| format!("--egress-allow={range}")));
    let mut mounts = vec![json!({"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": true})];
    if proxy.oidc_ca.is_some() {
        mounts.push(json!({"name": "oidc-ca", "mountPath": OIDC_CA_FOLDER, "readOnly": true}));
    }
    json!({
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "env": environment(proxy, overrides),
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "startupProbe": pod::probe("/health", 1, 2, 60),
        "readinessProbe": pod::probe("/readyz", 2, 5, 3),
        "livenessProbe": pod::probe("/health", 10, 5, 3),
        "resources": resources(proxy),
        "securityContext": pod::container_security(),
        "volumeMounts": mounts,
    })
}

/// What the user wants of CPU and memory, and the defaults where nothing is said of either.
fn resources(proxy: &Proxy) -> Value {
    match &proxy.spec.resources {
        Some(resources) => json!(resources),
        None => json!({
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        }),
    }
}

fn environment(proxy: &Proxy, overrides: Option<&DeploymentOverrides>) -> Vec<Value> {
    let theirs = || overrides.and_then(|overrides| overrides.env.as_ref()).into_iter().flatten();
    let mut variables = vec![json!({"name": NAMESPACE, "value": proxy.key.namespace})];
    variables.extend(theirs().filter(|variable| variable.name != NAMESPACE).map(|variable| json!(variable)));
    // TOOLHIVE_DEBUG is how users ask for debug logs (mcpremoteproxy-crd, env); the program's own variable wins.
    let debug = theirs().any(|variable| variable.name == "TOOLHIVE_DEBUG" && variable.value == "true");
    if debug && !theirs().any(|variable| variable.name == "RUST_LOG") {
        variables.push(json!({"name": "RUST_LOG", "value": "debug"}));
    }
    variables
}

fn volumes(proxy: &Proxy) -> Vec<Value> {
    let config = json!({"name": "config", "configMap": {"name": config_map_name(&proxy.key.name)}});
    let bundle = proxy.oidc_ca.as_ref().map(|(name, key)| {
        json!({"name": "oidc-ca", "configMap": {
            "name": name,
            "optional": true,
            "items": [{"key": key, "path": OIDC_CA_FILE}],
        }})
    });
    [config].into_iter().chain(bundle).collect()
}
