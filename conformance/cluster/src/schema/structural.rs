//! What makes a schema structural: every field has a type, and combinations only restrict.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::{FieldError, join};
use super::keywords::{array, flag, object, strings, text};
use super::node::{JsonType, ListType, Node};

/// Where a schema stands; decides what it must say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Root,
    Field,
    Item,
    /// Inside of `allOf`, `anyOf`, `oneOf` or `not`: values may be restricted, nothing may be shaped.
    Branch,
    /// A branch of an int-or-string's own `anyOf`, which may name the types.
    IntOrStringBranch,
}

impl Level {
    pub(super) fn shapes(self) -> bool {
        matches!(self, Self::Root | Self::Field | Self::Item)
    }

    /// The level of a schema inside of one at this level.
    pub(super) fn inside(self, shaping: Self) -> Self {
        if self.shapes() { shaping } else { Self::Branch }
    }
}

/// What a schema on the structural spine must and must not say.
pub(super) fn shape(node: &Node, schema: &Map<String, Value>, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let type_path = join(path, "type");
    let type_name = || Value::from(text(schema, "type").unwrap_or_default());
    let untyped = text(schema, "type").is_none_or(str::is_empty);
    if node.embedded_resource && untyped {
        errors.push(FieldError::required(type_path, "must be object if x-kubernetes-embedded-resource is true"));
    } else if node.embedded_resource && node.json_type != Some(JsonType::Object) {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(FieldError::invalid(type_path, &type_name(), detail));
    } else if untyped && !node.int_or_string && !node.preserve_unknown {
        let place = match level {
            Level::Root => "at the root",
            Level::Item => "for specified array items",
            _ => "for specified object fields",
        };
        errors.push(FieldError::required(type_path, &format!("must not be empty {place}")));
    } else if level == Level::Root && !untyped && node.json_type != Some(JsonType::Object) {
        errors.push(FieldError::invalid(type_path, &type_name(), "must be object at the root"));
    } else if node.int_or_string && !untyped {
        let detail = "must be empty if x-kubernetes-int-or-string is true";
        errors.push(FieldError::invalid(type_path, &type_name(), detail));
    }
    if level == Level::Root && node.nullable {
        errors.push(FieldError::forbidden(join(path, "nullable"), "nullable cannot be true at the root"));
    }
    if !node.properties.is_empty() && node.additional.is_some() {
        let detail = "additionalProperties and properties are mutual exclusive";
        errors.push(FieldError::forbidden(join(path, "additionalProperties"), detail));
    }
    if flag(schema, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(join(path, "uniqueItems"), detail));
    }
    if schema.contains_key("$ref") {
        errors.push(FieldError::forbidden(join(path, "$ref"), "$ref is not supported"));
    }
    if node.json_type == Some(JsonType::Array) && node.items.is_none() && !node.preserve_unknown {
        errors.push(FieldError::required(join(path, "items"), "must be specified"));
    }
    if node.embedded_resource && !node.preserve_unknown && node.properties.is_empty() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                      x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(join(path, "properties"), detail));
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let detail = "must be true or undefined";
        let path = join(path, "x-kubernetes-preserve-unknown-fields");
        errors.push(FieldError::invalid(path, &Value::Bool(false), detail));
    }
}

pub(super) fn list_type(
    node: &Node,
    schema: &Map<String, Value>,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> ListType {
    let keys_path = join(path, "x-kubernetes-list-map-keys");
    let keys: Vec<String> = strings(schema, "x-kubernetes-list-map-keys");
    let type_path = join(path, "x-kubernetes-list-type");
    match text(schema, "x-kubernetes-list-type") {
        None | Some("atomic" | "set") if !keys.is_empty() => {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            errors.push(FieldError::required(type_path, detail));
            ListType::Atomic
        }
        None | Some("atomic") => ListType::Atomic,
        Some("set") => ListType::Set,
        Some("map") => {
            if keys.is_empty() {
                let detail = "must not be empty if x-kubernetes-list-type is map";
                errors.push(FieldError::required(keys_path, detail));
            } else if let Some(items) = &node.items {
                map_keys(&keys, items, path, errors);
            }
            ListType::Map(keys)
        }
        Some(other) => {
            errors.push(FieldError::not_supported(type_path, &Value::from(other), &["atomic", "map", "set"]));
            ListType::Atomic
        }
    }
}

/// Every item must have the keys by which it is found: they are required or have a default.
fn map_keys(keys: &[String], items: &Node, path: &str, errors: &mut Vec<FieldError>) {
    for (index, key) in keys.iter().enumerate() {
        let field = join(path, &format!("x-kubernetes-list-map-keys[{index}]"));
        let Some(property) = items.properties.get(key) else {
            let detail = "entries must all be names of item properties";
            errors.push(FieldError::invalid(field, &Value::from(key.as_str()), detail));
            continue;
        };
        if matches!(property.json_type, Some(JsonType::Object | JsonType::Array)) {
            let field = join(path, &format!("items.properties[{key}].type"));
            let name = property.json_type.map_or("", JsonType::name);
            errors.push(FieldError::invalid(
                field,
                &Value::from(name),
                "must be a scalar type if parent array's x-kubernetes-list-type is map",
            ));
        }
        if property.default.is_none() && !items.limits.required.contains(key) {
            let field = join(path, &format!("items.properties[{key}].default"));
            let detail =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(field, detail));
        }
    }
}

/// What a branch of a combination must not say.
pub(super) fn restriction(schema: &Map<String, Value>, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let set = |name: &str| {
        schema.get(name).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)) && value != "")
    };
    for name in ["type", "additionalProperties", "default", "title", "description"] {
        if set(name) && !(name == "type" && level == Level::IntOrStringBranch) {
            errors.push(FieldError::forbidden(join(path, name), "must be empty to be structural"));
        }
    }
    for name in [
        "nullable",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
    ] {
        if set(name) {
            errors.push(FieldError::forbidden(join(path, name), "must be false to be structural"));
        }
    }
}

/// What branches mention must exist on the structural spine.
pub(super) fn complete(node: &Node, schema: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let mut missing = BTreeMap::new();
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for (index, branch) in array(schema, keyword).iter().enumerate() {
            mentioned(node, branch, path, &join(path, &format!("{keyword}[{index}]")), &mut missing);
        }
    }
    if let Some(branch) = schema.get("not") {
        mentioned(node, branch, path, &join(path, "not"), &mut missing);
    }
    errors.extend(
        missing
            .into_iter()
            .map(|(field, place)| FieldError::required(field, &format!("because it is defined in {place}"))),
    );
}

fn mentioned(node: &Node, branch: &Value, path: &str, place: &str, missing: &mut BTreeMap<String, String>) {
    let Value::Object(branch) = branch else {
        return;
    };
    for (name, nested) in object(branch, "properties") {
        let (field, place) = (join(path, &format!("properties[{name}]")), join(place, &format!("properties[{name}]")));
        match node.properties.get(name) {
            Some(property) => mentioned(property, nested, &field, &place, missing),
            None => drop(missing.insert(field, place)),
        }
    }
    if let Some(nested) = branch.get("items") {
        let (field, place) = (join(path, "items"), join(place, "items"));
        match &node.items {
            Some(items) => mentioned(items, nested, &field, &place, missing),
            None => drop(missing.insert(field, place)),
        }
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for (index, nested) in array(branch, keyword).iter().enumerate() {
            mentioned(node, nested, path, &join(place, &format!("{keyword}[{index}]")), missing);
        }
    }
}
