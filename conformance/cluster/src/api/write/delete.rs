//! Delete and deletecollection: preconditions, finalizers, propagation, grace.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::api::body;
use crate::api::call::Call;
use crate::api::clock::seconds;
use crate::api::custom;
use crate::api::metadata::{self, FOREGROUND, ORPHAN};
use crate::api::options::{DeleteOptions, Propagation};
use crate::api::read::{self, Page};
use crate::api::state::State;
use crate::api::status::{self, ApiError, ApiResult};

/// What a deletion answers.
pub(crate) enum Deleted {
    /// The object is gone: a `Status`.
    Gone(Value),
    /// The object goes on until its finalizers are gone, or its kind answers the object that is gone.
    Object(Arc<Value>),
}

/// Handles `DELETE` on an object.
pub(crate) fn delete(call: &Call<'_>, state: &mut State) -> ApiResult<Deleted> {
    let options = options(call)?;
    let stored = state.stored(&call.resource, call.namespace(), call.name()).ok_or_else(|| call.not_found())?;
    delete_stored(call, state, &options, &stored)
}

/// Handles `DELETE` on a collection: each object that the selectors admit, answered as they were.
pub(crate) fn delete_collection(call: &Call<'_>, state: &mut State) -> ApiResult<Page> {
    let options = options(call)?;
    let page = read::list(call, state)?;
    for object in &page.items {
        let object = object.value();
        if let Some(stored) = state.stored(&call.resource, metadata::namespace(&object), metadata::name(&object)) {
            delete_stored(call, state, &options, &stored)?;
        }
    }
    Ok(Page { revision: state.store.revision(), ..page })
}

