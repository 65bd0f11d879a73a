//! Patch in all formats, and server-side apply.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Written, create, normalize, settle_namespace, update};
use crate::api::body;
use crate::api::call::Call;
use crate::api::clock::seconds;
use crate::api::json as go_json;
use crate::api::metadata;
use crate::api::options::{FieldValidation, WriteOptions};
use crate::api::patch;
use crate::api::state::State;
use crate::api::status::{ApiError, ApiResult, Cause};
use crate::apply::{ApplyError, ApplyRequest};

pub(super) const JSON_PATCH: &str = "application/json-patch+json";
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(super) const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";
pub(super) const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// Handles `PATCH` on an object or on its status.
pub(crate) fn patch(call: &Call<'_>, state: &mut State) -> ApiResult<Written> {
    if call.path.name.is_none() {
        return Err(ApiError::bad_request("name must be provided"));
    }
    let media_type = body::media_type(call.headers);
    if media_type == APPLY_PATCH {
        return apply(call, state);
    }
    let strategic = media_type == STRATEGIC_MERGE_PATCH && !call.resource.is_custom();
    if !strategic && !matches!(media_type.as_str(), JSON_PATCH | MERGE_PATCH) {
        return Err(body::unsupported_media(&accepted(call)));
    }
    let options = WriteOptions::parse(call.query, "PatchOptions", call.user_agent(), false)?;
    let document =
        go_json::parse(call.body).map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    let stored = state.stored(&call.resource, call.namespace(), call.name()).ok_or_else(|| call.not_found())?;
    let old = call.present(&stored);
    let mut new = match media_type.as_str() {
        JSON_PATCH => patch::json::apply(&old, &document.value)?,
        MERGE_PATCH => {
            let mut merged = Value::clone(&old);
            patch::merge::apply(&mut merged, &document.value);
            merged
        }
        _ => patch::strategic::apply(&old, &document.value)?,
    };
    let duplicates = document.duplicates.iter().map(|path| format!("duplicate field \"{path}\"")).collect();
    settle(call, &options, &mut new, duplicates)?;
    if let Some(version) = new["metadata"]["resourceVersion"].as_str()
        && old["metadata"]["resourceVersion"] != version
    {
        return Err(call.modified());
    }
    update::replace(call, state, &options, &stored, new, true)
}

/// The media types that the resource takes patches in.
fn accepted(call: &Call<'_>) -> String {
    let mut accepted = vec![JSON_PATCH, MERGE_PATCH];
    if !call.resource.is_custom() {
        accepted.push(STRATEGIC_MERGE_PATCH);
    }
    accepted.push(APPLY_PATCH);
    accepted.join(", ")
}

/// What a patched object goes through before it is treated as an update.
fn settle(call: &Call<'_>, options: &WriteOptions, new: &mut Value, mut complaints: Vec<String>) -> ApiResult<()> {
    if !new.is_object() {
        return Err(ApiError::bad_request("the patched object is not an object"));
    }
    new["apiVersion"] = match &new["apiVersion"] {
        Value::String(version) if *version != call.api_version() => {
            return Err(ApiError::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version ({})",
                call.api_version()
            )));
        }
        _ => call.api_version().into(),
    };
    new["kind"] = call.resource.kind.as_str().into();
    let patched = new.clone();
    complaints.splice(0..0, normalize(call, new)?);
    if options.field_validation == FieldValidation::Strict && !complaints.is_empty() {
        let detail = format!("strict decoding error: {}", complaints.join(", "));
        let cause = Cause::invalid("patch", &patched.to_string().into(), detail);
        return Err(ApiError::invalid("", "", "", vec![cause]));
    }
    call.complain(options.field_validation, &complaints)?;
    settle_namespace(call, new)?;
    update::check_name(call, new)
}

/// Server-side apply, which creates what is not there.
fn apply(call: &Call<'_>, state: &mut State) -> ApiResult<Written> {
    let options = WriteOptions::parse(call.query, "PatchOptions", call.user_agent(), true)?;
    let document =
        body::yaml(call.body).map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))?;
    let mut applied = document.value;
    check_applied(call, &mut applied)?;
    let stored = state.stored(&call.resource, call.namespace(), call.name());
    if stored.is_none() && call.subresource().is_some() {
        return Err(call.not_found());
    }
    let live = stored.as_ref().map(|stored| call.present(stored));
    let precondition = applied["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    if let (Some(version), Some(live)) = (&precondition, &live)
        && live["metadata"]["resourceVersion"] != version.as_str()
    {
        return Err(call.modified());
    }
    let mut known = applied.clone();
    let complaints = normalize(call, &mut known)?;
    call.complain(options.field_validation, &complaints)?;
    drop_unknown(call, &mut applied);
    let request = ApplyRequest {
        manager: options.manager.clone(),
        force: options.force,
        subresource: call.subresource().map(str::to_owned),
        api_version: call.api_version(),
        now: seconds(call.now),
    };
    let mut new = crate::apply::apply(live.as_deref(), &applied, &request, &call.version.model).map_err(refused)?;
    normalize(call, &mut new)?;
    settle_namespace(call, &mut new)?;
    match stored {
        Some(stored) => update::replace(call, state, &options, &stored, new, false),
        None if precondition.is_some() => Err(call.conflict(
            "StorageError: invalid object, Code: 4, ResourceVersion: 0, AdditionalErrorMsg: the object does not exist",
        )),
        None => create::insert(call, state, &options, new),
    }
}

/// What a client applies must name its kind and the path's object, and carries no managedFields.
fn check_applied(call: &Call<'_>, applied: &mut Value) -> ApiResult<()> {
    if !applied.is_object() {
        return Err(ApiError::bad_request("error decoding YAML: the applied configuration is not an object"));
    }
    body::check_kind(applied, &call.resource, &call.version, call.body)?;
    if applied["metadata"].is_null() {
        applied["metadata"] = json!({});
    }
    if applied["metadata"]["managedFields"].as_array().is_some_and(|entries| !entries.is_empty()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    update::check_name(call, applied)?;
    settle_namespace(call, applied)
}

/// Drops fields that the kind does not have from what is applied, without filling in defaults: those nobody owns.
fn drop_unknown(call: &Call<'_>, applied: &mut Value) {
    metadata::prune(applied);
    match (&call.version.schema, call.resource.builtin()) {
        (Some(schema), _) => drop(schema.prune(applied)),
        (None, Some(builtin)) => drop(crate::api::builtin::types::decode(builtin, applied)),
        (None, None) => {}
    }
}

/// 409 with a cause per conflict, or what else an apply was refused for.
pub(super) fn refused(error: ApplyError) -> ApiError {
    match error {
        ApplyError::Conflicts { message, conflicts } => {
            let causes = conflicts
                .into_iter()
                .map(|conflict| Cause::new("FieldManagerConflict", conflict.message, conflict.field))
                .collect();
            let details = crate::api::status::Details { causes, ..Default::default() };
            ApiError { details: Some(Box::new(details)), ..ApiError::plain(409, "Conflict", message) }
        }
        ApplyError::Invalid { code: 400, message } => ApiError::bad_request(message),
        ApplyError::Invalid { code, message } => ApiError { code, ..ApiError::internal(message) },
    }
}

/// The stored object that a patch of a subresource starts from.
pub(crate) fn stored(call: &Call<'_>, state: &State) -> ApiResult<Arc<Value>> {
    state.stored(&call.resource, call.namespace(), call.name()).ok_or_else(|| call.not_found())
}
