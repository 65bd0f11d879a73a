//! The promise of `x-kubernetes-list-type`: no value of a set, and no key of a map list, occurs twice.

use serde_json::{Map, Value, json};

use super::error::{ErrorKind, FieldError, join};
use super::node::{ListType, Node};

/// Checks every list in `value`.
pub(super) fn check(node: &Node, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Array(items) => {
            match &node.list_type {
                ListType::Atomic => {}
                ListType::Set => unique(items.iter().map(|item| Some(item.clone())), path, errors),
                ListType::Map(keys) => {
                    for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.is_object()) {
                        let detail = "must be an object for an array of list-type map";
                        errors.push(FieldError::invalid(format!("{path}[{index}]"), item, detail));
                    }
                    unique(items.iter().map(|item| item.as_object().map(|item| key_of(keys, item))), path, errors);
                }
            }
            if let Some(schema) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    check(schema, item, &format!("{path}[{index}]"), errors);
                }
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(schema) = node.properties.get(name) {
                    check(schema, value, &join(path, name), errors);
                } else if let Some(schema) = node.additional_schema() {
                    check(schema, value, &format!("{path}[{name}]"), errors);
                }
            }
        }
        _ => {}
    }
}

fn key_of(keys: &[String], item: &Map<String, Value>) -> Value {
    let present = keys.iter().filter_map(|key| item.get(key).map(|value| (key.clone(), value.clone())));
    json!(present.collect::<Map<_, _>>())
}

/// Every occurrence after the first is an error.
fn unique(identities: impl Iterator<Item = Option<Value>>, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen: Vec<Value> = Vec::new();
    for (index, identity) in identities.enumerate() {
        let Some(identity) = identity else { continue };
        if seen.contains(&identity) {
            errors.push(FieldError::with_value(ErrorKind::Duplicate, format!("{path}[{index}]"), &identity, ""));
        } else {
            seen.push(identity);
        }
    }
}
