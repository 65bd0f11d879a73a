//! Whether an object already is what the operator wants it to be.
//!
//! A write is needed unless the operator's field manager owns exactly the fields that it wants to say, and they have the
//! wanted values. What others own, and what the API server filled in, does not count.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

use crate::NAME;

/// Which fields of an object the operator has applied: of each subresource, empty for the object itself, as JSON text. Parsed, they
/// would take more memory than the object; as text, they are the same for most objects of a kind, which share them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Applied(BTreeMap<String, String>);

impl Applied {
    /// Reads the managed fields of `metadata`.
    pub(super) fn of(metadata: &ObjectMeta) -> Self {
        let entries = metadata.managed_fields.iter().flatten();
        let ours = entries
            .filter(|entry| entry.manager.as_deref() == Some(NAME) && entry.operation.as_deref() == Some("Apply"));
        let fields = ours.filter_map(|entry| {
            Some((entry.subresource.clone().unwrap_or_default(), entry.fields_v1.as_ref()?.0.to_string()))
        });
        Self(fields.collect())
    }

    fn fields(&self, subresource: Option<&str>) -> Option<Value> {
        serde_json::from_str(self.0.get(subresource.unwrap_or_default())?).ok()
    }
}

/// Whether applying `wanted` to `live` would change nothing. `applied` is what was applied to `live`, and `subresource` is what the
/// write goes to, `None` for the object itself.
pub(super) fn is_applied(wanted: &Value, live: &Value, applied: &Applied, subresource: Option<&str>) -> bool {
    let Some(fields) = applied.fields(subresource) else {
        return false;
    };
    // Every object has these; they are not fields that a manager owns.
    let mut wanted = wanted.clone();
    if let Some(object) = wanted.as_object_mut() {
        object.remove("apiVersion");
        object.remove("kind");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| !matches!(key.as_str(), "name" | "namespace" | "resourceVersion"));
            if metadata.is_empty() {
                object.remove("metadata");
            }
        }
    }
    matches(&wanted, live, &fields)
}

/// `fields` is the part of the managed fields that is about `wanted`.
fn matches(wanted: &Value, live: &Value, fields: &Value) -> bool {
    let empty = Map::new();
    let fields = fields.as_object().unwrap_or(&empty);
    if fields.keys().all(|key| key == ".") {
        // Owned as a whole.
        return contains(live, wanted);
    }
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => object_matches(wanted, live, fields),
        (Value::Array(wanted), Value::Array(live)) => list_matches(wanted, live, fields),
        _ => false,
    }
}

fn object_matches(wanted: &Map<String, Value>, live: &Map<String, Value>, fields: &Map<String, Value>) -> bool {
    let owned = fields.keys().filter_map(|key| key.strip_prefix("f:"));
    if owned.clone().any(|key| !wanted.contains_key(key)) {
        return false;
    }
    wanted.iter().all(|(key, wanted)| {
        let field = fields.get(&format!("f:{key}"));
        match (live.get(key), field) {
            (Some(live), Some(fields)) => matches(wanted, live, fields),
            _ => false,
        }
    })
}

fn list_matches(wanted: &[Value], live: &[Value], fields: &Map<String, Value>) -> bool {
    let mut seen = 0;
    for (key, fields) in fields.iter().filter(|(key, _)| *key != ".") {
        let found = if let Some(keys) = key.strip_prefix("k:") {
            let Ok(Value::Object(keys)) = serde_json::from_str::<Value>(keys) else {
                return false;
            };
            let find = |list: &'_ [Value]| list.iter().position(|item| has_keys(item, &keys));
            match (find(wanted), find(live)) {
                (Some(a), Some(b)) => matches(&wanted[a], &live[b], fields),
                _ => false,
            }
        } else if let Some(value) = key.strip_prefix("v:") {
            let Ok(value) = serde_json::from_str::<Value>(value) else {
                return false;
            };
            wanted.contains(&value) && live.contains(&value)
        } else {
            return false;
        };
        if !found {
            return false;
        }
        seen += 1;
    }
    seen == wanted.len()
}

/// Whether `item` is the list element with these keys. A key that it does not name has its default, which the API
/// server filled in: it matches.
fn has_keys(item: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter().all(|(key, value)| item.get(key).is_none_or(|found| found == value))
        && keys.keys().any(|key| item.get(key).is_some())
}

/// Whether `live` says all that `wanted` says.
fn contains(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|live| contains(live, value)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| contains(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    fn check(wanted: &Value, live: &Value, fields: &Value) -> bool {
        let metadata: ObjectMeta = serde_json::from_value(json!({"managedFields": [
            {"manager": "someone-else", "operation": "Apply", "fieldsV1": {"f:other": {}}},
            {"manager": NAME, "operation": "Apply", "fieldsV1": fields},
        ]}))
        .unwrap();
        is_applied(wanted, live, &Applied::of(&metadata), None)
    }

    #[test]
    fn an_object_with_the_wanted_fields_is_left_alone() {
        let wanted = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": {"x": "1"}},
            "spec": {"ports": [{"port": 80, "name": "http"}], "selector": {"app": "a"}}
        });
        let live = json!({
            "metadata": {"name": "a", "labels": {"x": "1", "theirs": "2"}, "uid": "u"},
            "spec": {
                "clusterIP": "10.0.0.1", "selector": {"app": "a"},
                "ports": [{"port": 80, "name": "http", "protocol": "TCP", "targetPort": 80}]
            }
        });
        let fields = json!({
            "f:metadata": {"f:labels": {"f:x": {}}},
            "f:spec": {
                "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}}},
                "f:selector": {}
            }
        });
        assert!(check(&wanted, &live, &fields));

        let mut changed = live.clone();
        changed["spec"]["ports"][0]["name"] = json!("other");
        assert!(!check(&wanted, &changed, &fields), "a value that differs is repaired");

        let mut less = wanted.clone();
        less["metadata"].as_object_mut().unwrap().remove("labels");
        assert!(!check(&less, &live, &fields), "a field that is no longer wanted is given up");

        let mut more = wanted.clone();
        more["spec"]["type"] = json!("NodePort");
        assert!(!check(&more, &live, &fields), "a field that is newly wanted is written");
    }

    #[test]
    fn lists_by_key_and_sets_are_compared_without_order() {
        let wanted = json!({"status": {"conditions": [{"type": "A", "status": "True"}], "names": ["x", "y"]}});
        let live = json!({"status": {
            "conditions": [{"type": "Theirs", "status": "False"}, {"type": "A", "status": "True"}],
            "names": ["y", "theirs", "x"]
        }});
        let fields = json!({"f:status": {
            "f:conditions": {"k:{\"type\":\"A\"}": {".": {}, "f:type": {}, "f:status": {}}},
            "f:names": {"v:\"x\"": {}, "v:\"y\"": {}}
        }});
        assert!(check(&wanted, &live, &fields));
        let fewer = json!({"status": {"conditions": [{"type": "A", "status": "True"}], "names": ["x"]}});
        assert!(!check(&fewer, &live, &fields));
    }

    #[test]
    fn an_object_that_the_operator_never_applied_is_written() {
        let wanted = json!({"spec": {"a": 1}});
        assert!(!is_applied(&wanted, &wanted, &Applied::default(), None));
    }
}
