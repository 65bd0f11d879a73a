//! The scale subresource: the replicas of any kind, as one small object.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{patch, update};
use crate::api::body;
use crate::api::call::Call;
use crate::api::json as go_json;
use crate::api::options::WriteOptions;
use crate::api::patch as formats;
use crate::api::registry::ScalePaths;
use crate::api::state::State;
use crate::api::status::{ApiError, ApiResult, Cause};

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

/// Handles `PATCH` on a scale, by merge patch or JSON patch.
pub(crate) fn patch(call: &Call<'_>, state: &mut State) -> ApiResult<Value> {
    let options = WriteOptions::parse(call.query, "PatchOptions", call.user_agent(), false)?;
    let current = get(call, state)?;
    let document =
        go_json::parse(call.body).map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    let patched = match body::media_type(call.headers).as_str() {
        "application/json-patch+json" => formats::json::apply(&current, &document.value)?,
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            let mut merged = current;
            formats::merge::apply(&mut merged, &document.value);
            merged
        }
        "application/apply-patch+yaml" => {
            return Err(ApiError::not_implemented("server-side apply of scale subresources"));
        }
        _ => return Err(body::unsupported_media("application/json-patch+json, application/merge-patch+json")),
    };
    write(call, state, &options, &patched)
}

fn write(call: &Call<'_>, state: &mut State, options: &WriteOptions, scale: &Value) -> ApiResult<Value> {
    let paths = paths(call)?;
    let stored = patch::stored(call, state)?;
    if let Some(version) = scale["metadata"]["resourceVersion"].as_str()
        && stored["metadata"]["resourceVersion"] != version
    {
        return Err(call.modified());
    }
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let cause = Cause::invalid("spec.replicas", &replicas.into(), "must be greater than or equal to 0");
        return Err(ApiError::invalid("autoscaling", "Scale", call.name(), vec![cause]));
    }
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
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
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
