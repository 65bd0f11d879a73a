//! Values that are not what their keys hold, all of them at once: the parser stops at the first.
//!
//! The types are those of the schema that is derived from the Rust types. The parser has the last word, and takes more than a
//! schema says, such as a number for a text: this here only explains a document that it has refused.

use serde_json::Value;

use crate::{Duration, Violation, duration, position::child};

/// Every value of `document` that cannot be read by `schema`, and every required key that it lacks.
pub(crate) fn wrong_types(schema: &Value, document: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    judge(document, schema, "", &mut found);
    found
}

fn judge(value: &Value, schema: &Value, path: &str, found: &mut Vec<Violation>) {
    let expected = Expected::of(schema);
    match value {
        // Whoever leaves a value out means none where there may be none.
        Value::Null if expected.is("null") || !expected.is("string") => {}
        Value::Object(members) if expected.is("object") => {
            let known = schema.get("properties").and_then(Value::as_object);
            for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
            {
                if !members.contains_key(key) {
                    found.push(Violation::new(child(path, key), "required"));
                }
            }
            for (key, value) in members {
                let schema = known.and_then(|known| known.get(key)).or_else(|| schema.get("additionalProperties"));
                if let Some(schema) = schema {
                    judge(value, schema, &child(path, key), found);
                }
            }
        }
        Value::Array(items) if expected.is("array") => {
            for (index, item) in items.iter().enumerate() {
                judge(item, &schema["items"], &format!("{path}[{index}]"), found);
            }
        }
        _ => found.extend(expected.refusal(value).map(|message| Violation::new(path, message))),
    }
}

/// What a schema allows.
#[derive(Default)]
struct Expected<'a> {
    types: Vec<&'a str>,
    /// The only values, where there is a list of them.
    values: Vec<&'a str>,
    is_duration: bool,
}

impl<'a> Expected<'a> {
    fn of(schema: &'a Value) -> Self {
        let mut expected = Self::default();
        expected.add(schema);
        expected
    }

    fn add(&mut self, schema: &'a Value) {
        match &schema["type"] {
            Value::String(name) => self.types.push(name),
            Value::Array(names) => self.types.extend(names.iter().filter_map(Value::as_str)),
            _ => {}
        }
        self.values.extend(schema["const"].as_str());
        self.is_duration |= schema["pattern"] == duration::PATTERN;
        for one in ["anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten() {
            self.add(one);
        }
    }

    /// Whether values may be of this type. A schema without a type takes any.
    fn is(&self, name: &str) -> bool {
        self.types.is_empty() || self.types.contains(&name)
    }

    /// Why `value` cannot be read, if so. Only what is no secret is repeated.
    fn refusal(&self, value: &Value) -> Option<String> {
        let text = match value {
            Value::Object(_) | Value::Array(_) | Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let name = self.types.first()?;
        let wrong = || Some(format!("must be {}", described(name)));
        let Some(text) = text else { return wrong() };
        match *name {
            "string" if self.is_duration => text.parse::<Duration>().err().map(|error| error.to_string()),
            "string" if !self.values.is_empty() && !self.values.contains(&text.as_str()) => {
                let named: Vec<_> = self.values.iter().filter(|value| !value.is_empty()).copied().collect();
                let (last, others) = named.split_last()?;
                let before = if others.is_empty() { String::new() } else { format!("{} or ", others.join(", ")) };
                Some(format!("unknown value {text:?}: expected {before}{last}"))
            }
            "string" => None,
            "integer" if text.parse::<i64>().is_ok() => None,
            "boolean" if BOOLEANS.contains(&text.to_ascii_lowercase().as_str()) => None,
            _ => wrong(),
        }
    }
}

/// The words of YAML for true and false.
const BOOLEANS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "y", "n"];

fn described(name: &str) -> &str {
    match name {
        "object" => "a mapping of keys to values",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "boolean" => "true or false",
        other => other,
    }
}
