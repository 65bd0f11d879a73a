//! The scale subresource: the replicas of any kind, as one small object.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{patch, update};
use crate::api::body;
use crate::api::call::Call;
use crate::api::clock::seconds;
use crate::api::json as go_json;
use crate::api::options::WriteOptions;
use crate::api::patch as formats;
use crate::api::registry::ScalePaths;
use crate::api::state::State;
use crate::api::status::{ApiError, ApiResult, Cause};
use crate::apply::{ApplyError, ApplyRequest, Conflict};

const API_VERSION: &str = "autoscaling/v1";
const KIND: &str = "Scale";

/// Handles `GET` on a scale.
pub(crate) fn get(call: &Call<'_>, state: &State) -> ApiResult<Value> {
    let paths = paths(call)?;
    let stored = patch::stored(call, state)?;
    Ok(scale_of(call, paths, &stored))
}

/// Handles `PUT` on a scale.
pub(crate) fn put(call: &Call<'_>, state: &mut State) -> ApiResult<Value> {
    let options = WriteOptions::parse(call.query, "UpdateOptions", call.user_agent(), false)?;
    let scale = body::decode_builtin(call.headers, call.body, "autoscaling/v1", "Scale")?;
    write(call, state, &options, &scale)
}

/// Handles `PATCH` on a scale: merge patch, JSON patch and apply.
pub(crate) fn patch(call: &Call<'_>, state: &mut State) -> ApiResult<Value> {
    let media_type = body::media_type(call.headers);
    let applies = media_type == patch::APPLY_PATCH;
    let options = WriteOptions::parse(call.query, "PatchOptions", call.user_agent(), applies)?;
    if applies {
        return apply(call, state, &options);
    }
    let current = get(call, state)?;
    let document =
        go_json::parse(call.body).map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    let patched = match media_type.as_str() {
        patch::JSON_PATCH => formats::json::apply(&current, &document.value)?,
        patch::MERGE_PATCH | patch::STRATEGIC_MERGE_PATCH => {
            let mut merged = current;
            formats::merge::apply(&mut merged, &document.value);
            merged
        }
        _ => {
            let accepted = [patch::JSON_PATCH, patch::MERGE_PATCH, patch::APPLY_PATCH];
            return Err(body::unsupported_media(&accepted.join(", ")));
        }
    };
    write(call, state, &options, &patched)
}

/// Server-side apply: the manager comes to own the replicas of the scaled object.
fn apply(call: &Call<'_>, state: &mut State, options: &WriteOptions) -> ApiResult<Value> {
    let document =
        body::yaml(call.body).map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))?;
    let scale = document.value;
    if scale["apiVersion"] != API_VERSION || scale["kind"] != KIND {
        return Err(ApiError::bad_request(format!(
            "failed to apply to the scale of {} {}: expected apiVersion {API_VERSION} and kind {KIND}, got {} and {}",
            call.resource.plural,
            call.name(),
            scale["apiVersion"],
            scale["kind"]
        )));
    }
    let paths = paths(call)?;
    let stored = patch::stored(call, state)?;
    check_revision(call, &stored, &scale)?;
    check_replicas(call, &scale)?;
    let live = call.present(&stored);
    let mut applied =
        json!({"apiVersion": call.api_version(), "kind": call.resource.kind, "metadata": {"name": call.name()}});
    if !scale["spec"]["replicas"].is_null() {
        insert(&mut applied, &paths.spec, scale["spec"]["replicas"].clone());
    }
    let request = ApplyRequest {
        manager: options.manager.clone(),
        force: options.force,
        subresource: Some("scale".to_owned()),
        api_version: call.api_version(),
        now: seconds(call.now),
    };
    let mut new = crate::apply::apply(Some(&live), &applied, &request, &call.version.model)
        .map_err(|error| patch::refused(as_scale(error, paths)))?;
    if at(&new, &paths.spec).is_null() {
        // Nobody wants a number any more, and a scale without one is of none.
        insert(&mut new, &paths.spec, 0.into());
    }
    let written = update::replace(call, state, options, &stored, new, false)?;
    Ok(scale_of(call, paths, &written.object))
}

