//! Validation of pods and of what makes pods.

use serde_json::Value;

use super::port_number;
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
    for field in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        if let Some(number) = spec[field].as_i64().filter(|number| *number < 0) {
            let detail = "must be greater than or equal to 0";
            causes.push(Cause::invalid(format!("spec.{field}"), &number.into(), detail));
        }
    }
    pod_spec(&template["spec"], "spec.template.spec", causes);
    let policy = &template["spec"]["restartPolicy"];
    if kind == "Job" {
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
