//! Whether a configuration fits its type well enough for its fields to be owned.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fieldset::field;
use super::model::{Others, Shape, Type, key_values};

/// What is wrong with a configuration, in words of the form `.spec.parts: duplicate entries for key [id="a"]`.
pub(super) fn problems(kind: &Type, config: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    check(kind, config, "", &mut problems);
    if problems.len() > 1 {
        problems.insert(0, "errors:".to_owned());
    }
    problems
}

/// The object as such errors name it: `namespace/name; group/version, Kind=Kind`.
pub(super) fn name(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let api_version = text("/apiVersion");
    // The group of the core kinds is empty.
    let version = if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") };
    format!("{namespace}/{name}; {version}, Kind={}", text("/kind"))
}

fn check(kind: &Type, value: &Value, path: &str, problems: &mut Vec<String>) {
    match kind.shape(value) {
        Shape::Leaf => {}
        Shape::Fields(fields) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                match kind {
                    Type::Map { fields, others: Others::Unknown } if !fields.contains_key(name) => {
                        problems.push(format!("{path}: field not declared in schema"));
                    }
                    _ => check(kind.field(name).0, value, &path, problems),
                }
            }
        }
        Shape::Items(items) => {
            let mut seen = BTreeSet::new();
            for (index, (element, value)) in items.into_iter().enumerate() {
                if let Some(problem) = keyless(kind, value) {
                    problems.push(format!("{path}: element {index}: {problem}"));
                    continue;
                }
                let shown = shown(&element);
                if !seen.insert(element) {
                    problems.push(format!("{path}: duplicate entries for key {shown}"));
                }
                check(kind.item(), value, &format!("{path}{shown}"), problems);
            }
        }
    }
}

/// Why an item of a map list has no identity.
fn keyless(kind: &Type, item: &Value) -> Option<String> {
    let Type::MapList { keys, .. } = kind else {
        return None;
    };
    if !item.is_object() {
        return Some("associative list with keys may not have non-map elements".to_owned());
    }
    if key_values(keys, item).is_some() {
        return None;
    }
    let name = keys.first().map_or("", |key| key.name.as_str());
    let problem = if keys.len() == 1 {
        format!(
            "associative list with keys has an element that omits key field \"{name}\" (and doesn't have default value)"
        )
    } else {
        "associative list with keys has an element that omits all key fields".to_owned()
    };
    Some(problem)
}

fn shown(element: &str) -> String {
    let mut set = super::FieldSet::default();
    set.insert(element.to_owned());
    set.paths().into_iter().next().unwrap_or_else(|| field(element))
}
