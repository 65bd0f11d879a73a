//! The objects of a server's own pods. Nothing here can fail, and the same server gives the same objects.

use operator_api::{MCPServer, MCPServerSpec, SecretVariable};
use serde_json::{Value, json};

use super::{headless_name, port, service_name};
use crate::{
    controllers::{
        proxy::{
            build::{pull_secrets, service_account},
            front::Front,
        },
        workload::{Owner, pod, pods},
    },
    runtime::observed::OwnedKind,
};

/// The name of the server's container in its pods.
pub(super) const CONTAINER: &str = "mcp";
/// The user of the processes where the image's own is root.
const USER: u32 = 1000;
/// How long requests of one proxy go to one pod, in seconds: sessions live in pods.
const AFFINITY: u32 = 1800;

/// The objects of the server `name` that some specs do not want.
pub(super) fn optional(name: &str) -> [(OwnedKind, String); 1] {
    [(OwnedKind::ServiceAccount, account_name(name))]
}

/// Every object of the pods of `server`, in the order in which they need each other.
pub(super) fn objects(server: &MCPServer, front: &Front<'_>) -> Vec<(OwnedKind, Value)> {
    let owner = front.owner(pods::SERVER);
    let account = account_name(&front.key.name);
    let own = server.spec.service_account.is_none();
    let account = own.then(|| (OwnedKind::ServiceAccount, service_account(front, &owner, &account)));
    let rest = [
        (OwnedKind::Service, headless_service(server, &owner)),
        (OwnedKind::Service, service(server, &owner)),
        (OwnedKind::StatefulSet, stateful_set(server, front, &owner)),
    ];
    account.into_iter().chain(rest).collect()
}

/// The name of the ServiceAccount of the pods of the server `name`.
fn account_name(name: &str) -> String {
    format!("{name}-sa")
}

/// Names the pods.
fn headless_service(server: &MCPServer, owner: &Owner) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata(&headless_name(&owner.key.name)),
        "spec": {"clusterIP": "None", "selector": owner.selector, "ports": ports(server)},
    })
}

/// Where the proxy connects.
fn service(server: &MCPServer, owner: &Owner) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata(&service_name(&owner.key.name)),
        "spec": {
            "type": "ClusterIP",
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": AFFINITY}},
            "selector": owner.selector,
            "ports": ports(server),
        },
    })
}

fn ports(server: &MCPServer) -> Value {
    json!([{"name": "http", "port": port(server), "protocol": "TCP", "targetPort": "http"}])
}

fn stateful_set(server: &MCPServer, front: &Front<'_>, owner: &Owner) -> Value {
    let (name, spec) = (&owner.key.name, &server.spec);
    let mut template = json!({
        "metadata": {"labels": owner.labels()},
        "spec": {
            "serviceAccountName": spec.service_account.clone().unwrap_or_else(|| account_name(name)),
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container(server)],
        },
    });
    if let Some(volumes) = spec.volumes.as_ref().filter(|volumes| !volumes.is_empty()) {
        let volumes = volumes.iter();
        template["spec"]["volumes"] =
            volumes.map(|volume| json!({"name": volume.name, "hostPath": {"path": volume.host_path}})).collect();
    }
    if let Some(secrets) = pull_secrets(front) {
        template["spec"]["imagePullSecrets"] = secrets;
    }
    if let Some(user) = &spec.pod_template_spec {
        pod::customize(&mut template, user, owner);
    }
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": owner.metadata(name),
        "spec": {
            "serviceName": headless_name(name),
            // In order, a pod that does not come to run would keep a better template from being tried.
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": owner.selector},
            "template": template,
        },
    });
    // Without a number the field is somebody else's, such as an autoscaler's.
    if let Some(replicas) = spec.backend_replicas {
        object["spec"]["replicas"] = replicas.into();
    }
    object
}

/// The server's container. Its image is the user's own, so its file system and its processes are what they may be.
fn container(server: &MCPServer) -> Value {
    let spec = &server.spec;
    let mut container = json!({
        "name": CONTAINER,
        "image": spec.image,
        "env": environment(server),
        "ports": [{"name": "http", "containerPort": port(server), "protocol": "TCP"}],
        "securityContext": pod::container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    if let Some(arguments) = spec.args.as_ref().filter(|arguments| !arguments.is_empty()) {
        container["args"] = json!(arguments);
    }
    if let Some(resources) = &spec.resources {
        container["resources"] = json!(resources);
    }
    if let Some(volumes) = spec.volumes.as_ref().filter(|volumes| !volumes.is_empty()) {
        let mount = |volume: &operator_api::HostVolume| json!({"name": volume.name, "mountPath": volume.mount_path, "readOnly": volume.read_only});
        container["volumeMounts"] = volumes.iter().map(mount).collect();
    }
    // A probe has one handler: the user's own, or this one.
    if !has_own_probe(spec) {
        container["readinessProbe"] = json!({"tcpSocket": {"port": "http"}, "periodSeconds": 2, "failureThreshold": 3});
    }
    container
}

/// Whether the user's pod template says when the container is ready.
fn has_own_probe(spec: &MCPServerSpec) -> bool {
    let containers = spec.pod_template_spec.as_ref().and_then(|template| template.pointer("/spec/containers"));
    let containers = containers.and_then(Value::as_array).into_iter().flatten();
    containers.into_iter().any(|container| container["name"] == CONTAINER && container.get("readinessProbe").is_some())
}

/// How the server is to serve, and the user's variables, which win.
fn environment(server: &MCPServer) -> Vec<Value> {
    let spec = &server.spec;
    let port = port(server).to_string();
    let transport = json!(spec.transport);
    let generated = [
        ("MCP_TRANSPORT", transport.as_str().unwrap_or_default()),
        ("MCP_HOST", "0.0.0.0"),
        ("MCP_PORT", &port),
        // As the FastMCP framework calls it.
        ("FASTMCP_PORT", &port),
    ];
    let plain = spec.env.iter().flatten().map(|variable| json!(variable));
    let theirs: Vec<_> = plain.chain(spec.secrets.iter().flatten().map(secret_variable)).collect();
    let generated = generated.into_iter().filter(|(name, _)| theirs.iter().all(|variable| variable["name"] != *name));
    generated.map(|(name, value)| json!({"name": name, "value": value})).chain(theirs.iter().cloned()).collect()
}

fn secret_variable(secret: &SecretVariable) -> Value {
    let name = secret.target_env_name.as_ref().unwrap_or(&secret.key);
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret.name, "key": secret.key}}})
}
