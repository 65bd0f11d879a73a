//! Pruning: fields that the schema does not know are dropped before an object is stored.

use serde_json::{Map, Value};

use super::error::join;
use super::node::{Additional, Node};

/// The fields of object metadata.
pub(crate) const METADATA_FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Drops unknown fields of a whole resource and returns their paths, sorted.
pub(super) fn apply(root: &Node, object: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    if let Value::Object(fields) = object {
        resource(root, fields, "", &mut dropped);
    }
    dropped.sort();
    dropped
}

fn prune(node: &Node, value: &mut Value, path: &str, dropped: &mut Vec<String>) {
    match value {
        Value::Object(fields) if node.embedded_resource => resource(node, fields, path, dropped),
        Value::Object(fields) => known_fields(node, fields, path, dropped, |_| false),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let path = format!("{path}[{index}]");
                match &node.items {
                    Some(schema) => prune(schema, item, &path, dropped),
                    None if node.preserve_unknown => {}
                    None => clear(item, &path, dropped),
                }
            }
        }
        _ => {}
    }
}

/// A resource always has its type and metadata, whatever its schema declares.
fn resource(node: &Node, fields: &mut Map<String, Value>, path: &str, dropped: &mut Vec<String>) {
    let typed = |name: &str| matches!(name, "apiVersion" | "kind" | "metadata");
    known_fields(node, fields, path, dropped, typed);
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        let path = join(path, "metadata");
        metadata.retain(|name, _| METADATA_FIELDS.contains(&name.as_str()) || drop(&path, name, dropped));
    }
}

fn known_fields(
    node: &Node,
    fields: &mut Map<String, Value>,
    path: &str,
    dropped: &mut Vec<String>,
    exempt: impl Fn(&str) -> bool,
) {
    fields.retain(|name, value| {
        if exempt(name) {
            return true;
        }
        match (node.properties.get(name), &node.additional) {
            (Some(schema), _) => prune(schema, value, &join(path, name), dropped),
            (None, Some(Additional::Schema(schema))) => {
                prune(schema, value, &join(path, name), dropped);
            }
            (None, Some(Additional::Allowed)) if !node.preserve_unknown => {
                clear(value, &join(path, name), dropped);
            }
            (None, None) if !node.preserve_unknown => return drop(path, name, dropped),
            (None, _) => {}
        }
        true
    });
}

/// Below `additionalProperties: true` nothing is known: the values stay, the fields of objects go.
fn clear(value: &mut Value, path: &str, dropped: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.retain(|name, _| drop(path, name, dropped)),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                clear(item, &format!("{path}[{index}]"), dropped);
            }
        }
        _ => {}
    }
}

/// Notes a dropped field; the answer is whether it stays.
fn drop(path: &str, name: &str, dropped: &mut Vec<String>) -> bool {
    dropped.push(join(path, name));
    false
}

/// Whether a value inside of a resource, such as a default, has unknown fields; they are dropped.
pub(super) fn unknown_below(node: &Node, value: &mut Value) -> bool {
    let mut dropped = Vec::new();
    prune(node, value, "", &mut dropped);
    !dropped.is_empty()
}
