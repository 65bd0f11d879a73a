//! Validation of built-in kinds: the rules that matter to their users, in the words of the real server.

mod services;
mod workloads;

use serde_json::{Value, json};

use super::Builtin;
use crate::api::custom;
use crate::api::names;
use crate::api::status::Cause;

const IMMUTABLE: &str = "field is immutable";
const IMMUTABLE_WHEN_SET: &str = "field is immutable when `immutable` is set";

/// What is wrong with a new object.
pub(crate) fn create(builtin: &Builtin, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    match (builtin.group, builtin.kind) {
        ("", "ConfigMap") => {
            data_keys(object, "data", &mut causes);
            data_keys(object, "binaryData", &mut causes);
        }
        ("", "Secret") => secret(object, &mut causes),
        ("", "Service") => service(object, &mut causes),
        ("", "Pod") => workloads::pod_spec(&object["spec"], "spec", &mut causes),
        ("apps", "ControllerRevision") => {}
        ("apps" | "batch", _) => workloads::workload(builtin.kind, object, &mut causes),
        ("coordination.k8s.io", _) => lease(object, &mut causes),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => rules(builtin.kind, object, &mut causes),
        ("rbac.authorization.k8s.io", _) => binding(object, &mut causes),
        ("apiextensions.k8s.io", _) => return custom::validation::validate(object, None),
        _ => {}
    }
    causes
}

/// What is wrong with an update.
pub(crate) fn update(builtin: &Builtin, new: &Value, old: &Value, subresource: Option<&str>) -> Vec<Cause> {
    if builtin.kind == "CustomResourceDefinition" {
        return custom::validation::validate(new, Some(old));
    }
    if matches!(subresource, Some("status" | "finalize")) {
        return Vec::new();
    }
    let mut causes = Vec::new();
    match (builtin.group, builtin.kind) {
        ("", "ConfigMap") => immutable(old, new, &["data", "binaryData"], &mut causes),
        ("", "Secret") => {
            if old["type"] != new["type"] {
                causes.push(Cause::invalid("type", &new["type"], IMMUTABLE));
            }
            immutable(old, new, &["data"], &mut causes);
        }
        ("", "Service") => cluster_address(old, new, &mut causes),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") if old["roleRef"] != new["roleRef"] => {
            let text = |field: &str| &new["roleRef"][field];
            let shown =
                format!("{{\"APIGroup\":{},\"Kind\":{},\"Name\":{}}}", text("apiGroup"), text("kind"), text("name"));
            let message = format!("Invalid value: {shown}: cannot change roleRef");
            causes.push(Cause::new("FieldValueInvalid", message, "roleRef"));
        }
        _ => {}
    }
    causes.extend(create(builtin, new));
    if matches!(builtin.group, "apps" | "batch") && builtin.kind != "ControllerRevision" {
        workloads::update(builtin.kind, new, old, &mut causes);
    }
    causes
}

/// Marked as immutable, an object keeps its data and its mark.
fn immutable(old: &Value, new: &Value, fields: &[&str], causes: &mut Vec<Cause>) {
    if old["immutable"] != true {
        return;
    }
    for field in [&["immutable"], fields].concat() {
        if old[field] != new[field] {
            causes.push(Cause::forbidden(field, IMMUTABLE_WHEN_SET));
        }
    }
}

fn data_keys(object: &Value, field: &str, causes: &mut Vec<Cause>) {
    for key in object[field].as_object().into_iter().flatten().map(|(key, _)| key) {
        for error in names::config_key(key) {
            causes.push(Cause::invalid(format!("{field}[{key}]"), &key.as_str().into(), error));
        }
    }
}

