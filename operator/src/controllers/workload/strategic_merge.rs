//! The strategic merge of a user's pod template into the generated one, as Kubernetes defines it for pod templates.
//!
//! Objects are merged, lists with a merge key element by element, other lists are replaced. `$patch: delete` removes,
//! `$patch: replace` replaces, and `null` unsets.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value};

/// The lists of a pod template that are merged, by the name of their field, with the key of their elements.
const MERGE_KEYS: [(&str, &str); 14] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("env", "name"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("ports", "containerPort"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
    ("resourceClaims", "name"),
    ("schedulingGates", "name"),
    ("resizePolicy", "resourceName"),
];

/// Why `template` is no pod template, if so. `container` is the name of the container that the operator makes.
pub(super) fn problem(template: &Value, container: &str) -> Option<String> {
    if let Err(error) = serde_json::from_value::<PodTemplateSpec>(template.clone()) {
        return Some(error.to_string());
    }
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    let unnamed = containers.into_iter().flatten().any(|item| item["name"].as_str().unwrap_or("").is_empty());
    unnamed.then(|| format!("a container has no name: the generated one is named {container:?}"))
}

/// Merges `patch` into `base`.
pub(super) fn merge(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => merge_objects(base, patch),
        (base, patch) => *base = without_directives(patch),
    }
}

fn merge_objects(base: &mut Map<String, Value>, patch: &Map<String, Value>) {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *base = patch.iter().filter(|(key, _)| *key != "$patch").map(|(k, v)| (k.clone(), v.clone())).collect();
            return;
        }
        Some("delete") => {
            base.clear();
            return;
        }
        _ => {}
    }
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        if value.is_null() {
            base.remove(key);
            continue;
        }
        let merge_key = MERGE_KEYS.iter().find(|(field, _)| field == key).map(|(_, merge_key)| *merge_key);
        match (base.get_mut(key), value, merge_key) {
            (Some(Value::Array(base)), Value::Array(patch), Some(merge_key)) => merge_lists(base, patch, merge_key),
            (Some(base), value, _) => merge(base, value),
            (None, value, _) => {
                base.insert(key.clone(), without_directives(value));
            }
        }
    }
}

fn merge_lists(base: &mut Vec<Value>, patch: &[Value], merge_key: &str) {
    if patch.iter().any(|item| item["$patch"] == "replace") {
        *base = patch.iter().filter(|item| item["$patch"] != "replace").map(without_directives).collect();
        return;
    }
    for item in patch {
        let place = base.iter().position(|existing| existing[merge_key] == item[merge_key]);
        match (place, item["$patch"].as_str()) {
            (Some(place), Some("delete")) => {
                base.remove(place);
            }
            (None, Some("delete")) => {}
            (Some(place), _) => merge(&mut base[place], item),
            (None, _) => base.push(without_directives(item)),
        }
    }
}

/// `value` without what only directs the merge.
fn without_directives(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
            .map(|(key, value)| (key.clone(), without_directives(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_directives).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    fn merged(mut base: Value, patch: &Value) -> Value {
        merge(&mut base, patch);
        base
    }

    #[test]
    fn containers_are_merged_by_name_and_others_are_added() {
        let base = json!({"spec": {"containers": [
            {"name": "vmcp", "image": "a", "env": [{"name": "A", "value": "1"}], "args": ["x"]}
        ]}});
        let patch = json!({"spec": {"containers": [
            {"name": "vmcp", "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "3"}], "args": ["y", "z"]},
            {"name": "sidecar", "image": "b"}
        ]}});
        assert_eq!(
            merged(base, &patch),
            json!({"spec": {"containers": [
                {"name": "vmcp", "image": "a", "args": ["y", "z"],
                 "env": [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]},
                {"name": "sidecar", "image": "b"}
            ]}})
        );
    }

    #[test]
    fn directives_delete_and_replace() {
        let base = json!({"spec": {"a": {"b": 1, "c": 2}, "volumes": [{"name": "x"}, {"name": "y"}]}});
        let patch = json!({"spec": {
            "a": {"$patch": "replace", "d": 3},
            "volumes": [{"name": "x", "$patch": "delete"}, {"name": "z"}]
        }});
        assert_eq!(merged(base, &patch), json!({"spec": {"a": {"d": 3}, "volumes": [{"name": "y"}, {"name": "z"}]}}));
        assert_eq!(merged(json!({"a": 1, "b": 2}), &json!({"a": null})), json!({"b": 2}));
    }

    #[test]
    fn what_is_no_pod_template_is_said() {
        assert_eq!(problem(&json!({"spec": {"containers": [{"name": "vmcp"}]}}), "vmcp"), None);
        assert!(problem(&json!({"spec": {"containers": "vmcp"}}), "vmcp").is_some());
        assert!(problem(&json!({"spec": {"containers": [{"image": "a"}]}}), "vmcp").is_some());
    }
}
