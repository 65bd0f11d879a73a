//! From `openAPIV3Schema` to the compiled tree, refusing what is not structural.

use regex::Regex;
use serde_json::{Map, Value};

use super::compile_rules;
use super::defaults;
use super::error::{FieldError, join};
use super::keywords::{array, count, flag, numeric, object, strings, text};
use super::node::{Additional, Bound, JsonType, Limits, Node};
use super::prune;
use super::structural::{self, Level};
use super::values;

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
    node.items = schema
        .get("items")
        .map(|items| Box::new(self::node(items, level.inside(Level::Item), &join(path, "items"), errors)));
    node.limits = limits(schema, node.int_or_string, path, errors);
    if level.shapes() {
        structural::shape(&node, schema, level, path, errors);
        node.list_type = structural::list_type(&node, schema, path, errors);
        structural::complete(&node, schema, path, errors);
    } else {
        structural::restriction(schema, level, path, errors);
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
            let taken =
                if index == 0 { nested.as_object_mut().and_then(|branch| branch.remove("anyOf")) } else { None };
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
