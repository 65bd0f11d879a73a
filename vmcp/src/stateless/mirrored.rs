//! Arguments of a tool that are repeated in headers, because the tool's schema says so with `x-mcp-header` (2026-07-28,
//! streamable HTTP, custom headers from tool parameters).

use super::header::PARAM_PREFIX;
use http::HeaderName;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// The keyword.
const MARK: &str = "x-mcp-header";

/// An argument that is repeated in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// The header.
    pub header: HeaderName,
    /// The names that lead to the argument, from the outermost.
    pub path: Vec<String>,
}

/// What is wrong with the marks of a schema: clients leave such a tool out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// The schema is not a JSON object.
    #[error("the schema is not an object")]
    NotASchema,
    /// The value is not the end of a header's name.
    #[error("x-mcp-header {0} is not a token")]
    NotAToken(String),
    /// Two arguments have one header.
    #[error("x-mcp-header {0:?} stands at two properties")]
    Twice(String),
    /// An argument that is no string, integer or boolean.
    #[error("x-mcp-header {0:?} stands at a property that is not a string, an integer or a boolean")]
    NotPrimitive(String),
    /// The mark is not reached by properties alone.
    #[error("x-mcp-header stands where arguments are not named by properties alone")]
    Unreachable,
}

impl Mirrored {
    /// The argument's value; none for `null`, which is like none.
    pub fn find<'a>(&self, arguments: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.path.split_first()?;
        let found = rest.iter().try_fold(arguments.get(first)?, |value, name| value.get(name))?;
        Some(found).filter(|value| !value.is_null())
    }
}

/// The text that stands for an argument in its header; none for what can have no header.
pub fn text_of(argument: &Value) -> Option<String> {
    match argument {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a header with this text repeats `argument`: numbers are compared by value, everything else as it is.
pub fn is_same(text: &str, argument: &Value) -> bool {
    match argument {
        Value::Number(number) => {
            text == number.to_string()
                || (text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'.'))
                    && text.parse().is_ok_and(|value: f64| number.as_f64() == Some(value)))
        }
        other => text_of(other).as_deref() == Some(text),
    }
}

/// The arguments that the input schema of a tool marks.
pub fn mirrored(schema: &RawValue) -> Result<Vec<Mirrored>, MarkError> {
    // Most schemas mark nothing, and need not be read.
    if !schema.get().contains(MARK) {
        return Ok(Vec::new());
    }
    let schema: Map<String, Value> = serde_json::from_str(schema.get()).map_err(|_| MarkError::NotASchema)?;
    let mut found = Vec::new();
    collect(&schema, &mut Vec::new(), &mut found)?;
    let mut seen = HashSet::new();
    match found.iter().find(|mirrored| !seen.insert(mirrored.header.clone())) {
        Some(twice) => Err(MarkError::Twice(twice.header.as_str()[PARAM_PREFIX.len()..].to_owned())),
        None => Ok(found),
    }
}

/// Collects the marks of a schema that is reached by `path`.
fn collect(schema: &Map<String, Value>, path: &mut Vec<String>, found: &mut Vec<Mirrored>) -> Result<(), MarkError> {
    if let Some(mark) = schema.get(MARK) {
        found.push(marked(mark, schema, path)?);
    }
    for (keyword, value) in schema {
        match value {
            Value::Object(properties) if keyword == "properties" => {
                for (name, property) in properties {
                    let Value::Object(property) = property else { continue };
                    path.push(name.clone());
                    collect(property, path, found)?;
                    path.pop();
                }
            }
            // What follows is data, not a schema.
            _ if matches!(keyword.as_str(), "const" | "default" | "enum" | "examples") => {}
            other if has_mark(other) => return Err(MarkError::Unreachable),
            _ => {}
        }
    }
    Ok(())
}

