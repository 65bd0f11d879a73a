//! Update: `PUT`, and what every patch ends in.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Written, complete, create, delete, normalize, refuse_invalid, refuse_unserved, settle_namespace, track, validate,
};
use crate::access::escalation;
use crate::api::body;
use crate::api::builtin;
use crate::api::call::Call;
use crate::api::convert;
use crate::api::metadata;
use crate::api::options::WriteOptions;
use crate::api::state::State;
use crate::api::status::{ApiError, ApiResult, Cause};

/// Handles `PUT` on an object or on its status.
pub(crate) fn update(call: &Call<'_>, state: &mut State) -> ApiResult<Written> {
    let options = WriteOptions::parse(call.query, "UpdateOptions", call.user_agent(), false)?;
    if call.path.name.is_none() {
        return Err(ApiError::bad_request("name must be provided"));
    }
    let decoded = body::decode(call.headers, call.body, &call.resource, &call.version, |warning| call.warn(warning))?;
    let mut object = decoded.object;
    let mut complaints = normalize(call, &mut object)?;
    complaints.extend(decoded.complaints);
    call.complain(options.field_validation, &complaints)?;
    settle_namespace(call, &mut object)?;
    check_name(call, &mut object)?;
    let Some(stored) = state.stored(&call.resource, call.namespace(), call.name()) else {
        if call.subresource().is_none() && call.resource.builtin().is_some_and(|builtin| builtin.create_on_update) {
            return create::track_and_insert(call, state, &options, object);
        }
        return Err(call.not_found());
    };
    check_preconditions(call, &stored, &object)?;
    replace(call, state, &options, &stored, object, true)
}

/// The object's name must be the path's; an absent one is filled in.
pub(crate) fn check_name(call: &Call<'_>, object: &mut Value) -> ApiResult<()> {
    let (sent, path) = (metadata::name(object), call.name());
    if sent.is_empty() {
        object["metadata"]["name"] = path.into();
        return Ok(());
    }
    if sent == path {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("the name of the object ({sent}) does not match the name on the URL ({path})")))
}

/// The uid and resourceVersion that a `PUT` carries must be those of the stored object.
fn check_preconditions(call: &Call<'_>, stored: &Value, object: &Value) -> ApiResult<()> {
    let (sent, was) = (&object["metadata"], &stored["metadata"]);
    if let (Some(sent), Some(was)) = (sent["uid"].as_str(), was["uid"].as_str())
        && sent != was
    {
        let (group, plural) = (&call.resource.group, &call.resource.plural);
        let folder = if group.is_empty() { plural.clone() } else { format!("{group}/{plural}") };
        let key = match call.namespace() {
            Some(namespace) => format!("/registry/{folder}/{namespace}/{}", call.name()),
            None => format!("/registry/{folder}/{}", call.name()),
        };
        return Err(call.conflict(format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: \
             UID in precondition: {sent}, UID in object meta: {was}"
        )));
    }
    match sent["resourceVersion"].as_str() {
        Some(version) if sent["resourceVersion"] == was["resourceVersion"] || version == "0" => Ok(()),
        Some(_) => Err(call.modified()),
        None if call.resource.builtin().is_some_and(|builtin| builtin.unconditional_update) => Ok(()),
        None => {
            let cause = Cause::invalid("metadata.resourceVersion", &0.into(), "must be specified for an update");
            let (group, plural) = (&call.resource.group, &call.resource.plural);
            Err(ApiError::invalid(group, plural, call.name(), vec![cause]))
        }
    }
}

