//! The operator itself: its Namespace, its rights and its Deployment.

use operator_api::GROUP;
use serde_json::{Value, json};

use crate::{NAME, cli::InstallOptions, run::LEASE};

/// Port of the health endpoints.
const HEALTH_PORT: u16 = 8081;
/// The user of the operator's process.
const USER: u32 = 65532;
/// The Role by which a replica becomes the leader.
const LEADER: &str = "toolhive-operator-leader";

/// Every object but the CustomResourceDefinitions; the Namespace comes first.
pub(super) fn objects(options: &InstallOptions) -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": options.namespace, "labels": labels()},
        }),
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": NAME, "namespace": options.namespace, "labels": labels()},
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": NAME, "labels": labels()},
            "rules": rules(),
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAME, "labels": labels()},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": options.namespace}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": LEADER, "namespace": options.namespace, "labels": labels()},
            "rules": leader_rules(),
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": LEADER, "namespace": options.namespace, "labels": labels()},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": LEADER},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": options.namespace}],
        }),
        deployment(options),
    ]
}

fn labels() -> Value {
    json!({"app.kubernetes.io/name": NAME})
}

/// What the operator does, and what it grants to gateways: Kubernetes lets nobody grant what they do not have.
pub(super) fn rules() -> Value {
    json!([
        {
            // Reads its kinds.
            "apiGroups": [GROUP],
            "resources": [
                "mcpexternalauthconfigs", "mcpgroups", "mcpoidcconfigs", "mcpserverentries", "virtualmcpservers"
            ],
            "verbs": ["get", "list", "watch"],
        },
        {
            // Protects configurations that are in use from deletion.
            "apiGroups": [GROUP],
            "resources": ["mcpexternalauthconfigs", "mcpoidcconfigs"],
            "verbs": ["patch"],
        },
        {
            // An owner reference that blocks deletion takes this.
            "apiGroups": [GROUP],
            "resources": ["virtualmcpservers/finalizers"],
            "verbs": ["update"],
        },
        {
            // Writes status; gateways write theirs.
            "apiGroups": [GROUP],
            "resources": [
                "mcpexternalauthconfigs/status", "mcpgroups/status", "mcpoidcconfigs/status",
                "mcpserverentries/status", "virtualmcpservers/status"
            ],
            "verbs": ["get", "patch", "update"],
        },
        {
            // Checks that keys exist; gateways read the values.
            "apiGroups": [""],
            "resources": ["secrets"],
            "verbs": ["get", "list", "watch"],
        },
        {
            // Makes the objects of gateways.
            "apiGroups": [""],
            "resources": ["configmaps", "serviceaccounts", "services"],
            "verbs": ["create", "get", "list", "patch", "watch"],
        },
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "verbs": ["create", "get", "list", "patch", "watch"],
        },
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["rolebindings", "roles"],
            "verbs": ["create", "get", "list", "patch", "watch"],
        },
        {
            "apiGroups": ["events.k8s.io"],
            "resources": ["events"],
            "verbs": ["create", "patch"],
        },
    ])
}

/// What electing a leader takes, in the operator's own namespace.
pub(super) fn leader_rules() -> Value {
    json!([
        {
            // A name cannot be said for an object that is not there yet.
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["create"],
        },
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [LEASE],
            "verbs": ["get", "patch"],
        },
    ])
}

fn deployment(options: &InstallOptions) -> Value {
    let mut arguments = vec![
        "run".to_owned(),
        format!("--vmcp-image={}", options.gateway.vmcp_image),
        format!("--health-address=0.0.0.0:{HEALTH_PORT}"),
        "--leader-elect".to_owned(),
    ];
    arguments.extend(options.gateway.vmcp_egress_allow.iter().map(|range| format!("--vmcp-egress-allow={range}")));
    let probe = |path: &str, period: u32| json!({"httpGet": {"path": path, "port": "health"}, "periodSeconds": period});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": options.namespace, "labels": labels()},
        "spec": {
            // One operator works at a time, by its Lease: a new one stands by until the old one has ended.
            "replicas": 1,
            "strategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": labels()},
            "template": {
                "metadata": {"labels": labels()},
                "spec": {
                    "serviceAccountName": NAME,
                    "securityContext": {
                        "runAsNonRoot": true,
                        "runAsUser": USER,
                        "runAsGroup": USER,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [{
                        "name": "manager",
                        "image": options.image,
                        "args": arguments,
                        "env": [
                            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                        ],
                        "ports": [{"name": "health", "containerPort": HEALTH_PORT}],
                        "startupProbe": {
                            "httpGet": {"path": "/healthz", "port": "health"},
                            "periodSeconds": 1,
                            "failureThreshold": 60,
                        },
                        "livenessProbe": probe("/healthz", 10),
                        "readinessProbe": probe("/readyz", 2),
                        "resources": {
                            "requests": {"cpu": "50m", "memory": "64Mi"},
                            "limits": {"cpu": "1", "memory": "256Mi"},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }],
                },
            },
        },
    })
}
