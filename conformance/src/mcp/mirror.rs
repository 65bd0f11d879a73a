//! Values that requests of revision 2026-07-28 repeat in headers: how they are written there, and which arguments of a tool
//! are repeated because its schema says so with `x-mcp-header`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// An argument that is repeated in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mirrored {
    /// The header, in lower case.
    header: String,
    /// Where the argument is.
    path: Vec<String>,
}

impl Mirrored {
    /// The header for these arguments; none for one that is absent or null.
    pub(super) fn header(&self, arguments: &Value) -> Option<(String, String)> {
        let argument = self.path.iter().try_fold(arguments, |value, name| value.get(name))?;
        let value = match argument {
            Value::String(text) => header_value(text),
            Value::Bool(_) | Value::Number(_) => argument.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((self.header.clone(), value))
    }
}

/// The arguments that a tool's schema marks.
pub(super) fn mirrored(schema: &Value) -> Vec<Mirrored> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), schema)];
    while let Some((path, schema)) = open.pop() {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path: Vec<String> = path.iter().chain([name]).cloned().collect();
            if let Some(mark) = property["x-mcp-header"].as_str() {
                found.push(Mirrored { header: format!("mcp-param-{}", mark.to_ascii_lowercase()), path: path.clone() });
            }
            open.push((path, property));
        }
    }
    found
}

/// A text as the value of a header: itself, or Base64 of it where a header could not carry it unchanged.
pub(super) fn header_value(text: &str) -> String {
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim_matches(' ') == text;
    let looks_encoded = text.starts_with("=?base64?") && text.ends_with("?=");
    if plain && !looks_encoded { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_that_a_header_would_change_is_encoded() {
        for (text, value) in [
            ("us-west1", "us-west1"),
            ("two words", "two words"),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("a\nb", "=?base64?YQpi?="),
        ] {
            assert_eq!(header_value(text), value, "{text}");
        }
    }

    #[test]
    fn arguments_are_found_along_properties_and_absent_ones_have_no_header() {
        let schema = json!({"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "options": {"type": "object", "properties": {"deep": {"type": "boolean", "x-mcp-header": "Deep"}}},
            "count": {"type": "integer", "x-mcp-header": "Count"},
        }});
        let arguments = json!({"options": {"deep": true}, "count": 7, "region": null});
        let mut headers: Vec<_> = mirrored(&schema).iter().filter_map(|mirrored| mirrored.header(&arguments)).collect();
        headers.sort_unstable();
        let pairs = |(name, value): &(String, String)| format!("{name}={value}");
        let headers: Vec<String> = headers.iter().map(pairs).collect();
        assert_eq!(headers, ["mcp-param-count=7", "mcp-param-deep=true"]);
    }
}
