//! Strategic merge patch: merge patch that knows the keys of lists, for built-in kinds only.

use serde_json::{Map, Value};

use crate::api::status::{ApiError, ApiResult};

/// How a list of a built-in kind merges.
enum Merge {
    /// Items with the same value of this key are the same item.
    ByKey(&'static str),
    /// A set of plain values.
    Set,
    /// The patch's list replaces the whole list.
    Replace,
}

/// The merge rule of the list in field `field` of the object at `parent` (the field that holds it).
fn rule(parent: &str, field: &str) -> Merge {
    match (parent, field) {
        ("metadata" | "spec", "finalizers") => Merge::Set,
        ("metadata", "ownerReferences") => Merge::ByKey("uid"),
        (
            _,
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "env"
            | "volumes"
            | "imagePullSecrets"
            | "secrets",
        ) => Merge::ByKey("name"),
        (_, "volumeMounts") => Merge::ByKey("mountPath"),
        (_, "volumeDevices") => Merge::ByKey("devicePath"),
        (_, "conditions") | ("status", "addresses") => Merge::ByKey("type"),
        (_, "hostAliases") | ("status", "podIPs" | "hostIPs") => Merge::ByKey("ip"),
        (_, "topologySpreadConstraints") => Merge::ByKey("topologyKey"),
        ("containers" | "initContainers", "ports") => Merge::ByKey("containerPort"),
        ("spec", "ports") => Merge::ByKey("port"),
        _ => Merge::Replace,
    }
}

/// Merges a strategic patch into a document of a built-in kind.
pub(crate) fn apply(document: &Value, patch: &Value) -> ApiResult<Value> {
    let Value::Object(changes) = patch else {
        return Err(ApiError::bad_request("error decoding patch: a strategic merge patch must be an object"));
    };
    let mut patched = document.clone();
    merge_object(&mut patched, changes, "")?;
    Ok(patched)
}

fn merge_object(target: &mut Value, changes: &Map<String, Value>, parent: &str) -> ApiResult<()> {
    match changes.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = Value::Object(without_directives(changes));
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Null;
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(ApiError::bad_request(format!("unknown $patch directive \"{other}\""))),
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return Ok(()) };
    if let Some(retained) = changes.get("$retainKeys").and_then(Value::as_array) {
        fields.retain(|key, _| retained.iter().any(|kept| kept == key));
    }
    for (key, removed) in
        changes.iter().filter_map(|(key, value)| Some((key.strip_prefix("$deleteFromPrimitiveList/")?, value)))
    {
        if let (Some(Value::Array(list)), Some(removed)) = (fields.get_mut(key), removed.as_array()) {
            list.retain(|item| !removed.contains(item));
        }
    }
    for (key, change) in changes.iter().filter(|(key, _)| !key.starts_with('$')) {
        match change {
            Value::Null => {
                fields.remove(key);
            }
            Value::Object(inner) => {
                let slot = fields.entry(key.clone()).or_insert(Value::Null);
                merge_object(slot, inner, key)?;
                if slot.is_null() {
                    fields.remove(key);
                }
            }
            Value::Array(items) => {
                let slot = fields.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                merge_list(slot, items, parent, key)?;
            }
            other => {
                fields.insert(key.clone(), other.clone());
            }
        }
    }
    for (key, order) in changes.iter().filter_map(|(key, value)| Some((key.strip_prefix("$setElementOrder/")?, value)))
    {
        if let (Some(Value::Array(list)), Some(order)) = (fields.get_mut(key), order.as_array()) {
            let before = list.clone();
            arrange(list, order, &before, &rule(parent, key));
        }
    }
    Ok(())
}

