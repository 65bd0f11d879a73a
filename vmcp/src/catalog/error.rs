//! The gateway's own errors about backends, with what a program needs to react.

use super::{Catalog, Collision};
use crate::egress::{Cause, EgressError};
use crate::jsonrpc::{ErrorObject, code};
use crate::offers::Kind;
use serde_json::{Value, json};

/// The error for a request to one backend that failed.
pub(crate) fn unavailable(backend: &str, error: &EgressError) -> ErrorObject {
    told(backend, error, json!({ "backend": backend, "cause": error.cause().as_str() }))
}

/// The same of what stands before the one backend alone. It says whether the backend itself has failed: a gateway in front counts that as
/// a failure of what stands between.
pub(crate) fn unavailable_behind_proxy(backend: &str, error: &EgressError) -> ErrorObject {
    if !error.is_outage() {
        return unavailable(backend, error);
    }
    told(backend, error, json!({ "backend": backend, "cause": error.cause().as_str(), "outage": true }))
}

fn told(backend: &str, error: &EgressError, data: Value) -> ErrorObject {
    let message = match error.cause() {
        Cause::Unauthorized => format!("backend {backend:?} did not authorize the request: {error}"),
        Cause::Overloaded => format!("backend {backend:?} does not keep up: {error}"),
        _ => format!("backend {backend:?} is not available: {error}"),
    };
    let code = if error.cause() == Cause::Overloaded { code::OVERLOADED } else { code::BACKEND_UNAVAILABLE };
    ErrorObject::new(code, message).with_data(data)
}

impl Catalog {
    /// The error for a request to one backend that failed, as this catalog tells it: without probes it is that of a proxy.
    pub(super) fn unavailable(&self, backend: &str, error: &EgressError) -> ErrorObject {
        if self.probed { unavailable(backend, error) } else { unavailable_behind_proxy(backend, error) }
    }
}

/// The error for a list that lacks what some backends have.
pub(super) fn incomplete(failed: &[(String, EgressError)]) -> ErrorObject {
    let names: Vec<_> = failed.iter().map(|(backend, _)| backend.as_str()).collect();
    let backends: Vec<_> =
        failed.iter().map(|(backend, error)| json!({ "backend": backend, "cause": error.cause().as_str() })).collect();
    ErrorObject::new(
        code::BACKEND_UNAVAILABLE,
        format!("the list is incomplete because backends are not available: {}", names.join(", ")),
    )
    .with_data(json!({ "backends": backends }))
}

/// The error for a list with names that two backends claim, where people are to resolve that.
pub(super) fn unresolved(collisions: &[Collision]) -> ErrorObject {
    let claims: Vec<_> = collisions
        .iter()
        .map(|Collision { name, owner, loser }| format!("{name:?} of {owner:?} and {loser:?}"))
        .collect();
    let conflicts: Vec<_> = collisions
        .iter()
        .map(|Collision { name, owner, loser }| json!({ "tool": name, "backends": [owner, loser] }))
        .collect();
    let message = format!(
        "backends have tools of the same name: {}; override names in aggregation.tools until each has its own",
        claims.join(", ")
    );
    ErrorObject::new(code::INTERNAL_ERROR, message).with_data(json!({ "conflicts": conflicts }))
}

/// The error for a call of a tool that two backends claim, where people are to resolve that.
pub(super) fn contested(tool: &str, owner: &str, other: &str) -> ErrorObject {
    unresolved(&[Collision { name: tool.to_owned(), owner: owner.to_owned(), loser: other.to_owned() }])
}

/// The error for a task whose backend is there no more.
pub(super) fn gone(backend: &str) -> ErrorObject {
    let message =
        format!("the task was of backend {backend:?}, which is not there any more, or has moved: start again");
    ErrorObject::new(code::INVALID_PARAMS, message).with_data(json!({ "backend": backend }))
}

/// The error for what nobody has (MCP 2025-11-25: tools, prompts, resources; each with its section on errors).
pub(crate) fn unknown(kind: Kind, name: &str) -> ErrorObject {
    match kind {
        Kind::Tools => ErrorObject::new(code::INVALID_PARAMS, format!("Unknown tool: {name}")),
        Kind::Prompts => ErrorObject::new(code::INVALID_PARAMS, format!("Unknown prompt: {name}")),
        Kind::Resources | Kind::Templates => {
            ErrorObject::new(code::RESOURCE_NOT_FOUND, "Resource not found").with_data(json!({ "uri": name }))
        }
    }
}