fn marked(mark: &Value, schema: &Map<String, Value>, path: &[String]) -> Result<Mirrored, MarkError> {
    let name = mark.as_str().filter(|name| !name.is_empty());
    let header = name.and_then(|name| HeaderName::from_bytes(format!("{PARAM_PREFIX}{name}").as_bytes()).ok());
    let (Some(name), Some(header)) = (name, header) else { return Err(MarkError::NotAToken(mark.to_string())) };
    if path.is_empty() {
        return Err(MarkError::Unreachable);
    }
    if !matches!(schema.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
        return Err(MarkError::NotPrimitive(name.to_owned()));
    }
    Ok(Mirrored { header, path: path.to_vec() })
}

fn has_mark(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.contains_key(MARK) || members.values().any(has_mark),
        Value::Array(items) => items.iter().any(has_mark),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jsonrpc::raw;
    use serde_json::json;

    fn found(schema: &Value) -> Result<Vec<String>, MarkError> {
        let mut found: Vec<_> = mirrored(&raw(schema))?
            .into_iter()
            .map(|mirrored| format!("{}={}", mirrored.header, mirrored.path.join(".")))
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    #[test]
    fn marks_are_followed_along_properties() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "query": {"type": "string", "default": {"x-mcp-header": "data"}},
            "options": {"type": "object", "properties": {"deep": {"type": "boolean", "x-mcp-header": "Deep-1"}}},
        }});
        assert_eq!(found(&schema).unwrap(), ["mcp-param-deep-1=options.deep", "mcp-param-region=region"]);
        assert_eq!(found(&json!({"type": "object"})).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_mark_that_breaks_a_rule_spoils_the_tool() {
        let property = |property: Value| json!({"type": "object", "properties": {"a": property}});
        let string = |mark: Value| property(json!({"type": "string", "x-mcp-header": mark}));
        for (schema, error) in [
            (string(json!("")), MarkError::NotAToken("\"\"".to_owned())),
            (string(json!("a b")), MarkError::NotAToken("\"a b\"".to_owned())),
            (string(json!(1)), MarkError::NotAToken("1".to_owned())),
            (property(json!({"type": "number", "x-mcp-header": "A"})), MarkError::NotPrimitive("A".to_owned())),
            (property(json!({"x-mcp-header": "A"})), MarkError::NotPrimitive("A".to_owned())),
            (property(json!({"type": "array", "items": {"x-mcp-header": "A"}})), MarkError::Unreachable),
            (json!({"anyOf": [{"properties": {"a": {"x-mcp-header": "A"}}}]}), MarkError::Unreachable),
            (json!({"type": "string", "x-mcp-header": "A"}), MarkError::Unreachable),
            (
                json!({"properties": {
                    "a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"},
                }}),
                MarkError::Twice("a".to_owned()),
            ),
        ] {
            assert_eq!(found(&schema), Err(error), "{schema}");
        }
        assert_eq!(mirrored(&raw("x-mcp-header")), Err(MarkError::NotASchema));
    }

    #[test]
    fn numbers_are_compared_by_value_and_everything_else_as_it_is() {
        for (text, argument, same) in [
            ("42", json!(42), true),
            ("42.0", json!(42), true),
            ("-7", json!(-7), true),
            ("43", json!(42), false),
            ("", json!(0), false),
            ("NaN", json!(1), false),
            ("true", json!(true), true),
            ("True", json!(true), false),
            ("a b", json!("a b"), true),
            ("A", json!("a"), false),
            ("1", json!([1]), false),
        ] {
            assert_eq!(is_same(text, &argument), same, "{text} {argument}");
        }
    }

    #[test]
    fn an_argument_is_found_at_the_exact_path() {
        let mirrored = Mirrored { header: "mcp-param-a".parse().unwrap(), path: vec!["a".into(), "b".into()] };
        let find = |arguments: Value| mirrored.find(arguments.as_object().unwrap()).cloned();
        assert_eq!(find(json!({"a": {"b": 1}})), Some(json!(1)));
        for arguments in [json!({}), json!({"a": 1}), json!({"a": {"b": null}}), json!({"b": 1})] {
            assert_eq!(find(arguments), None);
        }
    }
}
