//! The roles and bindings that a cluster has from the start.

use serde_json::{Value, json};

/// The bootstrap cluster roles.
pub(crate) fn cluster_roles() -> Vec<Value> {
    let discovery = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let read = json!(["get", "list", "watch"]);
    let write = json!(["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    let rule = |groups: Value, resources: Value, verbs: &Value| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let core = json!([
        "configmaps",
        "endpoints",
        "events",
        "persistentvolumeclaims",
        "pods",
        "pods/log",
        "pods/status",
        "serviceaccounts",
        "services",
        "services/status"
    ]);
    let apps = json!([
        "controllerrevisions",
        "daemonsets",
        "deployments",
        "deployments/scale",
        "replicasets",
        "replicasets/scale",
        "statefulsets",
        "statefulsets/scale"
    ]);
    let workload = |verbs: &Value| {
        vec![
            rule(json!([""]), core.clone(), verbs),
            rule(json!(["apps"]), apps.clone(), verbs),
            rule(json!(["autoscaling"]), json!(["horizontalpodautoscalers"]), verbs),
            rule(json!(["batch"]), json!(["jobs"]), verbs),
            rule(json!(["networking.k8s.io"]), json!(["ingresses", "networkpolicies"]), verbs),
            rule(json!(["policy"]), json!(["poddisruptionbudgets"]), verbs),
            rule(json!(["discovery.k8s.io"]), json!(["endpointslices"]), &read),
            rule(json!([""]), json!(["namespaces"]), &read),
        ]
    };
    let mut edit = workload(&write);
    edit.push(rule(json!([""]), json!(["secrets"]), &write));
    edit.push(rule(json!(["coordination.k8s.io"]), json!(["leases"]), &write));
    let mut admin = edit.clone();
    admin.push(rule(json!(["rbac.authorization.k8s.io"]), json!(["roles", "rolebindings"]), &write));
    admin.push(rule(json!(["authorization.k8s.io"]), json!(["localsubjectaccessreviews"]), &json!(["create"])));
    vec![
        role(
            "cluster-admin",
            &[
                json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
                json!({"nonResourceURLs": ["*"], "verbs": ["*"]}),
            ],
        ),
        aggregated("admin", &admin),
        aggregated("edit", &edit),
        aggregated("view", &workload(&read)),
        role(
            "system:basic-user",
            &[
                rule(
                    json!(["authorization.k8s.io"]),
                    json!(["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
                    &json!(["create"]),
                ),
                rule(json!(["authentication.k8s.io"]), json!(["selfsubjectreviews"]), &json!(["create"])),
            ],
        ),
        role("system:discovery", &[json!({"nonResourceURLs": discovery, "verbs": ["get"]})]),
        role("system:public-info-viewer", &[json!({"nonResourceURLs": public, "verbs": ["get"]})]),
    ]
}

/// The bootstrap cluster role bindings.
pub(crate) fn cluster_role_bindings() -> Vec<Value> {
    vec![
        binding("cluster-admin", &[super::MASTERS]),
        binding("system:basic-user", &["system:authenticated"]),
        binding("system:discovery", &["system:authenticated"]),
        binding("system:public-info-viewer", &["system:authenticated", "system:unauthenticated"]),
    ]
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    })
}

fn role(name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": metadata(name),
        "rules": rules,
    })
}

/// A role that takes in the rules of others labelled for it.
fn aggregated(name: &str, rules: &[Value]) -> Value {
    let mut role = role(name, rules);
    let label = format!("rbac.authorization.k8s.io/aggregate-to-{name}");
    role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    role
}

fn binding(name: &str, groups: &[&str]) -> Value {
    let subjects: Vec<Value> = groups
        .iter()
        .map(|group| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}))
        .collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata(name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": subjects,
    })
}
