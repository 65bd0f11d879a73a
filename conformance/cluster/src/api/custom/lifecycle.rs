//! What follows from a `CustomResourceDefinition` being stored or deleted: the names are accepted, the kind is served, and at
//! the end its objects go before the definition does.
//!
//! The real server does this in controllers that take a moment; here it has happened when the request is answered, as a
//! revision of its own.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::clock::seconds;
use crate::api::metadata;
use crate::api::registry::{Resource, Source};
use crate::api::state::{Server, State};
use crate::api::store;
use crate::apply::{self, Operation, UpdateRequest};

/// The finalizer that holds a definition until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// A definition was stored: accept its names, establish it, serve it.
pub(crate) fn stored(state: &mut State, server: &Server, resource: &Arc<Resource>, definition: &Arc<Value>) {
    let mut established = definition.clone();
    if !metadata::is_terminating(definition) {
        let mut updated = Value::clone(definition);
        let conflict = name_conflict(state, definition);
        settle_status(&mut updated, conflict.as_deref(), &seconds(server.clock.now()));
        if updated != **definition {
            let request = UpdateRequest {
                manager: "kube-apiserver".into(),
                subresource: Some("status".into()),
                api_version: "apiextensions.k8s.io/v1".into(),
                now: seconds(server.clock.now()),
                operation: Operation::Update,
            };
            if let Some(version) = resource.versions.first() {
                apply::track(Some(definition), &mut updated, &request, &version.model);
            }
            established = state.store.put(&resource.collection, metadata::name(definition), updated);
        }
        if conflict.is_some() && !is_established(&established) {
            return;
        }
    }
    let kind = state.registry.insert(super::resource(&established));
    state.store.open(&kind.collection);
    complete_stored(state, &kind);
    state.openapi.clear();
}

/// Objects read with the defaults of the present schema, also those that were stored before it had them.
fn complete_stored(state: &mut State, kind: &Resource) {
    let Source::Custom(custom) = &kind.source else { return };
    let version = kind.version(&custom.storage_version).or(kind.versions.first());
    let Some(schema) = version.and_then(|version| version.schema.as_ref()) else { return };
    state.store.amend(&kind.collection, |object| {
        let mut completed = object.clone();
        schema.default(&mut completed);
        (completed != *object).then_some(completed)
    });
}

/// Marks a definition whose deletion begins.
pub(crate) fn mark(definition: &mut Value, now: &str) {
    let mut finalizers = metadata::finalizers(definition);
    finalizers.push(CLEANUP);
    definition["metadata"]["finalizers"] = json!(finalizers);
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    set_condition(&mut definition["status"], "Terminating", "True", "InstanceDeletionPending", message, now);
}

/// A definition is to be deleted: delete its objects, and the definition when none is left.
pub(crate) fn terminate(state: &mut State, server: &Server, name: &str) {
    let Some(definition) = state.store.object(DEFINITIONS, name) else { return };
    let spec = &definition["spec"];
    let (group, plural) =
        (spec["group"].as_str().unwrap_or_default(), spec["names"]["plural"].as_str().unwrap_or_default());
    let Some(resource) = state.registry.resource(group, plural).cloned() else {
        finish(state, server, name);
        return;
    };
    let objects: Vec<Arc<Value>> = state
        .store
        .collection(&resource.collection)
        .map(|collection| collection.objects().values().map(|object| object.value()).collect())
        .unwrap_or_default();
    for object in objects {
        if metadata::finalizers(&object).is_empty() {
            let key = store::key(metadata::namespace(&object), metadata::name(&object));
            state.store.remove(&resource.collection, &key);
        } else if !metadata::is_terminating(&object) {
            let mut dying = Value::clone(&object);
            dying["metadata"]["deletionTimestamp"] = seconds(server.clock.now()).into();
            dying["metadata"]["deletionGracePeriodSeconds"] = 0.into();
            let key = store::key(metadata::namespace(&object), metadata::name(&object));
            state.store.put(&resource.collection, &key, dying);
        }
    }
    instance_removed(state, server, &resource);
}

