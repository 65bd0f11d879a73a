//! What a `CustomResourceDefinition` may leave out, and what the server keeps in its status.

use serde_json::{Value, json};

use crate::api::builtin::pods::set;

/// Fills in names and the conversion strategy.
pub(crate) fn apply(definition: &mut Value) {
    let spec = &mut definition["spec"];
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_owned();
    if !kind.is_empty() {
        set(&mut spec["names"], "singular", kind.to_lowercase().into());
        set(&mut spec["names"], "listKind", format!("{kind}List").into());
    }
    set(spec, "conversion", json!({"strategy": "None"}));
}

/// A new definition has accepted no names yet, and its storage version is stored.
pub(crate) fn prepare_create(definition: &mut Value) {
    let stored: Vec<Value> = storage_versions(definition);
    let stored = if stored.is_empty() { Value::Null } else { stored.into() };
    definition["status"] = json!({
        "conditions": null,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": stored,
    });
}

/// A new storage version is added to the stored ones.
pub(crate) fn prepare_update(old: &Value, new: &mut Value) {
    let mut stored = old["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
    let storage = storage_versions(new);
    // Two storage versions are refused by validation, which is not to see them both as stored.
    if let [only] = storage.as_slice()
        && !stored.contains(only)
    {
        stored.push(only.clone());
    }
    if !stored.is_empty() {
        new["status"]["storedVersions"] = stored.into();
    }
}

fn storage_versions(definition: &Value) -> Vec<Value> {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    versions.filter(|version| version["storage"] == true).map(|version| version["name"].clone()).collect()
}