/// Replaces the stored object by a new one in the path's version, by all rules of updates.
///
/// `tracked` says whether this write's fields are still to be recorded; apply has done it already.
pub(crate) fn replace(
    call: &Call<'_>,
    state: &mut State,
    options: &WriteOptions,
    stored: &Arc<Value>,
    mut new: Value,
    track_fields: bool,
) -> ApiResult<Written> {
    let old = call.present(stored);
    if let Some(metadata) = new["metadata"].as_object_mut() {
        metadata.insert("resourceVersion".into(), old["metadata"]["resourceVersion"].clone());
    }
    keep_other_half(call, &old, &mut new);
    let fixed = metadata::update(&old, &mut new);
    if let Some(builtin) = call.resource.builtin() {
        builtin::defaults::prepare_update(builtin, &old, &mut new, call.subresource());
    }
    if track_fields {
        track(call, options, Some(&old), &mut new);
    }
    bump_generation(call, &old, &mut new);
    refuse_unserved(call, &new)?;
    escalation::check(call, state, Some(&old), &new)?;
    let causes = causes(call, &old, &new, fixed);
    refuse_invalid(call, &new, causes)?;
    for warning in metadata::finalizer_warnings(Some(&old), &new) {
        call.warn(warning);
    }
    if call.resource.plural == "services" && call.resource.group.is_empty() {
        builtin::services::node_ports::assign(Some(&old), &mut new, &mut state.node_ports, options.dry_run)
            .or_else(|cause| refuse_invalid(call, &new, vec![cause]))?;
    }
    complete(call, &mut new);
    if new == *old {
        return Ok(Written { object: old, created: false });
    }
    if delete::is_complete(&new) {
        let gone =
            if options.dry_run { Some(stored.clone()) } else { state.remove(call.server, &call.resource, stored) };
        return gone.map(|_| Written { object: Arc::new(new), created: false }).ok_or_else(|| call.not_found());
    }
    let new = convert::to_stored(&call.resource, new);
    let stored = if options.dry_run { Arc::new(new) } else { state.commit(call.server, &call.resource, new) };
    Ok(Written { object: call.present(&stored), created: false })
}

/// A write to the status keeps everything else, and the other way round.
fn keep_other_half(call: &Call<'_>, old: &Value, new: &mut Value) {
    match call.subresource() {
        Some("status") => {
            let (status, managed) = (new.get("status").cloned(), new["metadata"].get("managedFields").cloned());
            let mut kept = old.clone();
            set(&mut kept, "status", status);
            set(&mut kept["metadata"], "managedFields", managed);
            for field in status_metadata(call) {
                let value = new["metadata"].get(field).cloned();
                set(&mut kept["metadata"], field, value);
            }
            *new = kept;
        }
        Some("finalize") => {
            let finalizers = new["spec"].get("finalizers").cloned();
            let mut kept = old.clone();
            set(&mut kept["spec"], "finalizers", finalizers);
            *new = kept;
        }
        _ if call.version.status => set(new, "status", old.get("status").cloned()),
        _ => {}
    }
}

/// The metadata that a write to the status may change: none of custom resources, while workload controllers write their
/// annotations together with the status.
fn status_metadata(call: &Call<'_>) -> &'static [&'static str] {
    match (call.resource.group.as_str(), call.resource.plural.as_str()) {
        ("apps", "deployments") => &["annotations"],
        ("apps" | "batch", _) | ("", "pods" | "nodes" | "namespaces") if !call.resource.is_custom() => {
            &["annotations", "labels"]
        }
        _ => &[],
    }
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(fields) = object.as_object_mut() else { return };
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
}

/// The generation counts changes of everything but metadata and, where it is a subresource, status.
fn bump_generation(call: &Call<'_>, old: &Value, new: &mut Value) {
    let builtin = call.resource.builtin();
    if builtin.is_some_and(|builtin| !builtin.generation) || call.subresource() == Some("status") {
        return;
    }
    let relevant = |object: &Value| -> Option<Value> {
        let mut fields = object.as_object()?.clone();
        fields.remove("metadata");
        if builtin.is_some() || call.version.status {
            fields.remove("status");
        }
        Some(Value::Object(fields))
    };
    if relevant(old) != relevant(new) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        new["metadata"]["generation"] = generation.into();
    }
}

/// What is wrong with an update. The real server runs some checks of metadata more than once, and lists them so.
fn causes(call: &Call<'_>, old: &Value, new: &Value, fixed: Vec<Cause>) -> Vec<Cause> {
    let changed = old["metadata"] != new["metadata"];
    let maps = if changed { metadata::validate_maps(&new["metadata"]) } else { Vec::new() };
    let mut causes = maps.clone();
    causes.extend(fixed.clone());
    if call.resource.is_custom() {
        causes.extend(maps.clone());
    }
    causes.extend(maps);
    causes.extend(fixed);
    causes.extend(validate(call, new, Some(old)));
    causes
}
