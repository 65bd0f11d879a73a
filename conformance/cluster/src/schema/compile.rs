//! From `openAPIV3Schema` to the compiled tree, refusing what is not structural.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Number, Value};

use super::compile_rules;
use super::defaults;
use super::error::{FieldError, join};
use super::node::{Additional, Bound, JsonType, Limits, ListType, Node};
use super::prune;
use super::values;

/// Where a schema stands; decides what it must say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Field,
    Item,
    /// Inside of `allOf`, `anyOf`, `oneOf` or `not`: values may be restricted, nothing may be shaped.
    Branch,
    /// A branch of an int-or-string's own `anyOf`, which may name the types.
    IntOrStringBranch,
}

impl Level {
    fn shapes(self) -> bool {
        matches!(self, Self::Root | Self::Field | Self::Item)
    }

    /// The level of a schema inside of one at this level.
    fn inside(self, shaping: Self) -> Self {
        if self.shapes() { shaping } else { Self::Branch }
    }
}

/// Compiles a whole `openAPIV3Schema`.
pub(super) fn root(schema: &Value) -> Result<Node, Vec<FieldError>> {
    let mut errors = Vec::new();
    let node = node(schema, Level::Root, "", &mut errors);
    if errors.is_empty() {
        compile_rules::type_check(&node, schema, &mut errors);
        return if errors.is_empty() { Ok(node) } else { Err(errors) };
    }
    errors.sort_by_cached_key(ToString::to_string);
    Err(errors)
}

fn node(schema: &Value, level: Level, path: &str, errors: &mut Vec<FieldError>) -> Node {
    let Value::Object(schema) = schema else {
        errors.push(FieldError::invalid(path, schema, "must be an object"));
        return Node::default();
    };
    let mut node = Node {
        json_type: json_type(schema, path, errors),
        nullable: flag(schema, "nullable"),
        int_or_string: flag(schema, "x-kubernetes-int-or-string"),
        preserve_unknown: flag(schema, "x-kubernetes-preserve-unknown-fields"),
        embedded_resource: flag(schema, "x-kubernetes-embedded-resource"),
        atomic_map: text(schema, "x-kubernetes-map-type") == Some("atomic"),
        ..Node::default()
    };
    for (name, property) in object(schema, "properties") {
        let path = join(path, &format!("properties[{name}]"));
        node.properties.insert(name.clone(), self::node(property, level.inside(Level::Field), &path, errors));
    }
    node.additional = additional(schema, level, path, errors);
    node.items = schema.get("items").map(|items| {
        Box::new(self::node(items, level.inside(Level::Item), &join(path, "items"), errors))
    });
    node.limits = limits(schema, node.int_or_string, path, errors);
    if level.shapes() {
        shape(&node, schema, level, path, errors);
        node.list_type = list_type(&node, schema, path, errors);
        complete(&node, schema, path, errors);
    } else {
        restriction(schema, level, path, errors);
    }
    node.rules = compile_rules::rules(schema, &node, path, errors);
    node.has_rules = has_rules(&node);
    if let Some(default) = schema.get("default") {
        check_default(&node, default, &join(path, "default"), errors);
        node.default = Some(default.clone());
    }
    node
}

fn has_rules(node: &Node) -> bool {
    !node.rules.is_empty()
        || node.properties.values().any(|node| node.has_rules)
        || node.additional_schema().is_some_and(|node| node.has_rules)
        || node.items.as_ref().is_some_and(|node| node.has_rules)
        || node.limits.all_of.iter().any(|node| node.has_rules)
}

fn json_type(schema: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) -> Option<JsonType> {
    let name = text(schema, "type").filter(|name| !name.is_empty())?;
    let known = JsonType::parse(name);
    if known.is_none() {
        errors.push(FieldError::not_supported(join(path, "type"), &Value::from(name), &JsonType::NAMES));
    }
    known
}

fn additional(
    schema: &Map<String, Value>,
    level: Level,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> Option<Additional> {
    let path = join(path, "additionalProperties");
    match schema.get("additionalProperties")? {
        Value::Bool(false) => {
            errors.push(FieldError::forbidden(path, "additionalProperties cannot be set to false"));
            None
        }
        Value::Bool(true) => Some(Additional::Allowed),
        nested => {
            let nested = node(nested, level.inside(Level::Field), &path, errors);
            if level == Level::Root {
                errors.push(FieldError::forbidden(path, "must not be used at the root"));
            }
            Some(Additional::Schema(Box::new(nested)))
        }
    }
}

/// What a schema on the structural spine must and must not say.
fn shape(node: &Node, schema: &Map<String, Value>, level: Level, path: &str, errors: &mut Vec<FieldError>) {
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

fn list_type(node: &Node, schema: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) -> ListType {
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
            errors.push(FieldError::invalid(field, &Value::from(name), "must be a scalar type if parent array's x-kubernetes-list-type is map"));
        }
        if property.default.is_none() && !items.limits.required.contains(key) {
            let field = join(path, &format!("items.properties[{key}].default"));
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(field, detail));
        }
    }
}

