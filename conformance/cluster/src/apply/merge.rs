//! Merging a configuration into the stored object.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::model::{Shape, Type};

/// The stored value with the configuration laid over it.
pub(super) fn merge(kind: &Type, live: &Value, config: &Value) -> Value {
    match (kind.shape(live), kind.shape(config)) {
        (Shape::Fields(live), Shape::Fields(config)) => {
            let mut merged: Map<String, Value> = live.clone();
            for (name, value) in config {
                let value = live.get(name).map_or_else(|| value.clone(), |live| merge(kind.field(name).0, live, value));
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Shape::Items(live), Shape::Items(config)) if !live.is_empty() => list(kind, &live, &config),
        // A null in place of a container is one without entries.
        (Shape::Fields(fields), Shape::Leaf) if config.is_null() && !fields.is_empty() => live.clone(),
        (Shape::Items(items), Shape::Leaf) if config.is_null() && !items.is_empty() => live.clone(),
        _ => config.clone(),
    }
}

/// Items of both sides in an order that contradicts neither: the configuration decides the order of its own items, and
/// items that only the stored list has stay behind the shared item that they followed.
fn list(kind: &Type, live: &[(String, &Value)], config: &[(String, &Value)]) -> Value {
    let stored: BTreeMap<&str, &Value> = live.iter().rev().map(|(element, value)| (element.as_str(), *value)).collect();
    let sent: BTreeMap<&str, &Value> = config.iter().map(|(element, value)| (element.as_str(), *value)).collect();
    let merged = |element: &str| match (stored.get(element), sent.get(element)) {
        (Some(live), Some(config)) => merge(kind.item(), live, config),
        (_, Some(config)) => (*config).clone(),
        (Some(live), None) => (*live).clone(),
        (None, None) => Value::Null,
    };
    let mut shared = config.iter().map(|(element, _)| element).filter(|element| stored.contains_key(element.as_str()));
    let mut next_shared = shared.next();
    let mut config = config.iter().map(|(element, _)| element).peekable();
    let mut items = Vec::new();
    for (element, value) in live {
        if !sent.contains_key(element.as_str()) {
            items.push((*value).clone());
            continue;
        }
        if next_shared != Some(element) {
            continue; // it comes where the configuration has it
        }
        while let Some(sent) = config.next_if(|sent| *sent != element) {
            items.push(merged(sent));
        }
        config.next();
        items.push(merged(element));
        next_shared = shared.next();
    }
    items.extend(config.map(|element| merged(element)));
    Value::Array(items)
}
