//! Create.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Written, admission, complete, normalize, refuse_invalid, refuse_unserved, settle_namespace, track, validate,
};
use crate::access::escalation;
use crate::api::body;
use crate::api::builtin;
use crate::api::call::Call;
use crate::api::convert;
use crate::api::custom;
use crate::api::metadata;
use crate::api::options::WriteOptions;
use crate::api::registry::Source;
use crate::api::state::State;
use crate::api::status::{ApiError, ApiResult, Cause};
use crate::api::store;

/// Handles `POST` on a collection.
pub(crate) fn create(call: &Call<'_>, state: &mut State) -> ApiResult<Written> {
    let options = WriteOptions::parse(call.query, "CreateOptions", call.user_agent(), false)?;
    if let Source::Custom(custom) = &call.resource.source
        && custom.terminating
    {
        let message = "create not allowed while custom resource definition is terminating";
        return Err(ApiError::plain(405, "MethodNotAllowed", message));
    }
    let decoded = body::decode(call.headers, call.body, &call.resource, &call.version, |warning| call.warn(warning))?;
    let mut object = decoded.object;
    let mut complaints = normalize(call, &mut object)?;
    complaints.extend(decoded.complaints);
    call.complain(options.field_validation, &complaints)?;
    settle_namespace(call, &mut object)?;
    if let Some(name) = call.path.name.as_deref() {
        // `POST` on an object's path creates under that name.
        object["metadata"]["name"] = name.into();
    }
    track_and_insert(call, state, &options, object)
}

/// Stores an object that was decoded and does not exist yet; `apply` and `PUT` arrive here too.
pub(crate) fn track_and_insert(
    call: &Call<'_>,
    state: &mut State,
    options: &WriteOptions,
    mut object: Value,
) -> ApiResult<Written> {
    strip_status(call, &mut object);
    track(call, options, None, &mut object);
    insert(call, state, options, object)
}

/// Stores an object whose managedFields are settled.
pub(crate) fn insert(
    call: &Call<'_>,
    state: &mut State,
    options: &WriteOptions,
    mut object: Value,
) -> ApiResult<Written> {
    admission::namespace_exists(call, state, &object)?;
    strip_status(call, &mut object);
    metadata::create(&mut object, call.now);
    let builtin = call.resource.builtin();
    if builtin.is_none_or(|builtin| builtin.generation) {
        object["metadata"]["generation"] = 1.into();
    }
    if let Some(builtin) = builtin {
        builtin::defaults::prepare_create(builtin, &mut object);
    }
    admission::mutate(call, state, &mut object)?;
    refuse_unserved(call, &object)?;
    escalation::check(call, state, None, &object)?;
    refuse_invalid(call, &object, causes(call, &object))?;
    for warning in metadata::finalizer_warnings(None, &object) {
        call.warn(warning);
    }
    if object["metadata"]["resourceVersion"].is_string() {
        return Err(ApiError::internal("resourceVersion should not be set on objects to be created"));
    }
    let key = store::key(metadata::namespace(&object), metadata::name(&object));
    if state.store.object(&call.resource.collection, &key).is_some() {
        let (group, plural) = (&call.resource.group, &call.resource.plural);
        return Err(ApiError::already_exists(group, plural, metadata::name(&object)));
    }
    if call.resource.plural == "services" && call.resource.group.is_empty() {
        let addresses = call.server.service_addresses.as_ref();
        builtin::services::allocate(&mut object, addresses, &mut state.node_ports, options.dry_run)
            .or_else(|cause| refuse_invalid(call, &object, vec![cause]))?;
    }
    complete(call, &mut object);
    let object = convert::to_stored(&call.resource, object);
    let stored = if options.dry_run { Arc::new(object) } else { state.commit(call.server, &call.resource, object) };
    Ok(Written { object: call.present(&stored), created: true })
}

fn causes(call: &Call<'_>, object: &Value) -> Vec<Cause> {
    let mut causes = metadata::validate(object, &call.resource);
    let nameless = causes.iter().any(|cause| cause.reason == "FieldValueRequired");
    let own = validate(call, object, None);
    let checked = own.iter().all(|cause| cause.field != "<nil>");
    causes.extend(own);
    // Rules of the schema are not evaluated on an object whose name is missing, and the answer says so.
    if nameless && checked && call.version.openapi.as_ref().is_some_and(custom::has_rules) {
        let message = "Invalid value: null: some validation rules were not checked because the object was invalid; correct \
                       the existing errors to complete validation";
        causes.push(Cause::new("FieldValueInvalid", message, "<nil>"));
    }
    causes
}

/// Status is not set on create where the kind has a status subresource.
fn strip_status(call: &Call<'_>, object: &mut Value) {
    if call.version.status
        && call.resource.is_custom()
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
}
