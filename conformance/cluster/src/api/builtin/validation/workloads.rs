//! Validation of pods and of what makes pods.

use serde_json::{Value, json};

use super::{IMMUTABLE, port_number};
use crate::api::names;
use crate::api::selector::LabelSelector;
use crate::api::status::Cause;

/// Deployments, replica sets, stateful sets, daemon sets and jobs.
pub(super) fn workload(kind: &str, object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let template = &spec["template"];
    if kind != "Job" {
        selector(spec, causes);
    }
    for field in NOT_NEGATIVE {
        if let Some(number) = spec[field].as_i64().filter(|number| *number < 0) {
            let detail = "must be greater than or equal to 0";
            causes.push(Cause::invalid(format!("spec.{field}"), &number.into(), detail));
        }
    }
    pod_spec(&template["spec"], "spec.template.spec", causes);
    let policy = &template["spec"]["restartPolicy"];
    if kind == "Job" {
        job(object, causes);
        if policy == "Always" {
            let path = "spec.template.spec.restartPolicy";
            causes.push(Cause::new(
                "FieldValueRequired",
                "Required value: valid values: \"OnFailure\", \"Never\"",
                path,
            ));
        }
    } else if policy != "Always" && !policy.is_null() {
        causes.push(Cause::unsupported("spec.template.spec.restartPolicy", policy, &["Always"]));
    }
}

/// Fields of workloads that count something.
const NOT_NEGATIVE: [&str; 10] = [
    "replicas",
    "minReadySeconds",
    "revisionHistoryLimit",
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
];

/// What only Jobs must observe.
fn job(job: &Value, causes: &mut Vec<Cause>) {
    let spec = &job["spec"];
    if spec["completionMode"] == "Indexed" && spec["completions"].is_null() {
        causes.push(Cause::required("spec.completions", "when completion mode is Indexed"));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let selector = LabelSelector::from_spec(&spec["selector"]);
    if !spec["selector"].is_object() {
        causes.push(Cause::required("spec.selector", ""));
    } else if spec["manualSelector"] != true {
        let (uid, name) = (&job["metadata"]["uid"], &job["metadata"]["name"]);
        let generated = json!({"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
                               "controller-uid": uid, "job-name": name});
        if !selector.matches_labels(&generated) {
            causes.push(Cause::invalid("spec.selector", &spec["selector"], "`selector` not auto-generated"));
        }
    }
    if !selector.matches_labels(labels) {
        let detail = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, detail));
    }
    for (field, supported) in [
        ("completionMode", &["Indexed", "NonIndexed"][..]),
        ("podReplacementPolicy", &["Failed", "TerminatingOrFailed"][..]),
    ] {
        let value = &spec[field];
        if !value.is_null() && !supported.iter().any(|known| value == known) {
            causes.push(Cause::unsupported(format!("spec.{field}"), value, supported));
        }
    }
}

/// What of a workload's spec may not change.
pub(super) fn update(kind: &str, new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let (is, was) = (&new["spec"], &old["spec"]);
    let fixed: &[&str] = match kind {
        "StatefulSet" => return stateful_set_update(is, was, causes),
        // A suspended Job that never ran may still be sent elsewhere.
        "Job" if was["suspend"] == true && old["status"]["startTime"].is_null() => &["selector", "completionMode"],
        "Job" => &["selector", "completionMode", "template"],
        _ => &["selector"],
    };
    for field in fixed.iter().filter(|field| is[**field] != was[**field]) {
        causes.push(Cause::invalid(format!("spec.{field}"), &is[*field], IMMUTABLE));
    }
    if kind == "Job" && is["completions"] != was["completions"] {
        // An indexed Job may grow and shrink as long as both numbers stay the same.
        let is_elastic = is["completionMode"] == "Indexed" && is["completions"] == is["parallelism"];
        if !is_elastic {
            causes.push(Cause::invalid("spec.completions", &is["completions"], IMMUTABLE));
        }
    }
}

