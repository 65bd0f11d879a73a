//! The operator itself: its Namespace, its rights and its Deployment.

use serde_json::{Value, json};

use super::rules::Rules;
use crate::{NAME, cli::InstallOptions, runtime::watches::Scope};

/// Port of the health endpoints.
const HEALTH_PORT: u16 = 8081;
/// Port of the metrics.
const METRICS_PORT: u16 = 8080;
/// The user of the operator's process.
const USER: u32 = 65532;
/// The Role by which a replica becomes the leader.
const LEADER: &str = "toolhive-operator-leader";

/// Every object but the CustomResourceDefinitions; the Namespace comes first.
pub(super) fn objects(options: &InstallOptions) -> Vec<Value> {
    let mut objects = vec![
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
    ];
    let rules = Rules::current();
    match Scope::of(&options.watch_namespace) {
        Scope::Cluster => {
            let of = |rules: &Value| rules.as_array().cloned().unwrap_or_default();
            let all = json!([of(&rules.namespaced), of(&rules.cluster)].concat());
            objects.extend(granted(options, NAME, None, &all));
        }
        Scope::Namespaces(namespaces) => {
            for namespace in &namespaces {
                objects.extend(granted(options, NAME, Some(namespace), &rules.namespaced));
            }
        }
    }
    objects.extend(granted(options, LEADER, Some(&options.namespace), &rules.leader));
    objects.push(deployment(options));
    objects
}

/// A role of the operator in `namespace`, or in the whole cluster, and its binding.
fn granted(options: &InstallOptions, name: &str, namespace: Option<&str>, rules: &Value) -> [Value; 2] {
    const API: &str = "rbac.authorization.k8s.io";
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let mut metadata = json!({"name": name, "labels": labels()});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    [
        json!({"apiVersion": format!("{API}/v1"), "kind": kind, "metadata": metadata, "rules": rules}),
        json!({
            "apiVersion": format!("{API}/v1"),
            "kind": format!("{kind}Binding"),
            "metadata": metadata,
            "roleRef": {"apiGroup": API, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": options.namespace}],
        }),
    ]
}

fn labels() -> Value {
    json!({"app.kubernetes.io/name": NAME})
}

fn deployment(options: &InstallOptions) -> Value {
    let mut arguments = vec![
        "run".to_owned(),
        format!("--vmcp-image={}", options.gateway.vmcp_image),
        format!("--health-address=0.0.0.0:{HEALTH_PORT}"),
        format!("--metrics-address=0.0.0.0:{METRICS_PORT}"),
        "--leader-elect".to_owned(),
    ];
    arguments.extend(options.gateway.vmcp_egress_allow.iter().map(|range| format!("--vmcp-egress-allow={range}")));
    if let Scope::Namespaces(namespaces) = Scope::of(&options.watch_namespace) {
        let namespaces: Vec<_> = namespaces.into_iter().collect();
        arguments.push(format!("--watch-namespace={}", namespaces.join(",")));
    }
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
                        "ports": [
                            {"name": "health", "containerPort": HEALTH_PORT},
                            {"name": "metrics", "containerPort": METRICS_PORT},
                        ],
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
