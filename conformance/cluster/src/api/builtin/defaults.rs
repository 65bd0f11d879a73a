//! Defaults of built-in kinds, and what the server itself sets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::pods::{self, items, set};
use super::{Builtin, events, services};
use crate::api::custom;

/// Fills in the defaults of a decoded object.
pub(crate) fn apply(builtin: &Builtin, object: &mut Value) {
    match (builtin.group, builtin.kind) {
        ("", "Namespace") => {
            let name = object["metadata"]["name"].clone();
            if name.is_string() {
                slot(&mut object["metadata"], "labels")["kubernetes.io/metadata.name"] = name;
            }
        }
        ("", "Pod") => pods::default_pod(object),
        ("", "Service") => service(object),
        ("", "Secret") => secret(object),
        ("", "PersistentVolumeClaim") => set(&mut object["spec"], "volumeMode", "Filesystem".into()),
        ("", "Endpoints") => {
            for subset in items(object, "subsets") {
                items(subset, "ports").for_each(|port| set(port, "protocol", "TCP".into()));
            }
        }
        ("apps", _) => workload(builtin.kind, object),
        ("apiextensions.k8s.io", _) => custom::defaults::apply(object),
        ("batch", _) => job(object),
        ("autoscaling", _) => set(&mut object["spec"], "minReplicas", 1.into()),
        ("discovery.k8s.io", _) => {
            for port in items(object, "ports") {
                set(port, "name", "".into());
                set(port, "protocol", "TCP".into());
            }
        }
        ("networking.k8s.io", "NetworkPolicy") => network_policy(object),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(object),
        _ => {}
    }
}

/// What is set or dropped when an object is created, by the server and not by its writer.
pub(crate) fn prepare_create(builtin: &Builtin, object: &mut Value) {
    let status = match (builtin.group, builtin.kind) {
        ("", "Namespace") => {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            json!({"phase": "Active"})
        }
        ("", "Pod") => {
            let class = quality_of_service(&object["spec"]);
            json!({"phase": "Pending", "qosClass": class})
        }
        ("", "PersistentVolumeClaim") => json!({"phase": "Pending"}),
        ("", "Event") => return events::complete(object),
        ("apps", "Deployment") | ("batch", "Job") => json!({}),
        ("apps", "ReplicaSet") => json!({"replicas": 0}),
        ("apps", "StatefulSet") => json!({"replicas": 0, "availableReplicas": 0}),
        ("apps", "DaemonSet") => {
            json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0})
        }
        ("autoscaling", _) => json!({"desiredReplicas": 0, "currentMetrics": null}),
        ("", "Service") | ("networking.k8s.io", "Ingress") => json!({"loadBalancer": {}}),
        ("policy", _) => {
            json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0})
        }
        ("apiextensions.k8s.io", _) => return custom::defaults::prepare_create(object),
        _ => return,
    };
    object["status"] = status;
    if builtin.kind == "Job" {
        job_selector(object);
    }
}

/// What is set or kept when an object is updated.
pub(crate) fn prepare_update(builtin: &Builtin, old: &Value, new: &mut Value, subresource: Option<&str>) {
    match (builtin.group, builtin.kind) {
        ("", "Service") => {
            keep(old, new, &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
            services::node_ports::carry_over(old, new);
        }
        ("", "Pod") => keep(old, new, &["nodeName", "serviceAccountName", "serviceAccount"]),
        ("", "Namespace") if subresource != Some("finalize") => new["spec"] = old["spec"].clone(),
        ("", "Event") => events::complete(new),
        ("batch", "Job") => keep(old, new, &["selector"]),
        ("apiextensions.k8s.io", _) if subresource.is_none() => custom::defaults::prepare_update(old, new),
        _ => {}
    }
}

/// Keeps fields of the spec that the new object leaves out.
fn keep(old: &Value, new: &mut Value, fields: &[&str]) {
    for field in fields {
        if let Some(value) = old["spec"].get(field)
            && new["spec"].get(field).is_none_or(|value| value.is_null() || value == "")
        {
            new["spec"][*field] = value.clone();
        }
    }
}

fn service(service: &mut Value) {
    let spec = &mut service["spec"];
    set(spec, "type", "ClusterIP".into());
    set(spec, "sessionAffinity", "None".into());
    if spec["sessionAffinity"] == "ClientIP" {
        set(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10_800}}));
    }
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", "Cluster".into());
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        set(spec, "externalTrafficPolicy", "Cluster".into());
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", true.into());
    }
    for port in items(spec, "ports") {
        set(port, "protocol", "TCP".into());
        let number = port["port"].clone();
        set(port, "targetPort", number);
    }
}