fn merge_list(slot: &mut Value, items: &[Value], parent: &str, field: &str) -> ApiResult<()> {
    let replaces = items.iter().any(|item| item["$patch"] == "replace");
    let merge = rule(parent, field);
    let existing = slot.as_array().cloned().unwrap_or_default();
    let merged = match merge {
        _ if replaces => {
            let kept = items.iter().filter(|item| item["$patch"] != "replace");
            kept.cloned().collect()
        }
        Merge::Replace => items.to_vec(),
        Merge::Set => {
            let mut list = existing.clone();
            for item in items {
                if !list.contains(item) {
                    list.push(item.clone());
                }
            }
            arrange(&mut list, items, &existing, &merge);
            list
        }
        Merge::ByKey(key) => {
            let mut list = merge_by_key(existing.clone(), items, key, field)?;
            arrange(&mut list, items, &existing, &merge);
            list
        }
    };
    *slot = Value::Array(merged);
    Ok(())
}

fn merge_by_key(mut list: Vec<Value>, items: &[Value], key: &str, field: &str) -> ApiResult<Vec<Value>> {
    for item in items {
        let Value::Object(changes) = item else {
            return Err(ApiError::bad_request(format!("items of {field} must be objects in a strategic merge patch")));
        };
        let Some(identity) = changes.get(key) else {
            return Err(ApiError::internal(format!("map: {item} does not contain declared merge key: {key}")));
        };
        if changes.get("$patch").and_then(Value::as_str) == Some("delete") {
            list.retain(|existing| &existing[key] != identity);
        } else if let Some(existing) = list.iter_mut().find(|existing| &existing[key] == identity) {
            merge_object(existing, changes, field)?;
        } else {
            let mut fresh = Value::Null;
            merge_object(&mut fresh, changes, field)?;
            list.push(fresh);
        }
    }
    Ok(list)
}

/// Orders a merged list: the patch's items in the patch's order, and among them the others, each before the first item of
/// the patch that it stood before in the list of old.
fn arrange(list: &mut Vec<Value>, patch: &[Value], before: &[Value], rule: &Merge) {
    let position = |order: &[Value], item: &Value| match rule {
        Merge::ByKey(key) => order.iter().position(|wanted| wanted[*key] == item[*key]),
        _ => order.iter().position(|wanted| wanted == item),
    };
    let (mut patched, others): (Vec<Value>, Vec<Value>) =
        std::mem::take(list).into_iter().partition(|item| position(patch, item).is_some());
    patched.sort_by_key(|item| position(patch, item));
    let mut patched = patched.into_iter().peekable();
    for other in others {
        let stood = position(before, &other);
        while let Some(next) = patched.peek() {
            let follows = matches!((stood, position(before, next)), (Some(other), Some(next)) if other < next);
            if follows {
                break;
            }
            list.extend(patched.next());
        }
        list.push(other);
    }
    list.extend(patched);
}

fn without_directives(changes: &Map<String, Value>) -> Map<String, Value> {
    changes.iter().filter(|(key, _)| !key.starts_with('$')).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn containers_merge_by_name_and_their_env_too() {
        let document =
            json!({"spec": {"containers": [{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}]}});
        let patch =
            json!({"spec": {"containers": [{"name": "a", "env": [{"name": "F", "value": "2"}]}, {"name": "b"}]}});
        let patched = apply(&document, &patch).unwrap();
        let containers = &patched["spec"]["containers"];
        assert_eq!(
            containers[0],
            json!({"name": "a", "image": "x", "env": [{"name": "F", "value": "2"}, {"name": "E", "value": "1"}]})
        );
        assert_eq!(containers[1]["name"], "b");
    }

    #[test]
    fn directives_delete_and_replace() {
        let document =
            json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}], "selector": {"x": "1", "y": "2"}}});
        let patch = json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}], "selector": {"$patch": "replace", "z": "3"}}});
        let patched = apply(&document, &patch).unwrap();
        assert_eq!(patched, json!({"spec": {"containers": [{"name": "b"}], "selector": {"z": "3"}}}));
    }

    #[test]
    fn null_removes_and_other_lists_are_replaced() {
        let document = json!({"spec": {"args": ["a", "b"], "host": "x"}});
        let patched = apply(&document, &json!({"spec": {"args": ["c"], "host": null}})).unwrap();
        assert_eq!(patched, json!({"spec": {"args": ["c"]}}));
    }
}