/// An object of a custom kind is gone: its definition may have waited for that.
pub(crate) fn instance_removed(state: &mut State, server: &Server, resource: &Arc<Resource>) {
    let Source::Custom(custom) = &resource.source else { return };
    let terminating =
        state.store.object(DEFINITIONS, &custom.definition).is_some_and(|stored| metadata::is_terminating(&stored));
    let empty = state.store.collection(&resource.collection).is_none_or(|collection| collection.objects().is_empty());
    if terminating && empty {
        finish(state, server, &custom.definition);
    }
}

/// A definition is gone: its kind is served no more.
pub(crate) fn removed(state: &mut State, definition: &Value) {
    let spec = &definition["spec"];
    if let (Some(group), Some(plural)) = (spec["group"].as_str(), spec["names"]["plural"].as_str()) {
        state.registry.remove(group, plural);
        state.openapi.clear();
    }
}

fn finish(state: &mut State, server: &Server, name: &str) {
    let Some(definition) = state.store.object(DEFINITIONS, name) else { return };
    let Some(resource) = state.registry.resource("apiextensions.k8s.io", "customresourcedefinitions").cloned() else {
        return;
    };
    let others = metadata::finalizers(&definition).into_iter().any(|finalizer| finalizer != CLEANUP);
    if others {
        let mut waiting = Value::clone(&definition);
        let kept: Vec<&str> =
            metadata::finalizers(&definition).into_iter().filter(|finalizer| *finalizer != CLEANUP).collect();
        waiting["metadata"]["finalizers"] = json!(kept);
        state.store.put(&resource.collection, name, waiting);
    } else {
        state.remove(server, &resource, &definition);
    }
}

/// Another definition of the group that already has one of the names.
fn name_conflict(state: &State, definition: &Value) -> Option<String> {
    let spec = &definition["spec"];
    let names = |definition: &Value| -> Vec<String> {
        let names = &definition["spec"]["names"];
        let singles = ["plural", "singular", "kind", "listKind"].into_iter().filter_map(|field| names[field].as_str());
        let short = names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        singles.chain(short).map(str::to_owned).collect()
    };
    let wanted = names(definition);
    let all = state.store.collection(DEFINITIONS)?;
    all.objects()
        .values()
        .map(|other| other.value())
        .filter(|other| {
            other["metadata"]["name"] != definition["metadata"]["name"]
                && other["spec"]["group"] == spec["group"]
                && is_established(other)
        })
        .find_map(|other| names(&other).into_iter().find(|name| wanted.contains(name)))
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

fn settle_status(definition: &mut Value, conflict: Option<&str>, now: &str) {
    let names = definition["spec"]["names"].clone();
    let status = &mut definition["status"];
    if let Some(name) = conflict {
        let message = format!("\"{name}\" is already in use");
        set_condition(status, "NamesAccepted", "False", "NameConflict", &message, now);
        if !status["conditions"].as_array().into_iter().flatten().any(|condition| condition["type"] == "Established") {
            set_condition(status, "Established", "False", "NotAccepted", "not all names are accepted", now);
        }
        return;
    }
    let mut accepted = names;
    if let Some(fields) = accepted.as_object_mut() {
        fields.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    }
    status["acceptedNames"] = accepted;
    set_condition(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now);
    set_condition(status, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted", now);
}

fn set_condition(status: &mut Value, kind: &str, value: &str, reason: &str, message: &str, now: &str) {
    let condition = json!({
        "type": kind, "status": value, "lastTransitionTime": now, "reason": reason, "message": message,
    });
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    match conditions.iter_mut().find(|existing| existing["type"] == kind) {
        Some(existing) if existing["status"] == value => {}
        Some(existing) => *existing = condition,
        None => conditions.push(condition),
    }
}