/// `stringData` is written into `data`.
fn secret(secret: &mut Value) {
    set(secret, "type", "Opaque".into());
    let Some(fields) = secret.as_object_mut() else { return };
    let Some(Value::Object(strings)) = fields.remove("stringData") else { return };
    for (key, value) in strings {
        let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
        set(fields.entry("data").or_insert(Value::Null), &key, Value::Null);
        fields["data"][key] = encoded.into();
    }
}

fn workload(kind: &str, object: &mut Value) {
    if kind == "ControllerRevision" {
        return;
    }
    let spec = &mut object["spec"];
    pods::default_spec(&mut spec["template"]["spec"]);
    if kind != "DaemonSet" {
        set(spec, "replicas", 1.into());
    }
    if kind != "ReplicaSet" {
        set(spec, "revisionHistoryLimit", 10.into());
    }
    match kind {
        "Deployment" => {
            set(spec, "progressDeadlineSeconds", 600.into());
            let strategy = slot(spec, "strategy");
            set(strategy, "type", "RollingUpdate".into());
            if strategy["type"] == "RollingUpdate" {
                let rolling = slot(strategy, "rollingUpdate");
                set(rolling, "maxUnavailable", "25%".into());
                set(rolling, "maxSurge", "25%".into());
            }
        }
        "StatefulSet" => {
            set(spec, "podManagementPolicy", "OrderedReady".into());
            let strategy = slot(spec, "updateStrategy");
            set(strategy, "type", "RollingUpdate".into());
            if strategy["type"] == "RollingUpdate" {
                set(slot(strategy, "rollingUpdate"), "partition", 0.into());
            }
            let retention = slot(spec, "persistentVolumeClaimRetentionPolicy");
            set(retention, "whenDeleted", "Retain".into());
            set(retention, "whenScaled", "Retain".into());
        }
        "DaemonSet" => {
            let strategy = slot(spec, "updateStrategy");
            set(strategy, "type", "RollingUpdate".into());
            if strategy["type"] == "RollingUpdate" {
                let rolling = slot(strategy, "rollingUpdate");
                set(rolling, "maxUnavailable", 1.into());
                set(rolling, "maxSurge", 0.into());
            }
        }
        _ => {}
    }
}

fn job(job: &mut Value) {
    let spec = &mut job["spec"];
    pods::default_spec(&mut spec["template"]["spec"]);
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        set(spec, "completions", 1.into());
    }
    set(spec, "parallelism", 1.into());
    set(spec, "backoffLimit", 6.into());
    set(spec, "completionMode", "NonIndexed".into());
    set(spec, "suspend", false.into());
    set(spec, "manualSelector", false.into());
    set(spec, "podReplacementPolicy", "TerminatingOrFailed".into());
}

/// A job selects its pods by its own uid.
fn job_selector(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (uid, name) = (job["metadata"]["uid"].clone(), job["metadata"]["name"].clone());
    let labels = slot(slot(slot(&mut job["spec"], "template"), "metadata"), "labels");
    labels["batch.kubernetes.io/controller-uid"] = uid.clone();
    labels["batch.kubernetes.io/job-name"] = name.clone();
    labels["controller-uid"] = uid.clone();
    labels["job-name"] = name;
    // A selector that the user sent stays, for validation to refuse.
    let selected = slot(slot(&mut job["spec"], "selector"), "matchLabels");
    set(selected, "batch.kubernetes.io/controller-uid", uid);
}

fn network_policy(policy: &mut Value) {
    let spec = &mut policy["spec"];
    for (list, _) in [("ingress", "from"), ("egress", "to")] {
        for rule in items(spec, list) {
            items(rule, "ports").for_each(|port| set(port, "protocol", "TCP".into()));
        }
    }
    let egress = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
    set(spec, "policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
}

fn binding(binding: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    set(&mut binding["roleRef"], "apiGroup", GROUP.into());
    for subject in items(binding, "subjects") {
        if matches!(subject["kind"].as_str(), Some("User" | "Group")) {
            set(subject, "apiGroup", GROUP.into());
        }
    }
}

/// A pod's class by its requests and limits.
fn quality_of_service(spec: &Value) -> &'static str {
    let containers = || spec["containers"].as_array().into_iter().flatten();
    let amounts = |container: &Value, field: &str| {
        let map = container["resources"][field].as_object().cloned().unwrap_or_default();
        (map.get("cpu").cloned(), map.get("memory").cloned())
    };
    let none = |(cpu, memory): &(Option<Value>, Option<Value>)| cpu.is_none() && memory.is_none();
    if containers().all(|container| none(&amounts(container, "requests")) && none(&amounts(container, "limits"))) {
        return "BestEffort";
    }
    let guaranteed = containers().all(|container| {
        let limits = amounts(container, "limits");
        limits.0.is_some() && limits.1.is_some() && limits == amounts(container, "requests")
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

/// The object in a field, made if it is absent.
fn slot<'a>(object: &'a mut Value, field: &str) -> &'a mut Value {
    set(object, field, json!({}));
    &mut object[field]
}