/// Whether nothing holds the object any longer: its deletion has begun, and finalizers and grace are over.
pub(crate) fn is_complete(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let spec_finalizers = object["kind"] == "Namespace"
        && object["spec"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    metadata::is_terminating(object)
        && metadata::finalizers(object).is_empty()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && !spec_finalizers
}

fn options(call: &Call<'_>) -> ApiResult<DeleteOptions> {
    let body = if call.body.is_empty() {
        None
    } else {
        Some(body::decode_builtin(call.headers, call.body, "meta.k8s.io/v1", "DeleteOptions")?)
    };
    DeleteOptions::parse(call.query, body.as_ref())
}

/// Deletes an object by all rules of deletions.
pub(crate) fn delete_stored(
    call: &Call<'_>,
    state: &mut State,
    options: &DeleteOptions,
    stored: &Arc<Value>,
) -> ApiResult<Deleted> {
    check_preconditions(call, options, stored)?;
    if call.resource.plural == "namespaces"
        && matches!(metadata::name(stored), "default" | "kube-system" | "kube-public")
    {
        let why = "this namespace may not be deleted";
        return Err(ApiError::forbidden("", "namespaces", metadata::name(stored), why));
    }
    let mut object = Value::clone(stored);
    settle_finalizers(&mut object, options.propagation);
    let grace = grace_period(call, &object, options);
    let held = !metadata::finalizers(&object).is_empty() || grace > 0 || is_lifecycle_object(call);
    if !held {
        return gone(call, state, options, stored);
    }
    begin(call, &mut object, grace);
    if is_complete(&object) {
        return gone(call, state, options, stored);
    }
    if object == **stored || options.dry_run {
        return Ok(Deleted::Object(call.present(&Arc::new(object))));
    }
    let stored = state.commit(call.server, &call.resource, object);
    let answer = call.present(&stored);
    if call.resource.plural == "customresourcedefinitions" {
        custom::lifecycle::terminate(state, call.server, metadata::name(&stored));
    }
    Ok(Deleted::Object(answer))
}

fn gone(call: &Call<'_>, state: &mut State, options: &DeleteOptions, stored: &Arc<Value>) -> ApiResult<Deleted> {
    if !options.dry_run {
        state.remove(call.server, &call.resource, stored).ok_or_else(|| call.not_found())?;
    }
    if call.resource.builtin().is_some_and(|builtin| builtin.returns_deleted) {
        return Ok(Deleted::Object(call.present(stored)));
    }
    let uid = stored["metadata"]["uid"].as_str().unwrap_or_default();
    let resource = &call.resource;
    Ok(Deleted::Gone(status::deleted(&resource.group, &resource.plural, metadata::name(stored), uid)))
}

/// Namespaces and custom resource definitions are never removed at once: their contents go first.
fn is_lifecycle_object(call: &Call<'_>) -> bool {
    matches!(
        (call.resource.group.as_str(), call.resource.plural.as_str()),
        ("", "namespaces") | ("apiextensions.k8s.io", "customresourcedefinitions")
    )
}

/// 409 when the object is not the one that the options mean.
pub(crate) fn check_preconditions(call: &Call<'_>, options: &DeleteOptions, stored: &Value) -> ApiResult<()> {
    let (group, kind, name) = (&call.resource.group, &call.resource.kind, metadata::name(stored));
    let was = &stored["metadata"];
    if let (Some(sent), Some(uid)) = (&options.uid, was["uid"].as_str())
        && sent != uid
    {
        let why = format!(
            "the UID in the precondition ({sent}) does not match the UID in record ({uid}). The object might have been \
             deleted and then recreated"
        );
        return Err(ApiError::conflict(group, kind, name, why));
    }
    if let (Some(sent), Some(version)) = (&options.resource_version, was["resourceVersion"].as_str())
        && sent != version
    {
        let why = format!(
            "the ResourceVersion in the precondition ({sent}) does not match the ResourceVersion in record ({version}). The \
             object might have been modified"
        );
        return Err(ApiError::conflict(group, kind, name, why));
    }
    Ok(())
}

/// Adds or drops the finalizers that stand for the propagation policy.
fn settle_finalizers(object: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let wanted = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    let mut finalizers: Vec<&str> = metadata::finalizers(object);
    finalizers.retain(|finalizer| ![ORPHAN, FOREGROUND].contains(finalizer) || wanted == Some(finalizer));
    if let Some(wanted) = wanted
        && !finalizers.contains(&wanted)
    {
        finalizers.push(wanted);
    }
    let finalizers = json!(finalizers);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if finalizers.as_array().is_some_and(Vec::is_empty) {
            metadata.remove("finalizers");
        } else {
            metadata.insert("finalizers".into(), finalizers);
        }
    }
}

/// How long the object is given: pods that run on a node get time, everything else none.
fn grace_period(call: &Call<'_>, object: &Value, options: &DeleteOptions) -> i64 {
    let is_pod = call.resource.plural == "pods" && call.resource.group.is_empty();
    let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let scheduled = object["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    if !is_pod || ended || !scheduled {
        return 0;
    }
    let wanted =
        options.grace_period_seconds.or(object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30);
    match object["metadata"]["deletionGracePeriodSeconds"].as_i64() {
        // A second deletion can only shorten the time that is left.
        Some(given) => given.min(wanted),
        None => wanted,
    }
    .max(0)
}

/// Marks the object as being deleted.
fn begin(call: &Call<'_>, object: &mut Value, grace: i64) {
    let lifecycle = is_lifecycle_object(call);
    let first = !metadata::is_terminating(object);
    let given = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    if first || given.is_some_and(|given| given > grace) {
        let deadline = call.now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(call.now);
        object["metadata"]["deletionTimestamp"] = seconds(deadline).into();
        if !lifecycle {
            object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        }
    }
    if !first {
        return;
    }
    if let Some(generation) = object["metadata"]["generation"].as_i64()
        && !lifecycle
    {
        object["metadata"]["generation"] = (generation + 1).into();
    }
    match object["kind"].as_str() {
        Some("Namespace") => object["status"]["phase"] = "Terminating".into(),
        Some("CustomResourceDefinition") => custom::lifecycle::mark(object, &seconds(call.now)),
        _ => {}
    }
}
