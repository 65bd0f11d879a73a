//! What of discovery is compared: the entries that the embedded server has, of a server with more kinds.

use serde_json::{Value, json};

/// Reduces both answers to what is to be equal.
pub(super) fn reduce(recorded: &Value, answered: &Value) -> (Value, Value) {
    let (mut recorded, mut answered) = (recorded.clone(), answered.clone());
    match recorded["kind"].as_str() {
        Some("APIResourceList") => retain(&mut recorded["resources"], &answered["resources"], "/name"),
        Some("APIGroupDiscoveryList") => groups(&mut recorded, &answered),
        _ if recorded.get("openapi").is_some() => {
            // The documents differ by which kinds there are; what they say of one kind has tests of its own.
            recorded = json!(recorded["openapi"]);
            answered = json!(answered["openapi"]);
        }
        _ if recorded.get("paths").is_some() && recorded.get("kind").is_none() => {
            // The addresses carry hashes of the documents.
            let names = |value: &Value| -> Vec<String> {
                value["paths"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
            };
            let (all, mine) = (names(&recorded), names(&answered));
            recorded = all.into_iter().filter(|name| mine.contains(name)).collect();
            answered = json!(mine);
        }
        _ if recorded.get("gitVersion").is_some() => {
            for key in ["gitVersion", "gitCommit", "buildDate", "goVersion", "compiler", "platform"] {
                for version in [&mut recorded, &mut answered] {
                    version.as_object_mut().and_then(|version| version.remove(key));
                }
            }
        }
        _ => {}
    }
    (recorded, answered)
}

/// Keeps those entries of a list that the other list has too, by what stands at the pointer.
fn retain(list: &mut Value, present: &Value, pointer: &str) {
    let name = |entry: &Value| entry.pointer(pointer).cloned().unwrap_or_default();
    let present: Vec<Value> = present.as_array().into_iter().flatten().map(name).collect();
    if let Value::Array(entries) = list {
        entries.retain(|entry| present.contains(&name(entry)));
    }
}

fn groups(recorded: &mut Value, answered: &Value) {
    retain(&mut recorded["items"], &answered["items"], "/metadata/name");
    for group in recorded["items"].as_array_mut().into_iter().flatten() {
        let own = entry(&answered["items"], "/metadata/name", group);
        for version in group["versions"].as_array_mut().into_iter().flatten() {
            let own = entry(&own["versions"], "/version", version);
            retain(&mut version["resources"], &own["resources"], "/resource");
            for resource in version["resources"].as_array_mut().into_iter().flatten() {
                let own = entry(&own["resources"], "/resource", resource);
                if resource.get("subresources").is_some() {
                    retain(&mut resource["subresources"], &own["subresources"], "/subresource");
                }
                if resource.get("subresources").and_then(Value::as_array).is_some_and(Vec::is_empty) {
                    resource.as_object_mut().and_then(|resource| resource.remove("subresources"));
                }
            }
        }
    }
}

/// The entry of a list that has the same value at the pointer.
fn entry<'a>(list: &'a Value, pointer: &str, like: &Value) -> &'a Value {
    let same = |entry: &&Value| entry.pointer(pointer) == like.pointer(pointer);
    list.as_array().into_iter().flatten().find(same).unwrap_or(&Value::Null)
}
