//! Arguments of a tool that are repeated in headers, because the tool's schema says so with `x-mcp-header` (2026-07-28,
//! streamable HTTP, custom headers from tool parameters).

use super::header::PARAM_PREFIX;
use crate::jsonrpc::{Object, ParseError};
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

/// What a header can repeat.
pub const REPEATABLE: &str = "text, a boolean or an integer from -9007199254740991 to 9007199254740991";
/// The largest integer: up to it all are exact in a double, as which many decoders read them (2026-07-28, tools, `x-mcp-header`).
const LARGEST: i64 = (1 << 53) - 1;

/// An argument that no header can repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a header can repeat {REPEATABLE}")]
pub struct Unrepeatable;

impl Mirrored {
    /// The argument's value among those of a call; none for `null`, which is like none. What stands there twice, or but for
    /// case, is an error: header and body would differ.
    pub fn find<'a>(&self, arguments: &'a RawValue) -> Result<Option<&'a RawValue>, ParseError> {
        let mut value = Some(arguments);
        for name in &self.path {
            let Some(object) = value.filter(|value| value.get().starts_with('{')) else { return Ok(None) };
            value = Object::parse(object, "params.arguments", &[name])?.borrowed(name);
        }
        Ok(value.filter(|value| value.get() != "null"))
    }
}

/// The text that stands for an argument in its header.
pub fn text_of(argument: &RawValue) -> Result<String, Unrepeatable> {
    match argument.get() {
        text if text.starts_with('"') => serde_json::from_str(text).map_err(|_| Unrepeatable),
        flag @ ("true" | "false") => Ok(flag.to_owned()),
        number => integer_of(number).map(|integer| integer.to_string()).ok_or(Unrepeatable),
    }
}

/// Whether a header with this text repeats `argument`: integers are compared by value, everything else as it is.
pub fn is_same(text: &str, argument: &RawValue) -> bool {
    match argument.get() {
        other if other.starts_with(['"', 't', 'f']) => text_of(argument).is_ok_and(|repeated| repeated == text),
        number => integer_of(number).is_some_and(|integer| written(text) == Some(integer)),
    }
}

/// The integer that a JSON number is, if a header can repeat it.
fn integer_of(number: &str) -> Option<i64> {
    // One with an exponent or a fraction of zeros is shown as the integer that it is.
    let integer = number.parse().ok().or_else(|| number.parse::<f64>().ok()?.to_string().parse().ok())?;
    (-LARGEST..=LARGEST).contains(&integer).then_some(integer)
}

/// The integer that a header says: `42`, and `42.0` as well.
fn written(text: &str) -> Option<i64> {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_integer = !integer.starts_with('+') && !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    integer.parse().ok().filter(|_| is_integer)
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

    fn raw_text(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn integers_are_compared_by_value_and_everything_else_as_it_is() {
        for (text, argument, same) in [
            ("42", "42", true),
            ("42.0", "42", true),
            ("042", "42", true),
            ("42", "42.00", true),
            ("-7", "-7", true),
            ("0", "-0", true),
            ("100", "1e2", true),
            ("1e2", "100", false),
            ("43", "42", false),
            ("42.5", "42", false),
            ("+42", "42", false),
            ("42.", "42", false),
            ("", "0", false),
            ("NaN", "1", false),
            ("9007199254740991", "9007199254740991", true),
            ("-9007199254740991", "-9007199254740991", true),
            ("9007199254740992", "9007199254740991", false),
            ("true", "true", true),
            ("True", "true", false),
            ("a b", r#""a b""#, true),
            ("ü", r#""\u00fc""#, true),
            ("A", r#""a""#, false),
            ("42.0", r#""42""#, false),
        ] {
            assert_eq!(is_same(text, &raw_text(argument)), same, "{text} {argument}");
        }
    }

    #[test]
    fn what_decoders_read_differently_no_header_repeats() {
        for argument in [
            "9007199254740992",
            "-9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "1e24",
            "1e400",
            "1.5",
            r#""\ud800""#,
            "[1]",
            "{}",
        ] {
            assert_eq!(text_of(&raw_text(argument)), Err(Unrepeatable), "{argument}");
            assert!(!is_same(argument, &raw_text(argument)), "{argument}");
        }
    }

    #[test]
    fn an_argument_is_found_at_the_exact_path() {
        let mirrored = Mirrored { header: "mcp-param-a".parse().unwrap(), path: vec!["a".into(), "b".into()] };
        let find = |arguments: &str| {
            let arguments = raw_text(arguments);
            mirrored.find(&arguments).map(|found| found.map(|value| value.get().to_owned()))
        };
        assert_eq!(find(r#"{"a":{"b":1}}"#), Ok(Some("1".to_owned())));
        for arguments in ["{}", r#"{"a":1}"#, r#"{"a":{"b":null}}"#, r#"{"b":1}"#, "7"] {
            assert_eq!(find(arguments), Ok(None), "{arguments}");
        }
        for arguments in [r#"{"a":{"b":1,"b":2}}"#, r#"{"a":{"b":1},"A":{}}"#] {
            assert!(find(arguments).is_err(), "{arguments}");
        }
    }
}
