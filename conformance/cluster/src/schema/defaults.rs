//! Defaulting: what is absent, or a null where null is not allowed, gets the schema's default.

use serde_json::Value;

use super::node::Node;

/// Fills in defaults, also inside of those that were filled in, then drops the nulls that are left where null is not
/// allowed.
pub(super) fn apply(node: &Node, value: &mut Value) {
    fill(node, value);
    drop_nulls(node, value);
}

fn fill(node: &Node, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, property) in &node.properties {
                let Some(default) = &property.default else {
                    continue;
                };
                if fields.get(name).is_none_or(|value| property.is_absent(value)) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                if let Some(property) = node.property(name) {
                    fill_item(property, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &node.items {
                for item in items {
                    fill_item(schema, item);
                }
            }
        }
        _ => {}
    }
}

fn fill_item(node: &Node, value: &mut Value) {
    if node.is_absent(value)
        && let Some(default) = &node.default
    {
        *value = default.clone();
    }
    fill(node, value);
}

fn drop_nulls(node: &Node, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| node.property(name).is_none_or(|property| !property.is_absent(value)));
            for (name, value) in fields.iter_mut() {
                if let Some(property) = node.property(name) {
                    drop_nulls(property, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &node.items {
                for item in items {
                    drop_nulls(schema, item);
                }
            }
        }
        _ => {}
    }
}
