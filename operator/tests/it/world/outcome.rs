//! What the operator made of a set of objects, as values by place, so that two outcomes can be compared.
//!
//! A place is `Kind/name path`. The path of one of our objects is in its status, a condition being called by its type
//! alone: `MCPRemoteProxy/a phase`, `MCPRemoteProxy/a Ready` (whose value is status and reason) and
//! `MCPRemoteProxy/a Ready message`. The path of an object that the operator wrote is in that object, and goes on into the
//! files of a ConfigMap: `ConfigMap/a-runconfig data.runconfig.json.url`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    admission::definition,
    store::{Id, Objects},
};

/// What stands at each place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Outcome(BTreeMap<String, Value>);

impl Outcome {
    /// What stands at `place`; null when nothing does.
    pub(crate) fn at(&self, place: &str) -> &Value {
        self.0.get(place).unwrap_or(&Value::Null)
    }

    /// What stands at every place below `object`.
    pub(crate) fn of(&self, object: &Id) -> impl Iterator<Item = (&str, &Value)> {
        let object = object.to_string();
        self.iter().filter(move |(place, _)| place.split(' ').next() == Some(&object))
    }

    /// What stands at every place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(place, value)| (place.as_str(), value))
    }
}

/// The places where the outcomes differ, with both values.
pub(crate) fn difference<'a>(before: &'a Outcome, after: &'a Outcome) -> BTreeMap<&'a str, (&'a Value, &'a Value)> {
    let places: BTreeSet<_> = before.0.keys().chain(after.0.keys()).map(String::as_str).collect();
    let values = places.into_iter().map(|place| (place, (before.at(place), after.at(place))));
    values.filter(|(_, (before, after))| before != after).collect()
}

/// The outcome that `objects` show.
pub(crate) fn of(objects: &Objects) -> Outcome {
    let mut outcome = Outcome::default();
    for (id, object) in objects.iter() {
        if definition(&id.kind).is_some() {
            outcome.status(&id.to_string(), &object["status"]);
            outcome.add(&id.to_string(), "metadata.finalizers", &object["metadata"]["finalizers"]);
        } else if object["metadata"]["ownerReferences"].is_array() {
            outcome.owned(&id.to_string(), object);
        }
    }
    outcome
}

impl Outcome {
    fn status(&mut self, object: &str, status: &Value) {
        for (key, value) in status.as_object().into_iter().flatten() {
            match key.as_str() {
                "conditions" => value.as_array().into_iter().flatten().for_each(|found| self.condition(object, found)),
                // They say that a spec changed, and not to what.
                hash if hash.ends_with("Hash") => {}
                "observedGeneration" => {}
                _ => self.add(object, key, value),
            }
        }
    }

    fn condition(&mut self, object: &str, condition: &Value) {
        let text = |key: &str| condition[key].as_str().unwrap_or_default();
        let kind = text("type");
        self.0.insert(format!("{object} {kind}"), format!("{} {}", text("status"), text("reason")).into());
        self.0.insert(format!("{object} {kind} message"), text("message").into());
    }

    fn owned(&mut self, object: &str, value: &Value) {
        let mut value = value.clone();
        for (key, text) in value["data"].as_object_mut().into_iter().flatten() {
            if matches!(key.rsplit_once('.'), Some((_, "json" | "yaml"))) {
                *text = serde_saphyr::from_str(text.as_str().unwrap_or_default()).unwrap();
            }
        }
        for place in ["metadata", "spec/template/metadata"] {
            let Some(metadata) = value.pointer_mut(&format!("/{place}")).and_then(Value::as_object_mut) else {
                continue;
            };
            metadata.retain(|key, _| matches!(key.as_str(), "labels" | "annotations"));
            let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
            if let Some(annotations) = annotations {
                annotations.retain(|key, _| !key.ends_with("/config-checksum"));
            }
        }
        for (key, value) in value.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "apiVersion" | "kind" | "status") {
                self.add(object, key, value);
            }
        }
        self.0.insert(object.to_owned(), true.into());
    }

    /// Adds what `value` says, which stands at `path`.
    fn add(&mut self, object: &str, path: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Object(members) => {
                members.iter().for_each(|(key, member)| self.add(object, &format!("{path}.{key}"), member));
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(object, &format!("{path}[{index}]"), item);
                }
            }
            value => {
                self.0.insert(format!("{object} {path}"), value.clone());
            }
        }
    }
}