/// A conflict in the fields of the scale instead of those of the scaled object.
fn as_scale(error: ApplyError, paths: &ScalePaths) -> ApplyError {
    let ApplyError::Conflicts { message, conflicts } = error else { return error };
    let (theirs, ours) = (format!(".{}", paths.spec), ".spec.replicas");
    let conflicts = conflicts.into_iter().map(|conflict| Conflict { field: ours.to_owned(), ..conflict }).collect();
    ApplyError::Conflicts { message: message.replace(&theirs, ours), conflicts }
}

/// The revision that a scale carries must be that of the object.
fn check_revision(call: &Call<'_>, stored: &Value, scale: &Value) -> ApiResult<()> {
    match scale["metadata"]["resourceVersion"].as_str() {
        Some(version) if stored["metadata"]["resourceVersion"] != version => Err(call.modified()),
        _ => Ok(()),
    }
}

fn check_replicas(call: &Call<'_>, scale: &Value) -> ApiResult<i64> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas >= 0 {
        return Ok(replicas);
    }
    let cause = Cause::invalid("spec.replicas", &replicas.into(), "must be greater than or equal to 0");
    Err(ApiError::invalid("autoscaling", KIND, call.name(), vec![cause]))
}

fn write(call: &Call<'_>, state: &mut State, options: &WriteOptions, scale: &Value) -> ApiResult<Value> {
    let paths = paths(call)?;
    let stored = patch::stored(call, state)?;
    check_revision(call, &stored, scale)?;
    let replicas = check_replicas(call, scale)?;
    let mut new = Value::clone(&call.present(&stored));
    insert(&mut new, &paths.spec, replicas.into());
    let written = update::replace(call, state, options, &stored, new, true)?;
    Ok(scale_of(call, paths, &written.object))
}

fn paths<'a>(call: &'a Call<'_>) -> ApiResult<&'a ScalePaths> {
    call.version.scale.as_ref().ok_or_else(|| call.not_found())
}

fn scale_of(call: &Call<'_>, paths: &ScalePaths, object: &Arc<Value>) -> Value {
    let from = &object["metadata"];
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = from.get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let number = |path: &str| at(object, path).as_i64().unwrap_or(0);
    let mut spec = json!({});
    if !at(object, &paths.spec).is_null() {
        spec["replicas"] = number(&paths.spec).into();
    }
    let mut status = json!({"replicas": number(&paths.status)});
    if let Some(path) = &paths.selector {
        match at(object, path) {
            Value::String(selector) if !selector.is_empty() => status["selector"] = selector.as_str().into(),
            selector @ Value::Object(_) if !call.resource.is_custom() => {
                status["selector"] = selector_text(selector).into();
            }
            _ => {}
        }
    }
    json!({"kind": KIND, "apiVersion": API_VERSION, "metadata": metadata, "spec": spec, "status": status})
}

/// A structured label selector in its string form.
pub(crate) fn selector_text(selector: &Value) -> String {
    let mut terms: Vec<String> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let values = values.join(",");
        terms.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    terms.join(",")
}

/// A spec in which the replicas cannot be looked up.
pub(crate) fn unreadable(call: &Call<'_>, object: &Value) -> Option<Cause> {
    let path = &call.version.scale.as_ref()?.spec;
    let (parent, _) = path.rsplit_once('.')?;
    let kind = match at(object, parent) {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(_) => "int64",
        Value::Array(_) => "[]interface {}",
        Value::Null | Value::Object(_) => return None,
    };
    let detail = format!(".{path} accessor error: x is of the type {kind}, expected map[string]interface{{}}");
    Some(Cause::invalid(format!(".{path}"), &0.into(), detail))
}

fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(object, |value, segment| &value[segment])
}

fn insert(object: &mut Value, path: &str, value: Value) {
    let mut slot = object;
    for segment in path.split('.') {
        if !slot.is_object() {
            *slot = json!({});
        }
        slot = &mut slot[segment];
    }
    *slot = value;
}
