//! What is decided about an object before it is validated: namespaces, service accounts, pods.

use serde_json::Value;

use crate::api::builtin::pods;
use crate::api::call::Call;
use crate::api::metadata;
use crate::api::state::State;
use crate::api::status::{ApiError, ApiResult, Cause};

/// Objects are created in namespaces that exist and are not being deleted.
pub(crate) fn namespace_exists(call: &Call<'_>, state: &State, object: &Value) -> ApiResult<()> {
    let Some(namespace) = call.namespace() else { return Ok(()) };
    let Some(stored) = state.store.object("namespaces", namespace) else {
        return Err(ApiError::not_found("", "namespaces", namespace));
    };
    if !metadata::is_terminating(&stored) {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut error = ApiError::forbidden(&call.resource.group, &call.resource.plural, metadata::name(object), why);
    if let Some(details) = &mut error.details {
        let message = format!("namespace {namespace} is being terminated");
        details.causes.push(Cause::new("NamespaceTerminating", message, "metadata.namespace"));
    }
    Err(error)
}

/// Fills in what admission adds to new objects.
pub(crate) fn mutate(call: &Call<'_>, state: &State, object: &mut Value) -> ApiResult<()> {
    match (call.resource.group.as_str(), call.resource.plural.as_str()) {
        ("", "pods") => service_account(call, state, object),
        _ => Ok(()),
    }
}

/// Gives a pod its service account and, unless refused, the account's token as a projected volume.
fn service_account(call: &Call<'_>, state: &State, pod: &mut Value) -> ApiResult<()> {
    let spec = &mut pod["spec"];
    let name = spec["serviceAccountName"].as_str().or(spec["serviceAccount"].as_str()).unwrap_or("default").to_owned();
    spec["serviceAccountName"] = name.as_str().into();
    spec["serviceAccount"] = name.as_str().into();
    let namespace = call.namespace().unwrap_or_default();
    let Some(account) = state.store.object("serviceaccounts", &format!("{namespace}/{name}")) else {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found");
        return Err(ApiError::forbidden("", "pods", metadata::name(pod), why));
    };
    let wanted = spec["automountServiceAccountToken"].as_bool();
    if wanted.or(account["automountServiceAccountToken"].as_bool()).unwrap_or(true) {
        pods::mount_token(pod);
    }
    Ok(())
}