fn secret(secret: &Value, causes: &mut Vec<Cause>) {
    data_keys(secret, "data", causes);
    let required: &[&str] = match secret["type"].as_str() {
        Some("kubernetes.io/tls") => &["tls.crt", "tls.key"],
        Some("kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
        Some("kubernetes.io/dockercfg") => &[".dockercfg"],
        Some("kubernetes.io/ssh-auth") => &["ssh-privatekey"],
        _ => &[],
    };
    for key in required {
        if secret["data"].get(key).is_none() {
            causes.push(Cause::required(format!("data[{key}]"), ""));
        }
    }
}

fn service(service: &Value, causes: &mut Vec<Cause>) {
    let spec = &service["spec"];
    let ports: Vec<&Value> = spec["ports"].as_array().into_iter().flatten().collect();
    let headless = spec["clusterIP"] == "None";
    let kind = spec["type"].as_str().unwrap_or_default();
    if !["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"].contains(&kind) {
        let supported = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
        causes.push(Cause::unsupported("spec.type", &spec["type"], &supported));
    }
    if ports.is_empty() && !headless && kind != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    let mut seen = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let name = port["name"].as_str().unwrap_or_default();
        if name.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(format!("{path}.name"), ""));
        }
        for error in if name.is_empty() { Vec::new() } else { names::label(name) } {
            causes.push(Cause::invalid(format!("{path}.name"), &name.into(), error));
        }
        port_number(&port["port"], &format!("{path}.port"), causes);
        let identity = (port["port"].clone(), port["protocol"].clone());
        if seen.contains(&identity) {
            causes.push(Cause::duplicate(path, &json!({"port": port["port"], "protocol": port["protocol"]})));
        }
        seen.push(identity);
    }
    services::publishing(spec, causes);
    for (key, value) in spec["selector"].as_object().into_iter().flatten() {
        for error in names::qualified(key) {
            causes.push(Cause::invalid("spec.selector", &key.as_str().into(), error));
        }
        for error in names::label_value(value.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("spec.selector", value, error));
        }
    }
}

/// A port is between 1 and 65535.
fn port_number(port: &Value, path: &str, causes: &mut Vec<Cause>) {
    match port.as_i64() {
        Some(1..=65_535) => {}
        Some(_) => causes.push(Cause::invalid(path, port, "must be between 1 and 65535, inclusive")),
        None => causes.push(Cause::required(path, "")),
    }
}

/// A Service keeps its cluster address for life.
fn cluster_address(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let (was, is) = (&old["spec"]["clusterIP"], &new["spec"]["clusterIP"]);
    let assigned = was.as_str().is_some_and(|address| !address.is_empty());
    if assigned && was != is && new["spec"]["type"] != "ExternalName" {
        causes.push(Cause::invalid("spec.clusterIPs[0]", &json!([is]), "may not change once set"));
    }
}

fn lease(lease: &Value, causes: &mut Vec<Cause>) {
    let spec = &lease["spec"];
    if let Some(seconds) = spec["leaseDurationSeconds"].as_i64().filter(|seconds| *seconds <= 0) {
        causes.push(Cause::invalid("spec.leaseDurationSeconds", &seconds.into(), "must be greater than 0"));
    }
    if let Some(transitions) = spec["leaseTransitions"].as_i64().filter(|transitions| *transitions < 0) {
        let detail = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.leaseTransitions", &transitions.into(), detail));
    }
}

fn rules(kind: &str, role: &Value, causes: &mut Vec<Cause>) {
    for (index, rule) in role["rules"].as_array().into_iter().flatten().enumerate() {
        let path = format!("rules[{index}]");
        let empty = |field: &str| rule[field].as_array().is_none_or(Vec::is_empty);
        if empty("verbs") {
            causes.push(Cause::required(format!("{path}.verbs"), "verbs must contain at least one value"));
        }
        if !empty("nonResourceURLs") {
            if kind == "Role" {
                let detail = "namespaced rules cannot apply to non-resource URLs";
                causes.push(Cause::invalid(format!("{path}.nonResourceURLs"), &rule["nonResourceURLs"], detail));
            }
            continue;
        }
        if empty("apiGroups") {
            let detail = "resource rules must supply at least one api group";
            causes.push(Cause::required(format!("{path}.apiGroups"), detail));
        }
        if empty("resources") {
            let detail = "resource rules must supply at least one resource";
            causes.push(Cause::required(format!("{path}.resources"), detail));
        }
    }
}

fn binding(binding: &Value, causes: &mut Vec<Cause>) {
    let role = &binding["roleRef"];
    if !matches!(role["kind"].as_str(), Some("Role" | "ClusterRole")) {
        causes.push(Cause::unsupported("roleRef.kind", &role["kind"], &["Role", "ClusterRole"]));
    }
    if role["name"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    for (index, subject) in binding["subjects"].as_array().into_iter().flatten().enumerate() {
        let path = format!("subjects[{index}]");
        if subject["name"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("{path}.name"), ""));
        }
        if !matches!(subject["kind"].as_str(), Some("ServiceAccount" | "User" | "Group")) {
            causes.push(Cause::unsupported(
                format!("{path}.kind"),
                &subject["kind"],
                &["ServiceAccount", "User", "Group"],
            ));
        }
        let cluster = binding["kind"] == "ClusterRoleBinding";
        if cluster
            && subject["kind"] == "ServiceAccount"
            && subject["namespace"].as_str().unwrap_or_default().is_empty()
        {
            causes.push(Cause::required(format!("{path}.namespace"), ""));
        }
    }
}