/// The fields of a stateful set that may change.
const CHANGEABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn stateful_set_update(is: &Value, was: &Value, causes: &mut Vec<Cause>) {
    let fixed = |spec: &Value| {
        let mut fields = spec.as_object().cloned().unwrap_or_default();
        fields.retain(|name, _| !CHANGEABLE.contains(&name.as_str()));
        fields
    };
    if fixed(is) != fixed(was) {
        let names: Vec<String> = CHANGEABLE.iter().map(|name| format!("'{name}'")).collect();
        let (last, first) = names.split_last().map_or((String::new(), &[][..]), |(last, first)| (last.clone(), first));
        let detail =
            format!("updates to statefulset spec for fields other than {} and {last} are forbidden", first.join(", "));
        causes.push(Cause::forbidden("spec", detail));
    }
}

/// The selector must be there and select what the template makes.
fn selector(spec: &Value, causes: &mut Vec<Cause>) {
    if !spec["selector"].is_object() {
        causes.push(Cause::required("spec.selector", ""));
        return;
    }
    let selector = LabelSelector::from_spec(&spec["selector"]);
    let labels = &spec["template"]["metadata"]["labels"];
    if selector.is_empty() {
        let detail = "empty selector is invalid for deployment";
        causes.push(Cause::invalid("spec.selector", &spec["selector"], detail));
    } else if !selector.matches_labels(labels) {
        let detail = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, detail));
    }
}

/// The spec of a pod or of a template.
pub(super) fn pod_spec(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    let volumes: Vec<&str> =
        spec["volumes"].as_array().into_iter().flatten().filter_map(|volume| volume["name"].as_str()).collect();
    for (index, volume) in volumes.iter().enumerate() {
        let field = format!("{path}.volumes[{index}].name");
        for error in names::label(volume) {
            causes.push(Cause::invalid(field.clone(), &(*volume).into(), error));
        }
        if volumes[..index].contains(volume) {
            causes.push(Cause::duplicate(field, &(*volume).into()));
        }
    }
    let mut seen = Vec::new();
    for list in ["containers", "initContainers"] {
        let containers = spec[list].as_array();
        if list == "containers" && containers.is_none_or(Vec::is_empty) {
            causes.push(Cause::required(format!("{path}.containers"), ""));
        }
        for (index, container) in containers.into_iter().flatten().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            validate_container(container, &path, &volumes, causes);
            if seen.contains(&&container["name"]) {
                causes.push(Cause::duplicate(format!("{path}.name"), &container["name"]));
            }
            seen.push(&container["name"]);
        }
    }
    if let Some(policy) =
        spec["restartPolicy"].as_str().filter(|policy| !["Always", "OnFailure", "Never"].contains(policy))
    {
        let supported = ["Always", "OnFailure", "Never"];
        causes.push(Cause::unsupported(format!("{path}.restartPolicy"), &policy.into(), &supported));
    }
}

fn validate_container(container: &Value, path: &str, volumes: &[&str], causes: &mut Vec<Cause>) {
    match container["name"].as_str() {
        None | Some("") => causes.push(Cause::required(format!("{path}.name"), "")),
        Some(name) => {
            for error in names::label(name) {
                causes.push(Cause::invalid(format!("{path}.name"), &name.into(), error));
            }
        }
    }
    if container["image"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required(format!("{path}.image"), ""));
    }
    for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
        port_number(&port["containerPort"], &format!("{path}.ports[{index}].containerPort"), causes);
    }
    for (index, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
        if variable["name"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("{path}.env[{index}].name"), ""));
        }
        let both =
            variable["value"].as_str().is_some_and(|value| !value.is_empty()) && variable["valueFrom"].is_object();
        if both {
            let detail = "may not be specified when `value` is not empty";
            causes.push(Cause::invalid(format!("{path}.env[{index}].valueFrom"), &"".into(), detail));
        }
    }
    for (index, mount) in container["volumeMounts"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        match mount["name"].as_str() {
            None | Some("") => causes.push(Cause::required(format!("{path}.name"), "")),
            Some(name) if !volumes.contains(&name) => {
                causes.push(Cause::not_found(format!("{path}.name"), &name.into()));
            }
            Some(_) => {}
        }
        if mount["mountPath"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("{path}.mountPath"), ""));
        }
    }
}
