//! Validation of the fields by which the objects of a custom kind can be selected.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::status::Cause;

/// How many fields a version may make selectable.
const MOST_FIELDS: usize = 8;

/// What is wrong with a version's `selectableFields`; `path` is where they stand.
pub(super) fn validate(version: &Value, path: &str) -> Vec<Cause> {
    let schema = &version["schema"]["openAPIV3Schema"];
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, field) in version["selectableFields"].as_array().into_iter().flatten().enumerate() {
        let (path, shown) = (format!("{path}[{index}]"), &field["jsonPath"]);
        let Some(json_path) = shown.as_str().filter(|json_path| !json_path.is_empty()) else {
            causes.push(Cause::required(format!("{path}.jsonPath"), ""));
            continue;
        };
        if json_path == ".metadata" || json_path.starts_with(".metadata.") {
            causes.push(Cause::invalid(path, shown, "must not point to fields in metadata"));
            continue;
        }
        let Some(selected) = find(schema, json_path) else {
            let detail = "is an invalid path: does not refer to a valid field";
            causes.push(Cause::invalid(format!("{path}.jsonPath"), shown, detail));
            continue;
        };
        if !matches!(selected["type"].as_str(), Some("string" | "boolean" | "integer")) {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats \
                          are allowed.";
            causes.push(Cause::invalid(path.clone(), shown, detail));
        }
        if !seen.insert(json_path) {
            causes.push(Cause::duplicate(path, shown));
        }
    }
    if seen.len() > MOST_FIELDS {
        let message = format!("Too many: {}: must have at most {MOST_FIELDS} items", seen.len());
        causes.push(Cause::new("FieldValueTooMany", message, path));
    }
    causes
}

/// The schema of a field: `.spec.colour`.
fn find<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    path.strip_prefix('.')?.split('.').try_fold(schema, |schema, name| schema["properties"].get(name))
}
