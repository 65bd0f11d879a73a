//! Create, update, patch and delete.

pub(crate) mod admission;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod patch;
pub(crate) mod scale;
pub(crate) mod update;

use std::sync::Arc;

use serde_json::Value;

use super::builtin;
use super::call::Call;
use super::metadata;
use super::options::WriteOptions;
use super::status::{ApiError, ApiResult, Cause};
use crate::api::clock::seconds;
use crate::apply::{self, Operation, UpdateRequest};

/// What a write did.
pub(crate) struct Written {
    pub(crate) object: Arc<Value>,
    pub(crate) created: bool,
}

/// Drops what the kind does not know and fills in defaults: the object as a decoder of the kind would hold it.
///
/// Answers what a strict reader would complain about.
pub(crate) fn normalize(call: &Call<'_>, object: &mut Value) -> ApiResult<Vec<String>> {
    let resource = &call.resource;
    if let Some(error) = metadata::decode_error(object) {
        return Err(cannot_be_handled(call, &error));
    }
    let mut unknown = match (&call.version.schema, resource.builtin()) {
        (Some(schema), _) => schema.prune(object),
        (None, Some(builtin)) => {
            builtin::types::decode(builtin, object).map_err(|error| cannot_be_handled(call, &error))?
        }
        (None, None) => Vec::new(),
    };
    for path in metadata::prune(object) {
        if !unknown.contains(&path) {
            unknown.push(path);
        }
    }
    if let Some(schema) = &call.version.schema {
        schema.default(object);
    }
    if let Some(builtin) = resource.builtin() {
        builtin::defaults::apply(builtin, object);
    }
    unknown.sort();
    Ok(unknown.into_iter().map(|path| format!("unknown field \"{path}\"")).collect())
}

/// 400: the body is not what the kind's decoder reads.
pub(crate) fn cannot_be_handled(call: &Call<'_>, error: &str) -> ApiError {
    let (kind, version) = (&call.resource.kind, &call.version.name);
    ApiError::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"))
}

/// Fills in the defaults of what a write dropped: objects read as the schema completes them.
pub(crate) fn complete(call: &Call<'_>, object: &mut Value) {
    if let Some(schema) = &call.version.schema {
        schema.default(object);
    }
}

/// Records in managedFields who wrote what.
pub(crate) fn track(call: &Call<'_>, options: &WriteOptions, old: Option<&Value>, new: &mut Value) {
    let request = UpdateRequest {
        manager: options.manager.clone(),
        subresource: call.subresource().map(str::to_owned),
        api_version: call.api_version(),
        now: seconds(call.now),
        operation: Operation::Update,
    };
    apply::track(old, new, &request, &call.version.model);
}

/// What the kind's own rules say about an object that is to be stored.
pub(crate) fn validate(call: &Call<'_>, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    match (&call.version.schema, call.resource.builtin()) {
        (Some(schema), _) => {
            let errors = schema.validate(object, old);
            let mut causes: Vec<Cause> = errors
                .into_iter()
                .map(|error| Cause::new(error.reason(), error.message.clone(), error.field))
                .collect();
            let unreadable = scale::unreadable(call, object);
            let at = causes.iter().position(|cause| cause.field == "<nil>").unwrap_or(causes.len());
            causes.splice(at..at, unreadable);
            causes
        }
        (None, Some(builtin)) => match old {
            Some(old) => builtin::validation::update(builtin, object, old, call.subresource()),
            None => builtin::validation::create(builtin, object),
        },
        (None, None) => Vec::new(),
    }
}

/// 501 for an object that asks for what is not served here.
pub(crate) fn refuse_unserved(call: &Call<'_>, object: &Value) -> ApiResult<()> {
    let defines = call.resource.plural == "customresourcedefinitions" && !call.resource.is_custom();
    if defines && object["spec"]["conversion"]["strategy"] == "Webhook" {
        return Err(ApiError::not_implemented("conversion webhooks: spec.conversion.strategy must be None"));
    }
    Ok(())
}

/// 422 if there are causes.
pub(crate) fn refuse_invalid(call: &Call<'_>, object: &Value, causes: Vec<Cause>) -> ApiResult<()> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(&call.resource.group, &call.resource.kind, metadata::name(object), causes))
}

/// The namespace of the path goes into the object; another one in the object is refused.
pub(crate) fn settle_namespace(call: &Call<'_>, object: &mut Value) -> ApiResult<()> {
    let sent = metadata::namespace(object).map(str::to_owned);
    match (call.namespace(), sent) {
        (Some(path), Some(sent)) if path != sent => Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
        (Some(path), _) => {
            object["metadata"]["namespace"] = path.into();
            Ok(())
        }
        (None, Some(_)) if !call.resource.namespaced => {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("namespace");
            }
            Ok(())
        }
        (None, _) => Ok(()),
    }
}
