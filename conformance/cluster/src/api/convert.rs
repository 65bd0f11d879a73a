//! Between the stored form of an object and the version that a client asked for.

use std::sync::Arc;

use serde_json::Value;

use super::builtin::events;
use super::object::Object;
use super::registry::{Resource, Version};

/// A stored object in a version.
///
/// The versions of a custom resource share one schema's shape (conversion strategy `None`): only `apiVersion` differs.
pub(crate) fn to_version(resource: &Resource, version: &Version, stored: &Arc<Value>) -> Arc<Value> {
    let api_version = resource.api_version(version);
    if stored["apiVersion"] == api_version.as_str() {
        return stored.clone();
    }
    let mut object = Value::clone(stored);
    if resource.plural == "events" && resource.group == events::NEW_GROUP {
        events::to_new(&mut object);
    }
    object["apiVersion"] = api_version.into();
    Arc::new(object)
}

/// A stored object in the fields of a version; its type is told when it is written out.
pub(crate) fn to_fields_of(resource: &Resource, version: &Version, stored: &Arc<Object>) -> Arc<Object> {
    if resource.plural == "events" && resource.group == events::NEW_GROUP {
        return Arc::new(Object::new(to_version(resource, version, &stored.value())));
    }
    stored.clone()
}

/// An object of a version in the form in which it is stored.
pub(crate) fn to_stored(resource: &Resource, mut object: Value) -> Value {
    if resource.plural == "events" && resource.group == events::NEW_GROUP {
        events::to_core(&mut object);
    }
    object["apiVersion"] = resource.storage_api_version().into();
    object
}
