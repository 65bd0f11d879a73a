//! Choosing entries by what they hold.

use std::str::FromStr;

use schemars::schema_for;
use serde_json::Value;
use thiserror::Error;

use super::JournalEntry;

/// What an entry must hold, as `PATH=VALUE`, `PATH!=VALUE` or `PATH`, e.g. `method=tools/call`, `token.subject=alice`,
/// `headers.x-tenant-id` or `faults=latency`.
///
/// The path leads through the entry's JSON form. A value is compared as text; a list holds it if one of its items is it. A
/// path alone asks for anything but null and an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    path: Vec<String>,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Anything,
    Value(String),
    AnotherThan(String),
}

/// Why a text is no [`Condition`].
#[derive(Debug, Error)]
pub enum ConditionError {
    /// No entry has the key.
    #[error("journal entries have no `{key}`: expected one of {known}")]
    UnknownKey {
        /// The first key of the path.
        key: String,
        /// The keys that there are.
        known: String,
    },
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let (path, wanted) = match text.split_once('=') {
            None => (text, Wanted::Anything),
            Some((path, value)) => match path.strip_suffix('!') {
                Some(path) => (path, Wanted::AnotherThan(value.to_owned())),
                None => (path, Wanted::Value(value.to_owned())),
            },
        };
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let schema = schema_for!(JournalEntry);
        let known = schema.get("properties").and_then(Value::as_object);
        match (path.first(), known) {
            (Some(key), Some(known)) if !known.contains_key(key) => {
                let known = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(ConditionError::UnknownKey { key: key.clone(), known })
            }
            _ => Ok(Self { path, wanted }),
        }
    }
}

impl JournalEntry {
    /// Whether all conditions hold.
    #[must_use]
    pub fn holds(&self, conditions: &[Condition]) -> bool {
        if conditions.is_empty() {
            return true;
        }
        // Every part of an entry has a JSON form.
        let entry = serde_json::to_value(self).unwrap_or_default();
        conditions.iter().all(|condition| condition.holds(&entry))
    }
}

impl Condition {
    fn holds(&self, entry: &Value) -> bool {
        let found = self.path.iter().try_fold(entry, |value, key| match value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => value.get(key),
        });
        let found = found.filter(|value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()));
        match &self.wanted {
            Wanted::Anything => found.is_some(),
            Wanted::Value(wanted) => found.is_some_and(|found| is(found, wanted)),
            Wanted::AnotherThan(unwanted) => !found.is_some_and(|found| is(found, unwanted)),
        }
    }
}

fn is(found: &Value, wanted: &str) -> bool {
    match found {
        Value::String(text) => text == wanted,
        Value::Array(items) => items.iter().any(|item| is(item, wanted)),
        other => {
            let text = other.to_string();
            text == wanted
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_look_at_texts_numbers_and_lists() {
        let entry = json!({"method": "tools/call", "response": {"status": 503}, "faults": ["latency", "reset"], "token": null, "form": []});
        let holds = |text: &str| text.parse::<Condition>().unwrap().holds(&entry);
        for text in [
            "method=tools/call",
            "response.status=503",
            "faults=reset",
            "faults.0=latency",
            "method",
            "method!=ping",
            "token!=x",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in ["method=ping", "response.status!=503", "faults=stall", "token", "form", "token.subject=alice"] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn a_key_that_no_entry_has_is_refused() {
        let refused = "status=503".parse::<Condition>().unwrap_err().to_string();
        assert!(refused.starts_with("journal entries have no `status`: expected one of "), "{refused}");
    }
}
