//! Steps that write and read Kubernetes objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::Target;
use crate::expression::Expression;

/// A file or an object.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A manifest file, relative to the scenario's.
    File(String),
    /// An object in place.
    Object(Value),
}

/// Which part of an object a write concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subresource {
    /// `/status`
    Status,
}

/// Creates or updates objects, as `kubectl apply` does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The files and objects.
    #[serde(rename = "apply", deserialize_with = "one_or_many")]
    pub what: Vec<What>,
    /// Whether `${...}` is replaced in files too.
    #[serde(default)]
    pub substitute: bool,
    /// Merge patches by `kind/name`.
    #[serde(default)]
    pub edit: BTreeMap<String, Value>,
    /// Only these objects.
    #[serde(default)]
    pub only: Vec<String>,
    /// Writes a subresource instead.
    pub subresource: Option<Subresource>,
    /// `Strict` (default), `Warn` or `Ignore`.
    pub validation: Option<Validation>,
    /// Must be rejected, so that this holds.
    pub rejected: Option<Expression>,
    /// Must hold of the warnings.
    pub warnings: Option<Expression>,
    /// Must hold of the returned object.
    pub expect: Option<Expression>,
}

/// What the API server does about unknown fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Validation {
    /// Refuses them.
    #[default]
    Strict,
    /// Warns.
    Warn,
    /// Drops them in silence.
    Ignore,
}

/// Patches one object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// `kind/name`
    #[serde(rename = "patch")]
    pub object: Target,
    /// A JSON merge patch.
    pub merge: Option<Value>,
    /// A JSON patch.
    pub json: Option<Value>,
    /// Writes a subresource instead.
    pub subresource: Option<Subresource>,
    /// What the API server does about unknown fields.
    pub validation: Option<Validation>,
    /// Must be rejected, so that this holds.
    pub rejected: Option<Expression>,
    /// Must hold of the warnings.
    pub warnings: Option<Expression>,
    /// Must hold of the returned object.
    pub expect: Option<Expression>,
}

/// Deletes objects.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// `kind/name`, or `kind` with a selector.
    #[serde(rename = "delete")]
    pub object: Target,
    /// A label selector.
    pub selector: Option<String>,
    /// Whether to wait until they are gone.
    #[serde(default = "yes")]
    pub wait: bool,
}

/// Watches until something holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// `kind/name`, or `kind` for a list.
    #[serde(rename = "wait")]
    pub object: Target,
    /// A label selector, for lists.
    pub selector: Option<String>,
    /// What must become true.
    pub until: Until,
    /// Only versions written after the last change.
    #[serde(default)]
    pub fresh: bool,
    /// What must then hold of the same version.
    pub expect: Option<Expression>,
}

/// A condition, or that the object is not there.
#[derive(Clone, Debug)]
pub enum Until {
    /// The object is not there.
    Gone,
    /// This holds.
    Holds(Expression),
}

/// Looks once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// `kind/name`, or `kind` for a list.
    #[serde(rename = "expect")]
    pub object: Target,
    /// A label selector, for lists.
    pub selector: Option<String>,
    /// What must hold, or `absent`.
    pub that: Option<Until>,
    /// Looks again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expression = Expression::deserialize(deserializer)?;
        Ok(match expression.text.as_str() {
            "gone" | "absent" => Self::Gone,
            _ => Self::Holds(expression),
        })
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<What>, D::Error> {
    let one = |value| match value {
        Value::String(file) => Ok(What::File(file)),
        Value::Object(_) => Ok(What::Object(value)),
        _ => Err(de::Error::custom("a file name or an object is expected")),
    };
    match Value::deserialize(deserializer)? {
        Value::Array(items) if items.is_empty() => Err(de::Error::custom("at least one file or object is expected")),
        Value::Array(items) => items.into_iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn yes() -> bool {
    true
}
