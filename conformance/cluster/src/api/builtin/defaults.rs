//! Defaults of built-in kinds, and what the server itself sets.

use serde_json::{Value, json};

use super::{Builtin, events, pods};

/// Fills in defaults.
pub(crate) fn apply(builtin: &Builtin, object: &mut Value) {
    let _ = (builtin, object);
}

/// What is set or dropped when an object is created.
pub(crate) fn prepare_create(builtin: &Builtin, object: &mut Value) {
    if builtin.kind == "Namespace" {
        object["spec"]["finalizers"] = json!(["kubernetes"]);
        object["status"] = json!({"phase": "Active"});
    }
    let _ = (events::NEW_GROUP, pods::mount_token as fn(&mut Value));
}

/// What is set or kept when an object is updated.
pub(crate) fn prepare_update(builtin: &Builtin, old: &Value, new: &mut Value) {
    let _ = (builtin, old, new);
}
