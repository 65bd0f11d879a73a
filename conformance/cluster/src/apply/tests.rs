//! Who owns what after which writes, in tables.
#![allow(clippy::unwrap_used, clippy::panic)]

mod builtins;
mod conflicts;
mod lists;
mod removal;
mod tracking;

use serde_json::{Value, json};

use super::{ApplyError, ApplyRequest, FieldSet, Operation, TypeModel, UpdateRequest, apply, track};

/// A type with every kind of container.
fn model() -> TypeModel {
    let text = json!({"type": "string"});
    TypeModel::from_schema(&json!({
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "color": text,
                    "labels": {"type": "object", "additionalProperties": text},
                    "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": text, "b": text}},
                    "nested": {"type": "object", "properties": {"a": text, "b": text}},
                    "atomic": {"type": "array", "items": text},
                    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
                    "parts": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["id"],
                        "items": {
                            "type": "object",
                            "required": ["id"],
                            "properties": {"id": text, "weight": {"type": "integer"}, "note": text},
                        },
                    },
                    "ports": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port", "protocol"],
                        "items": {
                            "type": "object",
                            "required": ["port"],
                            "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}, "name": text},
                        },
                    },
                    "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                },
            },
            "status": {"type": "object", "properties": {"phase": text}},
        },
    }))
    .with_status_subresource(true)
}

/// An object through its writes; each comes a second after the one before.
struct Story {
    model: TypeModel,
    object: Option<Value>,
    seconds: u32,
}

impl Story {
    fn new() -> Self {
        Self { model: model(), object: None, seconds: 0 }
    }

    fn now(&mut self) -> String {
        self.seconds += 1;
        format!("2026-01-01T00:00:{:02}Z", self.seconds)
    }

    fn try_apply(&mut self, manager: &str, force: bool, spec: &Value) -> Result<(), ApplyError> {
        let request = ApplyRequest {
            manager: manager.to_owned(),
            force,
            subresource: None,
            api_version: "example.com/v1".to_owned(),
            now: self.now(),
        };
        self.object = Some(apply(self.object.as_ref(), &object(spec), &request, &self.model)?);
        Ok(())
    }

    fn apply(mut self, manager: &str, spec: &Value) -> Self {
        self.try_apply(manager, false, spec).unwrap();
        self
    }

    fn force(mut self, manager: &str, spec: &Value) -> Self {
        self.try_apply(manager, true, spec).unwrap();
        self
    }

    /// Replaces the spec by an ordinary write.
    fn update(mut self, manager: &str, spec: &Value) -> Self {
        let mut new = self.object.clone().unwrap_or_else(|| object(&json!({})));
        new["spec"] = spec.clone();
        let request = self.update_request(manager, None);
        track(self.object.as_ref(), &mut new, &request, &self.model);
        self.object = Some(new);
        self
    }

    fn update_request(&mut self, manager: &str, subresource: Option<&str>) -> UpdateRequest {
        UpdateRequest {
            manager: manager.to_owned(),
            subresource: subresource.map(ToOwned::to_owned),
            api_version: "example.com/v1".to_owned(),
            now: self.now(),
            operation: Operation::Update,
        }
    }

    fn spec(&self) -> Value {
        self.object.as_ref().unwrap()["spec"].clone()
    }

    fn entries(&self) -> Vec<Value> {
        let managed = self.object.as_ref().unwrap()["metadata"].get("managedFields");
        managed.and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// The managers with what they own of the spec.
    fn owners(&self) -> Vec<(String, Value)> {
        let owner = |entry: &Value| {
            let name = format!("{} {}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap());
            (name, entry["fieldsV1"]["f:spec"].clone())
        };
        self.entries().iter().map(owner).collect()
    }

    /// The paths that a refused apply conflicts over.
    fn conflicts(mut self, manager: &str, spec: &Value) -> Vec<String> {
        match self.try_apply(manager, false, spec) {
            Err(ApplyError::Conflicts { conflicts, .. }) => {
                conflicts.into_iter().map(|conflict| format!("{}: {}", conflict.field, conflict.message)).collect()
            }
            other => panic!("expected conflicts, got {other:?}"),
        }
    }
}

fn object(spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"namespace": "n", "name": "a"}, "spec": spec})
}

fn owner(name: &str, fields: Value) -> (String, Value) {
    (name.to_owned(), fields)
}

#[test]
fn field_sets_decode_to_what_was_encoded() {
    let encoded = json!({
        "f:metadata": {"f:finalizers": {".": {}, "v:\"example.com/hold\"": {}}},
        "f:spec": {
            "f:list": {"i:0": {}, "k:{\"id\":\"a\",\"n\":1}": {".": {}, "f:id": {}}},
            "f:map": {".": {}, "f:a.b/c": {}},
            "f:size": {},
        },
    });
    let set = FieldSet::decode(&encoded);
    assert_eq!(set.encode(), encoded);
    assert_eq!(
        set.paths(),
        [
            ".metadata.finalizers",
            ".metadata.finalizers[=\"example.com/hold\"]",
            ".spec.map",
            ".spec.size",
            ".spec.list[0]",
            ".spec.list[id=\"a\",n=1]",
            ".spec.list[id=\"a\",n=1].id",
            ".spec.map.a.b/c",
        ],
    );
    assert!(FieldSet::decode(&json!({})).is_empty());
    assert!(FieldSet::decode(&json!("nonsense")).is_empty());
}
