//! Arguments of a tool that clients repeat in headers, because its schema says so with `x-mcp-header` (2026-07-28,
//! streamable-http, custom headers from tool parameters).

use http::HeaderName;
use serde_json::{Map, Value};

use super::headers::{decoded, single};
use super::refusal::Refusal;
use crate::wire::Received;

/// An argument that is repeated in a header.
#[derive(Debug, PartialEq)]
struct Mirrored {
    /// The header, as the schema spells it.
    header: String,
    /// Where the argument is.
    path: Vec<String>,
}

/// Whether each `Mcp-Param-*` header that the tool's schema asks for says what the arguments do.
pub(super) fn check(
    received: &Received,
    schema: &Map<String, Value>,
    arguments: &Map<String, Value>,
) -> Result<(), Refusal> {
    for Mirrored { header, path } in mirrored(schema) {
        let value = single(received, &header.to_ascii_lowercase(), &header)?;
        let value = value.map(|value| decoded(&header, &value)).transpose()?;
        let argument = find(arguments, &path).filter(|argument| !argument.is_null());
        match (value, argument) {
            (None, None) => {}
            (Some(_), None) => {
                return Err(Refusal::header_mismatch(format!(
                    "{header} was sent, but there is no argument `{}`",
                    path.join(".")
                )));
            }
            (None, Some(_)) => {
                return Err(Refusal::header_mismatch(format!(
                    "the header {header} is required with the argument `{}` and was not sent",
                    path.join(".")
                )));
            }
            (Some(value), Some(argument)) if is_same(&value, argument) => {}
            (Some(value), Some(argument)) => {
                return Err(Refusal::header_mismatch(format!(
                    "{header} is `{value}`, but the argument `{}` is {argument}",
                    path.join(".")
                )));
            }
        }
    }
    Ok(())
}

fn find<'a>(arguments: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(arguments.get(first)?, |value, name| value.get(name))
}

/// Text is compared as it is, numbers by their value.
fn is_same(header: &str, argument: &Value) -> bool {
    match argument {
        Value::String(text) => header == text,
        Value::Bool(flag) => header == if *flag { "true" } else { "false" },
        Value::Number(number) => {
            header == number.to_string() || header.parse().is_ok_and(|value: f64| number.as_f64() == Some(value))
        }
        _ => false,
    }
}

/// The arguments that a schema marks so that a client must heed it; where a mark breaks the rules, clients drop the tool.
fn mirrored(schema: &Map<String, Value>) -> Vec<Mirrored> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), schema)];
    while let Some((path, schema)) = open.pop() {
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let Some(property) = property.as_object() else { continue };
            let path: Vec<String> = path.iter().chain([name]).cloned().collect();
            let primitive =
                matches!(property.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean"));
            if let Some(mark) =
                property.get("x-mcp-header").and_then(Value::as_str).filter(|mark| primitive && !mark.is_empty())
            {
                let header = format!("Mcp-Param-{mark}");
                if HeaderName::from_bytes(header.as_bytes()).is_ok() {
                    found.push(Mirrored { header, path: path.clone() });
                }
            }
            open.push((path, property));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    #[test]
    fn marks_are_found_along_properties_alone() {
        let schema = json!({
            "properties": {
                "region": {"type": "string", "x-mcp-header": "Region"},
                "options": {"type": "object", "properties": {"deep": {"type": "boolean", "x-mcp-header": "Deep"}}},
                "list": {"type": "array", "items": {"type": "string", "x-mcp-header": "Item"}},
                "share": {"type": "number", "x-mcp-header": "Share"},
                "odd": {"type": "string", "x-mcp-header": "not a token"},
                "empty": {"type": "string", "x-mcp-header": ""},
            },
            "anyOf": [{"properties": {"other": {"type": "string", "x-mcp-header": "Other"}}}],
        });
        let mut headers: Vec<String> = mirrored(schema.as_object().unwrap())
            .into_iter()
            .map(|found| format!("{}={}", found.header, found.path.join(".")))
            .collect();
        headers.sort_unstable();
        assert_eq!(headers, ["Mcp-Param-Deep=options.deep", "Mcp-Param-Region=region"]);
    }

    #[test]
    fn numbers_are_compared_by_value_and_text_as_it_is() {
        for (header, argument) in
            [("42", json!(42)), ("42.0", json!(42)), ("-7", json!(-7)), ("true", json!(true)), ("a b", json!("a b"))]
        {
            assert!(is_same(header, &argument), "{header}");
        }
        for (header, argument) in [
            ("43", json!(42)),
            ("", json!(0)),
            ("True", json!(true)),
            ("A", json!("a")),
            ("1", json!([1])),
            ("NaN", json!(1)),
        ] {
            assert!(!is_same(header, &argument), "{header}");
        }
    }
}