/// What a branch of a combination must not say.
fn restriction(schema: &Map<String, Value>, level: Level, path: &str, errors: &mut Vec<FieldError>) {
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
fn complete(node: &Node, schema: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let mut missing = BTreeMap::new();
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for (index, branch) in array(schema, keyword).iter().enumerate() {
            mentioned(node, branch, path, &join(path, &format!("{keyword}[{index}]")), &mut missing);
        }
    }
    if let Some(branch) = schema.get("not") {
        mentioned(node, branch, path, &join(path, "not"), &mut missing);
    }
    errors.extend(missing.into_iter().map(|(field, place)| {
        FieldError::required(field, &format!("because it is defined in {place}"))
    }));
}

fn mentioned(node: &Node, branch: &Value, path: &str, place: &str, missing: &mut BTreeMap<String, String>) {
    let Value::Object(branch) = branch else { return };
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

fn limits(schema: &Map<String, Value>, int_or_string: bool, path: &str, errors: &mut Vec<FieldError>) -> Limits {
    let types = |branches: &[Value]| {
        let names: Vec<_> = branches.iter().map(|branch| branch.get("type").and_then(Value::as_str)).collect();
        int_or_string && names == [Some("integer"), Some("string")]
    };
    let any = array(schema, "anyOf");
    let any_level = if types(any) { Level::IntOrStringBranch } else { Level::Branch };
    let all = array(schema, "allOf");
    let first_names_types =
        all.first().and_then(|first| first.get("anyOf")).and_then(Value::as_array).is_some_and(|any| types(any));

    let mut branches = |keyword: &str, level: Level| -> Vec<Node> {
        let branch = |(index, branch)| node(branch, level, &join(path, &format!("{keyword}[{index}]")), errors);
        array(schema, keyword).iter().enumerate().map(branch).collect()
    };
    let any_of = branches("anyOf", any_level);
    let one_of = branches("oneOf", Level::Branch);
    let all_of = if first_names_types {
        let mut all_of = Vec::new();
        for (index, branch) in all.iter().enumerate() {
            let path = join(path, &format!("allOf[{index}]"));
            let mut nested = branch.clone();
            let taken = if index == 0 { nested.as_object_mut().and_then(|branch| branch.remove("anyOf")) } else { None };
            let mut compiled = node(&nested, Level::Branch, &path, errors);
            for types in taken.as_ref().and_then(Value::as_array).into_iter().flatten() {
                compiled.limits.any_of.push(node(types, Level::IntOrStringBranch, &path, errors));
            }
            all_of.push(compiled);
        }
        all_of
    } else {
        branches("allOf", Level::Branch)
    };
    let not = schema.get("not").map(|not| Box::new(node(not, Level::Branch, &join(path, "not"), errors)));
    Limits {
        format: text(schema, "format").filter(|format| !format.is_empty()).map(ToOwned::to_owned),
        minimum: bound(schema, "minimum", "exclusiveMinimum"),
        maximum: bound(schema, "maximum", "exclusiveMaximum"),
        multiple_of: numeric(schema, "multipleOf"),
        min_length: count(schema, "minLength"),
        max_length: count(schema, "maxLength"),
        pattern: pattern(schema, path, errors),
        min_items: count(schema, "minItems"),
        max_items: count(schema, "maxItems"),
        min_properties: count(schema, "minProperties"),
        max_properties: count(schema, "maxProperties"),
        required: strings(schema, "required"),
        choices: array(schema, "enum").to_vec(),
        all_of,
        any_of,
        one_of,
        not,
    }
}

fn pattern(schema: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) -> Option<Regex> {
    let source = text(schema, "pattern").filter(|source| !source.is_empty())?;
    match Regex::new(source) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let detail = format!("must be a valid regular expression, but isn't: {reason}");
            errors.push(FieldError::invalid(join(path, "pattern"), &Value::from(source), &detail));
            None
        }
    }
}

/// A default must itself be what the schema demands.
fn check_default(node: &Node, default: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let mut value = default.clone();
    defaults::apply(node, &mut value);
    let mut pruned = value.clone();
    if prune::unknown_below(node, &mut pruned) {
        errors.push(FieldError::invalid(path, default, "must not have unknown fields"));
    }
    errors.extend(values::validate(node, &value, None, "").into_iter().map(|error| error.inside(path)));
}

fn bound(schema: &Map<String, Value>, keyword: &str, exclusive: &str) -> Option<Bound> {
    numeric(schema, keyword).map(|limit| Bound { limit, exclusive: flag(schema, exclusive) })
}

fn numeric(schema: &Map<String, Value>, keyword: &str) -> Option<Number> {
    schema.get(keyword)?.as_number().cloned()
}

fn count(schema: &Map<String, Value>, keyword: &str) -> Option<u64> {
    schema.get(keyword)?.as_u64()
}

fn flag(schema: &Map<String, Value>, keyword: &str) -> bool {
    schema.get(keyword) == Some(&Value::Bool(true))
}

fn text<'a>(schema: &'a Map<String, Value>, keyword: &str) -> Option<&'a str> {
    schema.get(keyword)?.as_str()
}

fn array<'a>(schema: &'a Map<String, Value>, keyword: &str) -> &'a [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn object<'a>(schema: &'a Map<String, Value>, keyword: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    schema.get(keyword).and_then(Value::as_object).into_iter().flatten()
}

fn strings(schema: &Map<String, Value>, keyword: &str) -> Vec<String> {
    array(schema, keyword).iter().filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}
