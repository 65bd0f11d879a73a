//! Filling in placeholders.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Map, Value};

use crate::world::{Piece, pieces};

/// What placeholders stand for. One that has no value stands for nothing.
#[derive(Default)]
pub(super) struct Values {
    pub(super) arguments: Map<String, Value>,
    pub(super) headers: Arc<HeaderMap>,
    pub(super) subject: Option<String>,
    /// Variables of the template, and answers of the client.
    pub(super) named: Map<String, Value>,
}

impl Values {
    /// `text` with values in the place of placeholders.
    pub(super) fn text(&self, text: &str) -> String {
        if !text.contains("${") {
            return text.to_owned();
        }
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Argument(name) => push(&mut filled, self.arguments.get(name)),
                Piece::Header(name) => {
                    filled.push_str(self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default());
                }
                Piece::Subject => filled.push_str(self.subject.as_deref().unwrap_or_default()),
                Piece::Named { name, path } => {
                    let steps = path.split('.').filter(|step| !step.is_empty());
                    push(&mut filled, steps.fold(self.named.get(name), |value, step| member(value?, step)));
                }
            }
        }
        filled
    }

    /// `value` with each of its strings filled in.
    pub(super) fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(members) => Value::Object(self.object(members)),
            other => other.clone(),
        }
    }

    /// `members` with each of its strings filled in, but for the names.
    pub(super) fn object(&self, members: &Map<String, Value>) -> Map<String, Value> {
        members.iter().map(|(name, value)| (name.clone(), self.value(value))).collect()
    }
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Array(values) => values.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    }
}

/// A string as it is, anything else as JSON.
fn push(filled: &mut String, value: Option<&Value>) {
    match value {
        None => {}
        Some(Value::String(text)) => filled.push_str(text),
        Some(other) => filled.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_become_what_they_stand_for() {
        let mut values = Values { subject: Some("alice".to_owned()), ..Values::default() };
        values.arguments = json!({"city": "Oslo", "days": 3}).as_object().unwrap().clone();
        values.headers = Arc::new(HeaderMap::from_iter([(
            http::HeaderName::from_static("x-tenant-id"),
            "engineering".parse().unwrap(),
        )]));
        values.named = json!({"id": "7", "user": {"action": "accept", "content": {"roles": ["admin"]}}})
            .as_object()
            .unwrap()
            .clone();
        for (text, expected) in [
            ("${argument:city} for ${argument:days} days", "Oslo for 3 days"),
            ("${argument:absent}|${header:absent}|${user.content.absent}", "||"),
            ("${header:X-Tenant-ID} ${subject}", "engineering alice"),
            ("${user.content.roles.0}, ${user.content}, ${id}", "admin, {\"roles\":[\"admin\"]}, 7"),
            ("$${id}", "${id}"),
        ] {
            assert_eq!(values.text(text), expected, "{text}");
        }
        assert_eq!(values.value(&json!({"${id}": ["${id}", 1, null]})), json!({"${id}": ["7", 1, null]}));
    }
}
