//! Keys that the configuration does not have.
//!
//! The known keys are those of the schema that is derived from the types, so that the list cannot go stale.

use std::sync::LazyLock;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::{Config, position::child};

/// The schema of [`Config`].
pub(crate) static SCHEMA: LazyLock<Value> = LazyLock::new(schema_of::<Config>);

/// The schema of `T`, with every definition in its place.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
        .into()
}

/// A key that the configuration does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// Path of the key, such as `incomingAuth.oidc.audienc`.
    pub path: String,
    /// The known key that it resembles most, when one is near.
    pub nearest: Option<String>,
}

impl UnknownKey {
    /// The sentence that tells the user.
    pub fn message(&self) -> String {
        match &self.nearest {
            Some(nearest) => format!("unknown key, did you mean {nearest:?}?"),
            None => "unknown key".to_owned(),
        }
    }
}

/// Every key in `config` that [`Config`] does not know.
pub fn unknown_keys(config: &Value) -> Vec<UnknownKey> {
    unknown_to(&SCHEMA, config)
}

/// Every key in `value` that `schema` does not know.
pub(crate) fn unknown_to(schema: &Value, value: &Value) -> Vec<UnknownKey> {
    let mut unknown = Vec::new();
    compare(value, schema, "", &mut unknown);
    unknown
}

fn compare(value: &Value, schema: &Value, path: &str, unknown: &mut Vec<UnknownKey>) {
    match value {
        Value::Object(members) => {
            let Some(known) = schema.get("properties").and_then(Value::as_object) else {
                if let Some(schema) = schema.get("additionalProperties") {
                    for (key, value) in members {
                        compare(value, schema, &child(path, key), unknown);
                    }
                }
                return;
            };
            for (key, value) in members {
                let path = child(path, key);
                match known.get(key) {
                    Some(schema) => compare(value, schema, &path, unknown),
                    None => unknown.push(UnknownKey { path, nearest: nearest(key, known) }),
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    compare(item, schema, &format!("{path}[{index}]"), unknown);
                }
            }
        }
        _ => {}
    }
}

/// The known key with the smallest distance to `key`, when it is small enough to be a slip.
fn nearest(key: &str, known: &Map<String, Value>) -> Option<String> {
    let lower = key.to_lowercase();
    known
        .keys()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .map(|(_, candidate)| candidate.clone())
}
