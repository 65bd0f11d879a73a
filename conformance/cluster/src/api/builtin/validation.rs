//! Validation of built-in kinds: the rules that matter to their users.

use serde_json::Value;

use super::Builtin;
use crate::api::custom;
use crate::api::status::Cause;

/// What is wrong with a new object.
pub(crate) fn create(builtin: &Builtin, object: &Value) -> Vec<Cause> {
    if builtin.kind == "CustomResourceDefinition" {
        return custom::validation::validate(object, None);
    }
    Vec::new()
}

/// What is wrong with an update.
pub(crate) fn update(builtin: &Builtin, new: &Value, old: &Value, subresource: Option<&str>) -> Vec<Cause> {
    let _ = subresource;
    if builtin.kind == "CustomResourceDefinition" {
        return custom::validation::validate(new, Some(old));
    }
    create(builtin, new)
}
