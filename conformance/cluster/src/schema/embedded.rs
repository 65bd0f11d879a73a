//! Resources inside of resources (`x-kubernetes-embedded-resource`): they must say what they are.

use serde_json::Value;

use super::error::{FieldError, join};
use super::node::Node;

/// Checks every embedded resource in `value`.
pub(super) fn check(node: &Node, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(fields) => {
            if node.embedded_resource {
                for name in ["apiVersion", "kind"] {
                    if fields.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                        errors.push(FieldError::required(join(path, name), "must not be empty"));
                    }
                }
            }
            for (name, value) in fields {
                if let Some(schema) = node.properties.get(name) {
                    check(schema, value, &join(path, name), errors);
                } else if let Some(schema) = node.additional_schema() {
                    check(schema, value, &format!("{path}[{name}]"), errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    check(schema, item, &format!("{path}[{index}]"), errors);
                }
            }
        }
        _ => {}
    }
}
