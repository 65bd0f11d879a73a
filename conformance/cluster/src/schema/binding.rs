//! JSON values as CEL sees them: typed by the schema, with field names escaped.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, Program, Value as CelValue};
use serde_json::{Number, Value};

use super::node::{Additional, Node};

/// Field names that are words of CEL.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A field name as an identifier: words of CEL and characters that an identifier cannot have are spelled out.
pub(super) fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}

/// A value of a schema.
pub(super) fn value(node: &Node, value: &Value) -> CelValue {
    match value {
        Value::String(text) => string(node.limits.format.as_deref(), text),
        Value::Number(number) => self::number(node, number),
        Value::Array(items) => {
            let bind = |item| node.items.as_deref().map_or_else(|| untyped(item), |schema| self::value(schema, item));
            CelValue::List(Arc::new(items.iter().map(bind).collect()))
        }
        Value::Object(_) if node.embedded_resource => resource(node, value),
        Value::Object(fields) => {
            // Keys of maps are data; names of declared fields are identifiers.
            let keys_are_data = matches!(node.additional, Some(Additional::Schema(_) | Additional::Allowed));
            let entries = fields.iter().map(|(name, field)| {
                let bound = node.property(name).map_or_else(|| untyped(field), |schema| self::value(schema, field));
                (if keys_are_data { name.clone() } else { escape(name) }, bound)
            });
            map(entries)
        }
        scalar => untyped(scalar),
    }
}

/// A whole resource: besides what is declared, rules see its type, name and generateName.
pub(super) fn resource(node: &Node, object: &Value) -> CelValue {
    let Value::Object(fields) = object else {
        return untyped(object);
    };
    let mut bound: HashMap<String, CelValue> = HashMap::new();
    for name in ["apiVersion", "kind"] {
        bound.insert(name.to_owned(), fields.get(name).map_or_else(|| text(""), untyped));
    }
    let metadata = fields.get("metadata").and_then(Value::as_object);
    let visible = ["name", "generateName"].into_iter().filter_map(|name| {
        let value = metadata?.get(name)?;
        Some((name.to_owned(), untyped(value)))
    });
    bound.insert("metadata".to_owned(), map(visible));
    for (name, field) in fields.iter().filter(|(name, _)| !bound_already(name)) {
        let value = node.property(name).map_or_else(|| untyped(field), |schema| self::value(schema, field));
        bound.insert(escape(name), value);
    }
    map(bound.into_iter())
}

fn bound_already(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

fn map(entries: impl Iterator<Item = (String, CelValue)>) -> CelValue {
    let entries = entries.map(|(key, value)| (Key::String(Arc::new(key)), value));
    CelValue::Map(Map { map: Arc::new(entries.collect()) })
}

fn text(text: &str) -> CelValue {
    CelValue::String(Arc::new(text.to_owned()))
}

fn number(node: &Node, number: &Number) -> CelValue {
    let is_number = node.type_names() == Some("number");
    match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) if !is_number => CelValue::Int(integer),
        #[allow(clippy::cast_possible_truncation)] // whole, and validated to be in range
        (None, Some(float)) if node.type_names() == Some("integer") => CelValue::Int(float as i64),
        (_, float) => CelValue::Float(float.unwrap_or(f64::NAN)),
    }
}

/// Strings of some formats have a type of their own; one that does not hold stays a string.
fn string(format: Option<&str>, content: &str) -> CelValue {
    let converted = match format {
        Some("date-time" | "datetime") => convert("timestamp(text)", content),
        Some("date") => convert("timestamp(text)", &format!("{content}T00:00:00Z")),
        Some("duration") => convert("duration(text)", content),
        Some("byte") => STANDARD.decode(content).ok().map(|bytes| CelValue::Bytes(Arc::new(bytes))),
        _ => None,
    };
    converted.unwrap_or_else(|| text(content))
}

fn convert(conversion: &str, content: &str) -> Option<CelValue> {
    let mut scope = Context::default();
    scope.add_variable_from_value("text", text(content));
    Program::compile(conversion).ok()?.execute(&scope).ok()
}

/// A value of which the schema says nothing.
fn untyped(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(truth) => CelValue::Bool(*truth),
        Value::Number(number) => self::number(&Node::default(), number),
        Value::String(content) => text(content),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(untyped).collect())),
        Value::Object(fields) => map(fields.iter().map(|(name, field)| (escape(name), untyped(field)))),
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn field_names_become_identifiers() {
        let cases = [
            ("plain", "plain"),
            ("snake_case", "snake_case"),
            ("a__b", "a__underscores__b"),
            ("a-b.c/d", "a__dash__b__dot__c__slash__d"),
            ("namespace", "__namespace__"),
            ("in", "__in__"),
        ];
        for (name, identifier) in cases {
            assert_eq!(escape(name), identifier);
        }
    }
}
