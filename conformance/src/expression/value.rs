//! JSON to CEL and back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kube_cel::cel::Context;
use kube_cel::cel::Value as Cel;
use kube_cel::cel::objects::{Key, Map};
use serde_json::{Number, Value};

/// What an expression may name.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<String, Value>);

impl Variables {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds or replaces a variable.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// Makes those that are named known to a context.
    pub(super) fn enter(&self, names: &BTreeSet<String>, context: &mut Context<'_>) {
        for name in names {
            if let Some(value) = self.0.get(name) {
                context.add_variable_from_value(name.clone(), to_cel(value));
            }
        }
    }
}

/// A JSON value for CEL. Whole numbers become `int`, so that literals in expressions compare with them.
pub(super) fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => number
            .as_i64()
            .map(Cel::Int)
            .or_else(|| number.as_u64().map(Cel::UInt))
            .unwrap_or_else(|| Cel::Float(number.as_f64().unwrap_or(f64::NAN))),
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(entries) => {
            let map: HashMap<Key, Cel> =
                entries.iter().map(|(name, value)| (Key::String(Arc::new(name.clone())), to_cel(value))).collect();
            Cel::Map(Map { map: Arc::new(map) })
        }
    }
}

/// A CEL value as JSON, when it is one.
pub(super) fn to_json(value: &Cel) -> Option<Value> {
    Some(match value {
        Cel::Null => Value::Null,
        Cel::Bool(value) => Value::Bool(*value),
        Cel::Int(number) => Value::Number((*number).into()),
        Cel::UInt(number) => Value::Number((*number).into()),
        Cel::Float(number) => Value::Number(Number::from_f64(*number)?),
        Cel::String(text) => Value::String(text.to_string()),
        Cel::List(items) => Value::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        Cel::Map(map) => Value::Object(
            map.map.iter().map(|(key, value)| Some((key.to_string(), to_json(value)?))).collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}
