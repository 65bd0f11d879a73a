//! The fields of a spec, as its schema lists them.
//!
//! A path is written as in `headerForward.addHeadersFromSecret[].headerName`: `[]` stands for the items of a list, `{}` for
//! the values of a map.

use std::fmt;

use serde_json::{Value, json};

/// Where a field is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// A property.
    Name(String),
    /// The items of a list.
    Item,
    /// The values of a map.
    Entry,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.replace("[]", ".[]").replace("{}", ".{}");
        let step = |part: &str| match part {
            "[]" => Step::Item,
            "{}" => Step::Entry,
            name => Step::Name(name.to_owned()),
        };
        Self(text.split('.').filter(|part| !part.is_empty()).map(step).collect())
    }

    fn with(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// Whether `other` is this field or a part of it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// What the field may be, by the schema of the spec.
    pub(crate) fn schema<'a>(&self, spec: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(spec, |schema, step| match step {
            Step::Name(name) => schema["properties"].get(name),
            Step::Item => schema.get("items"),
            Step::Entry => schema.get("additionalProperties"),
        })
    }

    /// What the field is in `spec`: the first item of a list, and the first value of a map.
    pub(crate) fn value<'a>(&self, spec: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(spec, |value, step| match step {
            Step::Name(name) => value.get(name),
            Step::Item => value.get(0),
            Step::Entry => value.as_object()?.values().next(),
        })
    }

    /// Makes the field `new` in `spec`, with what it takes to be there.
    pub(crate) fn set(&self, spec: &mut Value, new: Value) {
        let place = self.0.iter().fold(spec, |value, step| match step {
            Step::Name(name) => {
                if value.is_null() {
                    *value = json!({});
                }
                &mut value[name]
            }
            Step::Item => {
                if value.as_array().is_none_or(Vec::is_empty) {
                    *value = json!([null]);
                }
                &mut value[0]
            }
            Step::Entry => {
                if value.as_object().is_none_or(serde_json::Map::is_empty) {
                    *value = json!({"key": null});
                }
                value.as_object_mut().into_iter().flat_map(|map| map.values_mut()).next().unwrap()
            }
        });
        *place = new;
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) if index == 0 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Item => f.write_str("[]")?,
                Step::Entry => f.write_str("{}")?,
            }
        }
        Ok(())
    }
}

/// The fields of `spec`, a schema, that have no fields of their own.
pub(crate) fn leaves(spec: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    walk(spec, &Path::default(), &mut found);
    found
}

fn walk(schema: &Value, path: &Path, found: &mut Vec<Path>) {
    if let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) {
        for (name, property) in properties {
            walk(property, &path.with(Step::Name(name.clone())), found);
        }
    } else if let Some(items) = schema.get("items") {
        walk(items, &path.with(Step::Item), found);
    } else if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        walk(values, &path.with(Step::Entry), found);
    } else {
        found.push(path.clone());
    }
}

/// Another value than `current` for a field with this schema; `None` when the schema alone does not tell one.
pub(crate) fn other(schema: &Value, current: &Value) -> Option<Value> {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().find(|value| *value != current).filter(|_| values.len() > 1).cloned();
    }
    match schema["type"].as_str()? {
        "boolean" => Some(json!(!current.as_bool().unwrap_or_default())),
        "integer" => {
            let number = current.as_i64().or_else(|| schema["minimum"].as_i64()).unwrap_or_default();
            Some(json!(number + 1))
        }
        "string" if schema["pattern"].is_null() && schema["format"].is_null() => {
            Some(current.as_str().map_or_else(|| json!("another"), |text| json!(format!("another-{text}"))))
        }
        _ => None,
    }
}
